import { randomUUID } from "node:crypto";
import { settlePayment } from "@ducat/db/payments";
import { applyReversal } from "@ducat/db/reversals";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  makeOffer,
  makePayment,
  makeSucceededFact,
} from "../../../../packages/db/test/billing-factories.ts";
import { askCheckout } from "../../test/customer.ts";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let priceId: string;
let productKey: string;
beforeAll(async () => {
  stage = await setStage();
  const { price, product } = await makeOffer(stage.db.admin, {}, { provider: "sandbox" });
  priceId = price.id;
  productKey = product.key;
});
afterAll(() => stage.close());

const paid = async (account: string) => {
  const payment = await makePayment(stage.db.app, account, { priceId });
  const fact = makeSucceededFact(payment, { cardMask: "4242", receiptRef: "R-7" });
  await settlePayment(stage.db.app, fact);
  return { ...payment, paymentRef: fact.paymentRef };
};
const list = async (account: string, query = "") =>
  (await stage.call(`/v1/payments${query}`, { account })).body;

describe("GET /v1/payments", () => {
  it("lists the account's own, newest first, page by page", async () => {
    const account = await stage.makeAccount();
    const other = await stage.makeAccount();
    await paid(other);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await paid(account)).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await list(account, `?limit=2&count=true${cursor ? `&cursor=${cursor}` : ""}`);
      expect(page.total).toBe(5);
      seen.push(...page.data.map(({ id }: { id: string }) => id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids);
  });

  it("filters, and refuses what it doesn't know", async () => {
    const account = await stage.makeAccount();
    await askCheckout(stage, account, { price_id: priceId });
    await paid(account);
    expect((await list(account, "?status=succeeded")).data).toHaveLength(1);
    expect((await list(account, "?status=created&count=true")).total).toBe(1);
    expect((await list(account, "?purpose=reload")).data).toEqual([]);
    for (const query of ["?status=paid", "?limit=0", "?cursor=x", "?account=1"]) {
      const { status } = await stage.call(`/v1/payments${query}`, { account });
      expect([query, status]).toEqual([query, 422]);
    }
  });

  it("needs a key and an account", async () => {
    expect((await stage.call("/v1/payments", { bearer: null })).status).toBe(401);
    expect((await stage.call("/v1/payments")).body.code).toBe("account_required");
  });
});

describe("GET /v1/payments/:id", () => {
  it("shows what was asked, paid and given, and no name that a provider has for it", async () => {
    const account = await stage.makeAccount();
    const payment = await paid(account);
    const { text, body } = await stage.call(`/v1/payments/${payment.id}`, { account });
    expect(body).toMatchObject({
      status: "succeeded",
      product: { key: productKey, name: { en: "Hundred credits" } },
      credits: 100,
      credits_granted: 100,
      credits_clawed: 0,
      card: "4242",
      receipt_ref: "R-7",
      reversed: { amount: 0, currency: "USD" },
    });
    expect(text).not.toContain(payment.paymentRef);
  });

  it("tells what was reversed afterwards", async () => {
    const account = await stage.makeAccount();
    const payment = await paid(account);
    const read = async () => (await stage.call(`/v1/payments/${payment.id}`, { account })).body;
    for (const [amount, status] of [
      [300, "partially_reversed"],
      [900, "reversed"],
    ] as const) {
      await applyReversal(stage.db.worker, {
        provider: "sandbox",
        mode: "test",
        occurredAt: new Date(),
        paymentRef: payment.paymentRef,
        reversed: { amount, currency: "USD" },
      });
      expect(await read()).toMatchObject({ status, reversed: { amount } });
    }
    expect((await read()).credits_clawed).toBe(100);
  });

  it("hides another account's, its receipt too", async () => {
    const payment = await paid(await stage.makeAccount());
    const account = await stage.makeAccount();
    for (const path of [payment.id, `${payment.id}/receipt`, randomUUID(), "x"]) {
      const { status, body } = await stage.call(`/v1/payments/${path}`, { account });
      expect([path, status, body.code]).toEqual([path, 404, "not_found"]);
    }
  });
});

describe("GET /v1/payments/:id/receipt", () => {
  it("is a page in the account's language, without scripts", async () => {
    const { body: account } = await stage.call("/v1/accounts", {
      body: { external_id: randomUUID(), locale: "fa", email: `${randomUUID()}@x.org` },
    });
    const payment = await paid(account.id);
    const path = `/v1/payments/${payment.id}/receipt`;
    const { status, headers, text } = await stage.call(path, { account: account.id });
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(text).toContain('dir="rtl"');
    expect(text).toContain("رسید");
    expect(text).toContain(account.email);
    expect(text).not.toContain("<script");
  });

  it("comes once something was paid", async () => {
    const account = await stage.makeAccount();
    const { body } = await askCheckout(stage, account, { price_id: priceId });
    const answer = await stage.call(`/v1/payments/${body.payment_id}/receipt`, { account });
    expect([answer.status, answer.body.code]).toEqual([409, "invalid_state"]);
  });
});
