import { randomUUID } from "node:crypto";
import { applyReversal } from "@ducat/db/reversals";
import { TransactionPage } from "@ducat/types/credits";
import { PaymentPage } from "@ducat/types/payments";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settlePayment } from "../../../../packages/db/src/payments.ts";
import {
  makeOffer,
  makePayment,
  makeSucceededFact,
} from "../../../../packages/db/test/billing-factories.ts";
import { readCsv } from "../../test/parse-csv.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const csv = { accept: "text/csv" };
const amounts = (rows: { amount: number }[]) => rows.map(({ amount }) => amount);

describe("GET /v1/credits/transactions", () => {
  async function makeHistory() {
    const account = await stage.makeAccount(10);
    const spend = async (amount: number, description: string) =>
      (
        await stage.call("/v1/credits/consume", {
          ...{ account, key: randomUUID(), body: { amount, description } },
        })
      ).body;
    await spend(1, "A letter to Ada");
    await spend(2, "a LETTER to Bob");
    await spend(4, "100% wool");
    return account;
  }
  const find = async (account: string, query: Record<string, string>) => {
    const path = `/v1/credits/transactions?${new URLSearchParams(query)}`;
    const page = TransactionPage.parse((await stage.call(path, { account })).body);
    const { text } = await stage.call(path, { account, headers: csv });
    expect(readCsv(text).map((row) => Number(row.amount))).toEqual(amounts(page.data));
    return amounts(page.data);
  };

  it("is filtered by type, amount, text and what it belongs to, as JSON and as CSV", async () => {
    const account = await makeHistory();
    expect(await find(account, {})).toEqual([-4, -2, -1, 10, 3]);
    expect(await find(account, { type: "trial,adjustment" })).toEqual([10, 3]);
    expect(await find(account, { type: "usage" })).toEqual([-4, -2, -1]);
    expect(await find(account, { text: "letter" })).toEqual([-2, -1]);
    expect(await find(account, { text: "%" })).toEqual([-4]);
    expect(await find(account, { min_amount: "-2", max_amount: "3" })).toEqual([-2, -1, 3]);
    expect(await find(account, { max_amount: "-2", text: "to bob" })).toEqual([-2]);
    expect(await find(account, { generation_id: randomUUID() })).toEqual([]);
    expect(await find(account, { payment_id: randomUUID() })).toEqual([]);
    expect(await find(account, { from: "2999-01-01T00:00:00Z" })).toEqual([]);
  });

  it("counts what its filters find, and turns its pages", async () => {
    const account = await makeHistory();
    const path = "/v1/credits/transactions?type=usage&count=true&limit=2";
    const first = (await stage.call(path, { account })).body;
    const next = `${path}&cursor=${first.next_cursor}`;
    const second = (await stage.call(next, { account })).body;
    expect([amounts(first.data), amounts(second.data)]).toEqual([[-4, -2], [-1]]);
    expect([first.total, second.total, second.next_cursor]).toEqual([3, 3, null]);
  });

  it.each([
    ...["type=trial,", "type=none", "type=trial;usage", "min_amount=1.5", "max_amount=1e3"],
    ...["generation_id=x", "text=", "from=yesterday", "bom=yes", "unknown=1"],
  ])("refuses %s", async (query) => {
    const account = await stage.makeAccount();
    for (const headers of [{}, csv]) {
      const path = `/v1/credits/transactions?${query}`;
      const { status, body } = await stage.call(path, { account, headers });
      expect([status, body.code]).toEqual([422, "validation_failed"]);
    }
  });
});

describe("payments and receipts", () => {
  async function buy(account: string, charged = 1090) {
    const { price } = await makeOffer(stage.db.admin);
    const payment = await makePayment(stage.db.app, account, { priceId: price.id });
    const receiptRef = `R-${randomUUID()}`;
    const fact = makeSucceededFact(payment, {
      ...{ receiptRef, cardMask: "•••• 4242", money: { amount: charged, currency: "USD" } },
      price: { amount: 900, currency: "USD" },
    });
    await settlePayment(stage.db.app, fact);
    return { ...payment, receiptRef, paymentRef: fact.paymentRef };
  }
  const read = (html: string) =>
    html.replace(/<title>.*?<\/title>|<[^>]+>/gs, " ").replace(/\s+/g, " ");
  const receiptOf = async (account: string, id: string) =>
    read((await stage.call(`/v1/payments/${id}/receipt`, { account })).text);

  it("are filtered by amount, currency, provider, text and time, as JSON and as CSV", async () => {
    const account = await stage.makeAccount();
    const [one, two] = [await buy(account, 900), await buy(account, 1090)];
    const find = async (query: Record<string, string>) => {
      const path = `/v1/payments?${new URLSearchParams(query)}`;
      const { body } = await stage.call(path, { account });
      const ids = PaymentPage.parse(body).data.map(({ id }) => id);
      const rows = readCsv((await stage.call(path, { account, headers: csv })).text);
      expect(rows.map(({ id }) => id)).toEqual(ids);
      return { ids, rows };
    };
    const { ids, rows } = await find({});
    expect(ids).toEqual([two.id, one.id]);
    expect(rows[0]).toMatchObject({
      ...{ status: "succeeded", currency: "USD", price: "900", charged: "1090", reversed: "0" },
      ...{ receipt_ref: two.receiptRef, reference: two.reference, credits_granted: "100" },
      card: "•••• 4242",
    });
    expect((await find({ min_amount: "1000" })).ids).toEqual([two.id]);
    expect((await find({ max_amount: "900", currency: "USD" })).ids).toEqual([one.id]);
    expect((await find({ currency: "EUR" })).ids).toEqual([]);
    expect((await find({ provider: "stripe" })).ids).toEqual([]);
    expect((await find({ text: one.receiptRef.toLowerCase().slice(4) })).ids).toEqual([one.id]);
    expect((await find({ text: two.reference.slice(1) })).ids).toEqual([two.id]);
    expect((await find({ to: "2020-01-01T00:00:00Z" })).ids).toEqual([]);
    const other = await stage.makeAccount();
    const { text } = await stage.call("/v1/payments", { account: other, headers: csv });
    expect(readCsv(text)).toEqual([]);
  });

  it("tell of taxes, of what went back since, and of whom and what", async () => {
    const { body } = await stage.call("/v1/accounts", {
      body: { external_id: randomUUID(), phone: "+4915199990009" },
    });
    const account: string = body.id;
    const payment = await buy(account);
    const before = await receiptOf(account, payment.id);
    for (const text of ["Price $9.00", "Taxes $1.90", "Amount $10.90", "Credits 100 credits"]) {
      expect(before).toContain(text);
    }
    for (const text of ["•••• 4242", payment.receiptRef, payment.reference, "+4915199990009"]) {
      expect(before).toContain(text);
    }
    expect(before).not.toMatch(/Refunded|taken back/i);
    await applyReversal(stage.db.worker, {
      ...{ provider: "sandbox", mode: "test", occurredAt: new Date() },
      ...{ paymentRef: payment.paymentRef, reversed: { amount: 545, currency: "USD" } },
    });
    const after = await receiptOf(account, payment.id);
    expect(after).toContain("Refunded $5.45");
    expect(after).toContain("Credits taken back 50 credits");
    expect(after).not.toContain("by the bank");
  });

  it("say nothing of taxes where there were none", async () => {
    const account = await stage.makeAccount();
    const { id } = await buy(account, 900);
    const receipt = await receiptOf(account, id);
    expect(receipt).toContain("Amount $9.00");
    expect(receipt).not.toMatch(/Taxes|Price/);
  });
});
