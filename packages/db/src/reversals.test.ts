import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { at, makeReversal } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount } from "./accounts.ts";
import { advanceClock, consumeCredits, findBalance, grantCredits, listEntries } from "./credits.ts";
import { cancelGeneration } from "./generations.ts";
import { findPayment, settlePayment } from "./payments.ts";
import { applyReversal } from "./reversals.ts";

const database = useDatabase({ checksEvents: true });

const day = 86_400;

type Offer = Parameters<typeof makeOffer>[1];

/** An account without its trial that has paid 900 for a pack of 100, and what can happen to it. */
async function makeBuyer(product: Offer = {}, order: { subject?: string } = {}) {
  const { admin, app, worker } = database;
  const { id } = await makeAccount(app);
  await consumeCredits(app, id, { ...makeKey(), amount: 3 });
  const offer = await makeOffer(admin, product);
  const payment = await makePaid(app, id, { priceId: offer.price.id, ...order });
  const find = async () => (await findPayment(app, id, payment.id)) ?? payment;
  return {
    id,
    payment,
    offer,
    find,
    balance: () => findBalance(app, id),
    reverse: (amount: number, seconds: number) =>
      applyReversal(worker, makeReversal(payment, amount, seconds)),
    spend: (amount: number) => consumeCredits(app, id, { ...makeKey(), amount }),
    wait: (seconds: number) => advanceClock(app, id, seconds),
    buy: () => makePaid(app, id, { priceId: offer.price.id }),
  };
}

describe("a refund", () => {
  it("takes back its share of the credits, each time it grows, and all of them at the end", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.reverse(100, 1)).toBe("applied");
    // ceil(100 credits × 100 of 900)
    expect(await buyer.balance()).toMatchObject({ available: 88, debt: 0 });
    expect(await buyer.reverse(450, 2)).toBe("applied");
    expect(await buyer.balance()).toMatchObject({ available: 50 });
    expect(await buyer.reverse(900, 3)).toBe("applied");
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
    expect(await buyer.find()).toMatchObject({
      ...{ status: "succeeded", charged: 900, refunded: 900, reversed: 900 },
      ...{ disputed: 0, credits_granted: 100, clawed: 100 },
    });
    const taken = await listEntries(database.app, buyer.id, { type: "clawback", limit: 9 });
    expect(taken.map((entry) => [entry.amount, entry.payment_id])).toEqual(
      [-50, -38, -12].map((amount) => [amount, buyer.payment.id]),
    );
  });

  it("is known when it comes again, and an older word changes nothing", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.reverse(300, 5)).toBe("applied");
    expect(await buyer.reverse(300, 5)).toBe("known");
    expect(await buyer.reverse(900, 4)).toBe("known");
    expect(await buyer.reverse(300, 9)).toBe("known");
    expect(await buyer.reverse(0, 8)).toBe("known");
    expect(await buyer.find()).toMatchObject({ refunded: 300, refunded_at: at(9), clawed: 34 });
    expect((await listEntries(database.app, buyer.id, { type: "clawback", limit: 9 })).length).toBe(
      1,
    );
  });

  it("is the larger of two that were told for the same moment", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.reverse(200, 1)).toBe("applied");
    expect(await buyer.reverse(300, 1)).toBe("applied");
    expect(await buyer.reverse(100, 1)).toBe("known");
    expect(await buyer.find()).toMatchObject({ refunded: 300 });
  });

  it("gives the credits back when it fails after all", async () => {
    const buyer = await makeBuyer({ valid_days: 30 });
    await buyer.wait(10 * day);
    await buyer.reverse(900, 1);
    await buyer.wait(50 * day);
    expect(await buyer.reverse(0, 2)).toBe("applied");
    expect(await buyer.balance()).toMatchObject({ available: 100, debt: 0 });
    expect(await buyer.find()).toMatchObject({ reversed: 0, clawed: 0 });
    await buyer.wait(19 * day);
    expect(await buyer.balance()).toMatchObject({ available: 100 });
    await buyer.wait(1 * day + 60);
    expect(await buyer.balance()).toMatchObject({ available: 0 });
  });

  it("of spent credits is a debt, which the next purchase pays", async () => {
    const buyer = await makeBuyer();
    await buyer.spend(80);
    await buyer.reverse(900, 1);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 80 });
    await buyer.buy();
    expect(await buyer.balance()).toMatchObject({ available: 20, debt: 0 });
  });

  it("of spent credits is paid by what a generation pays back, too", async () => {
    const buyer = await makeBuyer();
    const made = await makeGeneration(database.app, buyer.id, { labels: ["a", "b", "c", "d"] });
    await buyer.spend(90);
    await buyer.reverse(900, 1);
    expect(await buyer.balance()).toMatchObject({ available: 0, held: 4, debt: 94 });
    await cancelGeneration(database.app, buyer.id, made.id);
    expect(await buyer.balance()).toMatchObject({ available: 0, held: 0, debt: 90 });
    await buyer.reverse(0, 2);
    expect(await buyer.balance()).toMatchObject({ available: 10, debt: 0 });
  });

  it("of expired credits takes none a second time, and the spent ones only", async () => {
    const buyer = await makeBuyer({ valid_days: 7 });
    await buyer.spend(40);
    await buyer.wait(8 * day);
    await buyer.reverse(900, 1);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 40 });
    expect(await buyer.find()).toMatchObject({ reversed: 900, clawed: 40 });
  });

  it("takes none a second time of what it gave back and has expired since", async () => {
    const buyer = await makeBuyer({ valid_days: 7 });
    await buyer.reverse(900, 1);
    await buyer.reverse(0, 2);
    await buyer.spend(30);
    await buyer.wait(8 * day);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
    await buyer.reverse(900, 3);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 30 });
    await buyer.reverse(0, 4);
    expect(await buyer.balance()).toMatchObject({ debt: 0 });
  });

  it("ends a pass and its allowances when all of it is gone, and brings them back", async () => {
    const buyer = await makeBuyer(
      { kind: "pass", valid_days: 7, credits: 20, allowances: { letters: 5 } },
      { subject: "house" },
    );
    const read = () => database.admin<{ pass: boolean; stock: boolean }[]>`
      SELECT p.revoked_at IS NOT NULL AS pass, g.revoked_at IS NOT NULL AS stock
      FROM ducat.passes p JOIN ducat.allowance_grants g USING (account_id, payment_id)
      WHERE p.payment_id = ${buyer.payment.id}`;
    await buyer.reverse(899, 1);
    expect(await read()).toEqual([{ pass: false, stock: false }]);
    await buyer.reverse(900, 2);
    expect(await read()).toEqual([{ pass: true, stock: true }]);
    expect((await buyer.balance())?.bound).toEqual([]);
    await buyer.reverse(600, 3);
    expect(await read()).toEqual([{ pass: false, stock: false }]);
    expect((await buyer.balance())?.bound.map((one) => one.remaining)).toEqual([6]);
  });

  it("takes its share of every grant of the payment, of one that comes later as well", async () => {
    const buyer = await makeBuyer({ credits: 10 });
    const refill = async (n: number) => {
      await grantCredits(database.worker, buyer.id, {
        ...{ source: "subscription", amount: 10, effectKey: `refill:${randomUUID()}:${n}` },
        paymentId: buyer.payment.id,
      });
      await database.admin`SELECT ducat.recompute_reversal(${buyer.payment.id})`;
    };
    await refill(1);
    await refill(2);
    await buyer.reverse(300, 1);
    // A third, rounded up, of each: 4 × 3.
    expect(await buyer.balance()).toMatchObject({ available: 18 });
    await refill(3);
    expect(await buyer.balance()).toMatchObject({ available: 24 });
    expect(await buyer.find()).toMatchObject({ credits_granted: 40, clawed: 16, reversed: 300 });
    await buyer.reverse(900, 2);
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
    await buyer.reverse(0, 3);
    expect(await buyer.balance()).toMatchObject({ available: 40 });
    await buyer.reverse(900, 4);
    expect(await buyer.find()).toMatchObject({ clawed: 40 });
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
  });

  it("of more than was charged is all of it and no more", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.reverse(5000, 1)).toBe("applied");
    expect(await buyer.find()).toMatchObject({ refunded: 5000, reversed: 900, clawed: 100 });
    expect(await buyer.balance()).toMatchObject({ available: 0, debt: 0 });
  });

  it("is counted against all that was charged, taxes included", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, { credits: 100 });
    const order = await makePayment(database.app, id, { priceId: price.id });
    const money = { amount: 1080, currency: "USD" };
    const { payment } = await settlePayment(database.app, makeSucceededFact(order, { money }));
    if (!payment) throw new Error("not settled");
    await applyReversal(database.worker, makeReversal(payment, 540, 1));
    expect(await findBalance(database.app, id)).toMatchObject({ token_balance: 50 });
  });

  it("counts without rounding errors in the largest numbers", async () => {
    const { id } = await makeAccount(database.app);
    const most = 1_000_000_000_000;
    const { price } = await makeOffer(database.admin, { credits: most }, { amount: most - 1 });
    const payment = await makePaid(database.app, id, { priceId: price.id });
    await applyReversal(database.worker, makeReversal(payment, most - 2, 1));
    const [grant] = await database.admin<{ reversed: number }[]>`
      SELECT reversed FROM ducat.credit_grants WHERE payment_id = ${payment.id}`;
    const exact = (BigInt(most) * BigInt(most - 2) + BigInt(most - 2)) / BigInt(most - 1);
    expect(BigInt(grant?.reversed ?? 0)).toBe(exact);
  });

  it("happens once when it is told many times at once", async () => {
    const buyer = await makeBuyer();
    const sessions = await openSessions(database.url, "ducat_worker", 10);
    const words = [makeReversal(buyer.payment, 225, 1), makeReversal(buyer.payment, 450, 2)];
    const calls = atOnce(sessions, 20, (session, i) =>
      applyReversal(session, words[i % 2] ?? makeReversal(buyer.payment, 450, 2)),
    );
    const applied = (await Promise.all(calls)).filter((outcome) => outcome === "applied");
    expect(applied.length).toBeGreaterThanOrEqual(1);
    expect(applied.length).toBeLessThanOrEqual(2);
    expect(await buyer.balance()).toMatchObject({ available: 50 });
    expect(await buyer.find()).toMatchObject({ refunded: 450, clawed: 50 });
  });

  it("waits for a payment that isn't in the books, or not paid as far as they know", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const order = await makePayment(database.app, id, { priceId: price.id });
    const named = { ...order, provider_ref: `pay_${randomUUID()}`, charged: 900 };
    const tell = (amount: number) => applyReversal(database.worker, makeReversal(named, amount, 1));
    expect(await tell(900)).toBe("unknown");
    const paid = makeSucceededFact(order, { paymentRef: named.provider_ref });
    await settlePayment(database.app, paid);
    expect(await tell(900)).toBe("applied");
    expect(await findBalance(database.app, id)).toMatchObject({ token_balance: 0, debt: 0 });
    const other = { ...named, mode: "live" as const };
    expect(await applyReversal(database.worker, makeReversal(other, 1, 9))).toBe("unknown");
  });

  it("finds an invoice's payment by the invoice and knows the payment from then on", async () => {
    const buyer = await makeBuyer();
    const invoiceRef = `in_${randomUUID()}`;
    await database.admin`
      UPDATE ducat.payments SET provider_ref = NULL, invoice_ref = ${invoiceRef}
      WHERE id = ${buyer.payment.id}`;
    const fact = makeReversal({ ...buyer.payment, provider_ref: "pi_of_invoice" }, 450, 1);
    expect(await applyReversal(database.worker, fact)).toBe("unknown");
    expect(await applyReversal(database.worker, { ...fact, invoiceRef })).toBe("applied");
    expect(await applyReversal(database.worker, fact)).toBe("known");
    expect(await buyer.find()).toMatchObject({ provider_ref: "pi_of_invoice", refunded: 450 });
  });

  it("in another currency is kept for a person and changes nothing", async () => {
    const buyer = await makeBuyer();
    const fact = makeReversal({ ...buyer.payment, currency: "EUR" }, 900, 1);
    expect(await applyReversal(database.worker, fact)).toBe("refused");
    expect(await applyReversal(database.worker, fact)).toBe("refused");
    expect(await buyer.find()).toMatchObject({ refunded: 0, reversed: 0 });
    const anomalies = await database.admin`
      SELECT kind, about, payment_id FROM ducat.payment_anomalies
      WHERE payment_id = ${buyer.payment.id}`;
    expect(anomalies).toEqual([
      {
        ...{ kind: "reversal_currency", about: fact.paymentRef },
        payment_id: buyer.payment.id,
      },
    ]);
  });

  it("that is no amount is refused", async () => {
    const buyer = await makeBuyer();
    for (const amount of [-1, 1_000_000_000_001]) {
      await expect(buyer.reverse(amount, 1)).rejects.toMatchObject({ code: "validation_failed" });
    }
  });

  it("is told as an event, and to the customer when money went back", async () => {
    const { account } = await createAccount(database.app, {
      ...{ external_id: `x-${randomUUID()}`, kind: "user", email: `${randomUUID()}@example.com` },
    });
    const { price } = await makeOffer(database.admin);
    const payment = await makePaid(database.app, account.id, { priceId: price.id });
    const tell = (amount: number, seconds: number) =>
      applyReversal(database.worker, makeReversal(payment, amount, seconds));
    await tell(300, 1);
    await tell(300, 1);
    await tell(900, 2);
    await tell(0, 3);
    const events = await database.admin<{ data: object }[]>`
      SELECT data FROM ducat.outbox
      WHERE account_id = ${account.id} AND type = 'payment.reversed' ORDER BY id`;
    const about = { payment_id: payment.id, purpose: "pack", charged: 900, currency: "USD" };
    expect(events.map((event) => event.data)).toEqual([
      { ...about, reversed: 300, credits: 34 },
      { ...about, reversed: 900, credits: 100 },
      { ...about, reversed: 0, credits: 0 },
    ]);
    const messages = await database.admin<{ data: object }[]>`
      SELECT data FROM ducat.messages
      WHERE account_id = ${account.id} AND kind = 'refund' ORDER BY id`;
    expect(messages.map((message) => message.data)).toEqual([
      { payment_id: payment.id, amount: 300, currency: "USD", credits: 34 },
      { payment_id: payment.id, amount: 600, currency: "USD", credits: 66 },
    ]);
  });
});
