import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { givePurchase, makeAccount, makeKey } from "../test/factories.ts";
import { permute } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount } from "./accounts.ts";
import { clawBack, consumeCredits, findBalance, freezeAccount, listEntries } from "./credits.ts";
import { listAnomalies } from "./payment-anomalies.ts";
import { listPayments } from "./payment-list.ts";
import {
  findPayment,
  type MovedFact,
  movePayment,
  type Payment,
  recordCheckout,
  settlePayment,
} from "./payments.ts";
import { findCustomer } from "./provider-customers.ts";

const database = useDatabase({ checksEvents: true });
const audit = { actor: "test", request_id: "test", ip: null };

/** An account with a waiting order for 100 credits at USD 9.00. */
async function makeBuyer(credits = 0) {
  const { id } = await makeAccount(database.app, credits);
  const { price } = await makeOffer(database.admin);
  const order = await makePayment(database.app, id, { priceId: price.id });
  return { id, order, price };
}

const settle = (fact: Parameters<typeof settlePayment>[1]) => settlePayment(database.worker, fact);

function move(
  order: Payment,
  state: "pending" | "expired" | "failed",
  more: Partial<MovedFact> = {},
) {
  const { provider, mode, reference: orderRef } = order;
  const about = { provider, mode, orderRef, paymentRef: "elsewhere" };
  return movePayment(database.worker, { ...about, kind: `payment.${state}`, ...more });
}

const read = async (order: Payment) => {
  const found = await findPayment(database.app, order.account_id, order.id);
  if (!found) throw new Error("the payment is gone");
  return found;
};
const findCredits = async (id: string) => (await findBalance(database.app, id))?.token_balance;
const readEvents = (id: string) => database.admin<{ type: string; data: object }[]>`
  SELECT type, data FROM ducat.outbox WHERE account_id = ${id} AND type LIKE 'payment.%'
  ORDER BY id`;

describe("settle_payment", () => {
  it("delivers what the order promised, and tells the account and the world once", async () => {
    const email = `${randomUUID()}@example.com`;
    const account = { external_id: `x-${randomUUID()}`, kind: "user", email } as const;
    const { account: made } = await createAccount(database.app, account);
    const { product, price } = await makeOffer(database.admin, { bonus: 10 });
    const order = await makePayment(database.app, made.id, { priceId: price.id });
    const fact = makeSucceededFact(order, {
      customerRef: "cus_9",
      receiptRef: "8821",
      cardMask: "4242******4242",
    });
    const first = await settle(fact);
    expect(first).toMatchObject({
      outcome: "applied",
      payment: {
        ...{ id: order.id, status: "succeeded", charged: 900, credits_granted: 110 },
        ...{ effect_key: fact.effectKey, provider_ref: fact.paymentRef, customer_ref: "cus_9" },
        ...{ receipt_ref: "8821", card_mask: "4242******4242", paid_at: expect.any(Date) },
      },
    });
    expect(await settle(fact)).toEqual({ ...first, outcome: "known" });
    expect(await findBalance(database.app, made.id)).toMatchObject({ token_balance: 110 });
    const [entry] = await listEntries(database.app, made.id, { type: "purchase", limit: 5 });
    expect(entry).toMatchObject({
      ...{ amount: 110, payment_id: order.id, description: "Hundred credits" },
    });
    const paid = { payment_id: order.id, purpose: "pack", amount: 900, currency: "USD" };
    expect(await readEvents(made.id)).toEqual([
      { type: "payment.succeeded", data: { ...paid, credits: 110 } },
    ]);
    const messages = await database.admin`
      SELECT kind, channel, data FROM ducat.messages WHERE account_id = ${made.id}`;
    expect(messages).toEqual([
      {
        ...{ kind: "receipt", channel: "email" },
        data: {
          ...{ ...paid, reference: order.reference, credits: 110, receipt_ref: "8821" },
          ...{ card_mask: "4242******4242", subject: null },
          paid_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          product: { en: "Hundred credits", fa: "صد اعتبار" },
        },
      },
    ]);
    const at = { provider: "sandbox", mode: "test" } as const;
    expect(await findCustomer(database.app, made.id, at)).toEqual({
      customer_ref: "cus_9",
      method_ref: null,
    });
    expect(product.bonus).toBe(10);
  });

  it("gives what lives as long, for the subject and with the stock that the pack says", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, {
      ...{ needs_subject: true, valid_days: 30, credits: 5 },
      allowances: { mail: 3, letters: 0 },
    });
    const paid = await makePaid(database.app, id, { priceId: price.id, subject: "house" });
    const balance = await findBalance(database.app, id);
    expect(balance?.bound).toMatchObject([{ subject: "house", remaining: 5 }]);
    const end = new Date(balance?.bound[0]?.expires_at ?? 0);
    expect(Math.round((end.getTime() - Date.now()) / 86_400_000)).toBe(30);
    const stock = await database.admin`
      SELECT feature, amount, remaining, payment_id, expires_at > now() + interval '29 days' AS ends
      FROM ducat.allowance_grants WHERE account_id = ${id}`;
    const given = { feature: "mail", amount: 3, remaining: 3, payment_id: paid.id, ends: true };
    expect(stock).toEqual([given]);
  });

  it("gives stock alone where the pack has no credits", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, { credits: 0, allowances: { mail: 3 } });
    const paid = await makePaid(database.app, id, { priceId: price.id });
    expect(paid).toMatchObject({ credits: 0, credits_granted: 0, status: "succeeded" });
    const rows = await database.admin`
      SELECT expires_at FROM ducat.allowance_grants WHERE account_id = ${id}`;
    expect(rows).toEqual([{ expires_at: null }]);
  });

  it("books a reload as what it is, and clears its failures", async () => {
    const { id, price } = await makeBuyer();
    await database.admin`
      INSERT INTO ducat.auto_reloads (account_id, enabled, threshold, price_id, provider, amount,
        failures)
      VALUES (${id}, true, 5, ${price.id}, 'sandbox', 100, 2)`;
    await makePaid(database.app, id, { priceId: price.id, purpose: "reload" });
    const [entry] = await listEntries(database.app, id, { limit: 1 });
    expect(entry).toMatchObject({ type: "auto_reload", amount: 100 });
    const [reload] = await database.admin`
      SELECT failures FROM ducat.auto_reloads WHERE account_id = ${id}`;
    expect(reload).toEqual({ failures: 0 });
  });

  it("lets a debt take its part", async () => {
    const { id, order } = await makeBuyer();
    const { grant_id: grantId } = await givePurchase(database.app, id, 40);
    await consumeCredits(database.app, id, { ...makeKey(), amount: 43 });
    await clawBack(database.worker, id, { grantId, reversed: 40 });
    expect(await findBalance(database.app, id)).toMatchObject({ available: 0, debt: 40 });
    expect(await settle(makeSucceededFact(order))).toMatchObject({
      payment: { credits_granted: 100 },
    });
    expect(await findBalance(database.app, id)).toMatchObject({ available: 60, debt: 0 });
  });

  it("delivers to a frozen account what it has paid for", async () => {
    const { id, order } = await makeBuyer();
    await freezeAccount(database.app, id, { reason: "dispute:1", frozen: true, audit });
    expect(await settle(makeSucceededFact(order))).toMatchObject({ outcome: "applied" });
    expect(await findCredits(id)).toBe(100);
  });

  it("takes an order's money however late it comes", async () => {
    for (const state of ["failed", "expired"] as const) {
      const { id, order } = await makeBuyer();
      expect(await move(order, state)).toMatchObject({
        outcome: "applied",
        payment: { status: state },
      });
      expect(await settle(makeSucceededFact(order))).toMatchObject({
        outcome: "applied",
        payment: { status: "succeeded", failure_code: null },
      });
      expect(await findCredits(id)).toBe(100);
    }
  });

  it("knows an order by its page or its effect where the provider has not our reference", async () => {
    const { order } = await makeBuyer();
    await recordCheckout(database.app, order.id, {
      ...{ ref: "A-page", url: "https://pay.example.com/" },
      sent: { amount: 900, currency: "USD" },
    });
    const { orderRef: _, ...fact } = makeSucceededFact(order, { paymentRef: "A-page" });
    expect(await settle(fact)).toMatchObject({ outcome: "applied", payment: { id: order.id } });
    expect(await settle({ ...fact, paymentRef: "B" })).toMatchObject({
      outcome: "known",
      payment: { id: order.id },
    });
    const { effectKey: __, ...told } = { ...fact, kind: "payment.failed" as const };
    expect(await movePayment(database.worker, told)).toMatchObject({ outcome: "known" });
  });

  it("ends the page that was paid, and the others stay to be asked about", async () => {
    const { order } = await makeBuyer();
    const pages = () => database.admin`
      SELECT status FROM ducat.payment_attempts WHERE payment_id = ${order.id} ORDER BY id`;
    await settle(makeSucceededFact(order));
    expect(await pages()).toEqual([{ status: "succeeded" }]);
    const second = await makeBuyer();
    const page = { url: "https://pay.example.com/", sent: { amount: 900, currency: "USD" } };
    await recordCheckout(database.app, second.order.id, { ...page, ref: "A-second" });
    await settle(makeSucceededFact(second.order, { paymentRef: "A-second" }));
    const rows = await database.admin`
      SELECT status FROM ducat.payment_attempts WHERE payment_id = ${second.order.id} ORDER BY id`;
    expect(rows).toEqual([{ status: "sent" }, { status: "succeeded" }]);
  });

  it("answers unknown for an order that is not in the books, and writes nothing", async () => {
    const { order } = await makeBuyer();
    const fact = makeSucceededFact({ ...order, reference: "nothing" });
    expect(await settle(fact)).toEqual({ outcome: "unknown", payment: undefined });
    const moved = { ...fact, kind: "payment.failed" } as const;
    expect(await movePayment(database.worker, moved)).toMatchObject({ outcome: "unknown" });
    expect(await read(order)).toEqual(order);
  });

  it("never takes the word of another provider or mode for an order's", async () => {
    const { id, order } = await makeBuyer();
    for (const other of [{ provider: "stripe" }, { mode: "live" }] as const) {
      const fact = makeSucceededFact({ ...order, ...other });
      expect(await settle(fact)).toEqual({ outcome: "unknown", payment: undefined });
      const moved = { ...fact, kind: "payment.expired" } as const;
      expect(await movePayment(database.worker, moved)).toMatchObject({ outcome: "unknown" });
    }
    expect(await read(order)).toEqual(order);
    expect(await findCredits(id)).toBe(0);
  });
});

describe("a charge that is not what was asked for", () => {
  const wrong = {
    "one unit less": { price: { amount: 899, currency: "USD" } },
    "one unit more": { price: { amount: 901, currency: "USD" } },
    "another price's currency": { price: { amount: 900, currency: "EUR" } },
    "another charge's currency": { money: { amount: 900, currency: "EUR" } },
    nothing: { money: { amount: 0, currency: "USD" } },
    "less than the price": { money: { amount: 899, currency: "USD" } },
    "a negative amount": { money: { amount: -900, currency: "USD" } },
    "more than any tax": { money: { amount: 1801, currency: "USD" } },
    "more than there is": { money: { amount: 2 ** 60, currency: "USD" } },
    "no number": { money: { amount: Number.NaN, currency: "USD" } },
    "half a cent": { money: { amount: 900.5, currency: "USD" } },
    "a huge price": { price: { amount: 2 ** 60, currency: "USD" } },
  };

  for (const [title, more] of Object.entries(wrong)) {
    it(`is kept and credits nothing: ${title}`, async () => {
      const { id, order } = await makeBuyer();
      const fact = makeSucceededFact(order, more);
      const first = await settle(fact);
      expect(first).toMatchObject({
        outcome: "refused",
        payment: {
          ...{ id: order.id, status: "quarantined", credits_granted: 0, paid_at: null },
          failure_code: /currency/.test(title) ? "currency_mismatch" : "amount_mismatch",
        },
      });
      expect(await settle(fact)).toEqual(first);
      expect(await findCredits(id)).toBe(0);
      const anomalies = await listAnomalies(database.app, { limit: 100 });
      expect(anomalies.filter((one) => one.payment_id === order.id)).toMatchObject([
        { kind: first.payment?.failure_code, about: fact.paymentRef, resolved_at: null },
      ]);
      for (const state of ["pending", "failed", "expired"] as const) {
        expect(await move(order, state)).toMatchObject({ payment: { status: "quarantined" } });
      }
      expect(await readEvents(id)).toEqual([]);
    });
  }

  it("keeps taxes that came on top as charged, because refunds are parts of that", async () => {
    const { order } = await makeBuyer();
    const taxed = makeSucceededFact(order, { money: { amount: 1089, currency: "USD" } });
    expect(await settle(taxed)).toMatchObject({ outcome: "applied", payment: { charged: 1089 } });
  });

  it("gets a row of its own as soon as the right one comes, whichever was first", async () => {
    const summaries: unknown[] = [];
    for (const isWrongFirst of [true, false]) {
      const { id, order } = await makeBuyer();
      const right = makeSucceededFact(order, { receiptRef: "right" });
      const money = { amount: 950, currency: "USD" };
      const price = { amount: 950, currency: "USD" };
      const bad = makeSucceededFact(order, { money, price, receiptRef: "bad" });
      for (const fact of isWrongFirst ? [bad, right] : [right, bad]) await settle(fact);
      expect(await read(order)).toMatchObject({
        ...{ status: "succeeded", receipt_ref: "right", effect_key: right.effectKey },
        ...{ charged: 900, failure_code: null },
      });
      expect(await settle(bad)).toMatchObject({ outcome: "refused" });
      expect(await settle(right)).toMatchObject({ outcome: "known" });
      const payments = await listPayments(database.app, id, { limit: 10 });
      const kept = payments.find((one) => one.status === "quarantined");
      const [anomaly] = await listAnomalies(database.app, { limit: 1 });
      expect(anomaly).toMatchObject({ payment_id: kept?.id, data: { order: order.id } });
      summaries.push(
        payments.map(({ status, charged, receipt_ref, credits, credits_granted, failure_code }) => [
          ...[status, charged, receipt_ref, credits, credits_granted, failure_code],
        ]),
      );
      expect(await findCredits(id)).toBe(100);
    }
    expect(summaries[0]).toEqual(summaries[1]);
    expect(summaries[0]).toEqual([
      ["quarantined", 950, "bad", 0, 0, "amount_mismatch"],
      ["succeeded", 900, "right", 100, 100, null],
    ]);
  });
});

describe("a second charge of an order that is paid", () => {
  it("is kept apart for a person to pay back, and credits nothing", async () => {
    const { id, order } = await makeBuyer();
    await settle(makeSucceededFact(order));
    const again = makeSucceededFact(order);
    const kept = await settle(again);
    expect(kept).toMatchObject({
      outcome: "refused",
      payment: {
        ...{ status: "quarantined", failure_code: "paid_twice", charged: 900, credits: 0 },
        ...{ provider_ref: again.paymentRef, effect_key: again.effectKey },
      },
    });
    expect(kept.payment?.id).not.toBe(order.id);
    expect(kept.payment?.reference).not.toBe(order.reference);
    expect(await settle(again)).toEqual(kept);
    const [anomaly] = await listAnomalies(database.app, { kind: "paid_twice", limit: 1 });
    expect(anomaly).toMatchObject({
      ...{ payment_id: kept.payment?.id, about: again.paymentRef },
      data: { order: order.id },
    });
    expect(await findCredits(id)).toBe(100);
    expect(await read(order)).toMatchObject({ status: "succeeded" });
  });
});

describe("move_payment", () => {
  it("goes on from created, and a success stays one", async () => {
    const { id, order } = await makeBuyer();
    expect(await move(order, "pending")).toMatchObject({
      outcome: "applied",
      payment: { status: "pending" },
    });
    expect(await move(order, "pending")).toMatchObject({ outcome: "known" });
    await settle(makeSucceededFact(order));
    for (const state of ["pending", "expired", "failed"] as const) {
      expect(await move(order, state)).toMatchObject({
        outcome: "known",
        payment: { status: "succeeded" },
      });
    }
    expect(await findCredits(id)).toBe(100);
    expect(await readEvents(id)).toMatchObject([{ type: "payment.succeeded" }]);
  });

  it("says once that an order has failed, and why", async () => {
    const { id, order } = await makeBuyer();
    for (const outcome of ["applied", "known"]) {
      expect(await move(order, "failed", { code: "card_declined" })).toMatchObject({
        outcome,
        payment: { status: "failed", failure_code: "card_declined" },
      });
    }
    expect(await move(order, "pending")).toMatchObject({ payment: { status: "failed" } });
    expect(await readEvents(id)).toEqual([
      {
        type: "payment.failed",
        data: {
          ...{ payment_id: order.id, purpose: "pack", amount: 900, currency: "USD" },
          code: "card_declined",
        },
      },
    ]);
  });

  it("waits for the last page, and has failed if any did, in whatever order", async () => {
    const facts = [
      { state: "failed", paymentRef: "one" },
      { state: "expired", paymentRef: "two" },
      { state: "pending", paymentRef: "two" },
      { state: "expired", paymentRef: "two" },
    ] as const;
    for (const order of permute(facts)) {
      const { id } = await makeAccount(database.app);
      const { price } = await makeOffer(database.admin);
      const made = await makePayment(database.app, id, { priceId: price.id });
      await database.admin`DELETE FROM ducat.payment_attempts WHERE payment_id = ${made.id}`;
      const page = { url: "https://pay.example.com/", sent: { amount: 900, currency: "USD" } };
      const refs = { one: randomUUID(), two: randomUUID() };
      await recordCheckout(database.app, made.id, { ...page, ref: refs.one });
      await recordCheckout(database.app, made.id, { ...page, ref: refs.two });
      const seen = new Set<string>();
      for (const { state, paymentRef } of order) {
        if (state !== "pending") seen.add(paymentRef);
        const { payment } = await move(made, state, { paymentRef: refs[paymentRef] });
        const isOver = seen.size === 2;
        expect(["failed", "expired"].includes(payment?.status ?? "")).toBe(isOver);
      }
      expect(await read(made)).toMatchObject({ status: "failed" });
    }
  });

  it("of a saved card's charge counts it as a failed reload, once", async () => {
    const { id, price } = await makeBuyer();
    await database.admin`
      INSERT INTO ducat.auto_reloads (account_id, enabled, threshold, price_id, provider, amount)
      VALUES (${id}, true, 5, ${price.id}, 'sandbox', 100)`;
    const order = await makePayment(database.app, id, { priceId: price.id, purpose: "reload" });
    await database.admin`
      UPDATE ducat.payment_attempts SET kind = 'charge', provider_ref = NULL
      WHERE payment_id = ${order.id}`;
    const code = "authentication_required";
    for (const outcome of ["applied", "known"]) {
      expect(await move(order, "failed", { code, paymentRef: "pi_1" })).toMatchObject({
        outcome,
        payment: { status: "failed", failure_code: code },
      });
    }
    const [row] = await database.admin`
      SELECT r.failures, a.status, a.provider_ref AS ref FROM ducat.auto_reloads r
      JOIN ducat.payment_attempts a USING (account_id)
      WHERE r.account_id = ${id} AND a.kind = 'charge'`;
    expect(row).toEqual({ failures: 1, status: "needs_customer", ref: "pi_1" });
  });
});
