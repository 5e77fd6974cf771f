import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount, makeKey } from "../test/factories.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { makeReversal } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { settlePayment } from "./payments.ts";
import { findDueRefunds, recordRefund, reserveRefund } from "./refunds.ts";
import { applyReversal } from "./reversals.ts";

const database = useDatabase();

const audit = { actor: "root", request_id: "test", ip: null };

/** A payment of 900 and refunds of it. */
async function makeRefundable() {
  const { id } = await makeAccount(database.app);
  const { price } = await makeOffer(database.admin);
  const payment = await makePaid(database.app, id, { priceId: price.id });
  const request = (amount?: number) => ({
    ...makeKey(),
    ...{ paymentId: payment.id, amount, reason: "asked for it", audit },
  });
  return {
    id,
    payment,
    request,
    reserve: (asked = request(), db = database.app) => reserveRefund(db, id, asked),
    reserveOf: (amount: number) => reserveRefund(database.app, id, request(amount)),
    tell: (amount: number, seconds: number) =>
      applyReversal(database.worker, makeReversal(payment, amount, seconds)),
  };
}

/** The refund is due now. */
const letBeDue = (id: string) => database.admin`
  UPDATE ducat.payment_refunds SET due_at = clock_timestamp() WHERE id = ${id}`;

describe("reserve_refund", () => {
  it("writes down all that is left before anybody is asked, with an audit line", async () => {
    const { id, payment, reserve } = await makeRefundable();
    const { refund, replayed } = await reserve();
    expect(replayed).toBe(false);
    expect(refund).toMatchObject({
      ...{ account_id: id, payment_id: payment.id, status: "reserved", error: null },
      ...{ amount: 900, currency: "USD", reason: "asked for it" },
      payment: {
        ...{ provider: "sandbox", mode: "test", reference: payment.reference },
        ...{ ref: payment.provider_ref, charged: 900, reversed_before: 0, receipt_ref: null },
        paid_at: payment.paid_at,
      },
    });
    const lines = await database.admin`
      SELECT actor, action, resource_id, metadata FROM ducat.audit_logs
      WHERE account_id = ${id} AND action = 'payment.refund'`;
    const metadata = { refund_id: refund.id, amount: 900, currency: "USD", reason: "asked for it" };
    expect(lines).toEqual([
      { actor: "root", action: "payment.refund", resource_id: payment.id, metadata },
    ]);
  });

  it("returns the same refund for the same key, as it is by now", async () => {
    const { request, reserve } = await makeRefundable();
    const asked = request(300);
    const first = await reserve(asked);
    await recordRefund(database.worker, first.refund.id, { status: "succeeded" });
    const again = await reserve(asked);
    expect(again).toEqual({
      replayed: true,
      refund: { ...first.refund, status: "succeeded" },
    });
    const other = { ...request(400), key: asked.key };
    await expect(reserve(other)).rejects.toMatchObject({ code: "idempotency_conflict" });
  });

  it("reserves once when it is asked for many times at once", async () => {
    const { request, reserve } = await makeRefundable();
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const asked = request();
    const same = await Promise.all(atOnce(sessions, 20, (db) => reserve(asked, db)));
    expect(new Set(same.map(({ refund }) => refund.id)).size).toBe(1);
    expect(same.filter(({ replayed }) => !replayed).length).toBe(1);
    const others = await Promise.allSettled(atOnce(sessions, 20, (db) => reserve(request(), db)));
    const open = { code: "invalid_state", detail: { extra: { reason: "refund_open" } } };
    for (const other of others) expect(other).toMatchObject({ status: "rejected", reason: open });
  });

  it("gives back parts until nothing is left, and never more", async () => {
    const { reserveOf, tell } = await makeRefundable();
    let before = 0;
    for (const amount of [300, 300, 300]) {
      const { refund } = await reserveOf(amount);
      expect(refund).toMatchObject({ amount, payment: { reversed_before: before } });
      before += amount;
      await tell(before, before);
      await recordRefund(database.worker, refund.id, { status: "succeeded" });
    }
    await expect(reserveOf(1)).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "exceeds", left: 0 } } },
    });
  });

  it("refuses more than is left, nothing, and less", async () => {
    const { reserve, reserveOf, tell } = await makeRefundable();
    await tell(200, 1);
    await expect(reserveOf(701)).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "exceeds", left: 700 } } },
    });
    for (const amount of [0, -5, 1_000_000_000_001]) {
      await expect(reserveOf(amount)).rejects.toMatchObject({ code: "validation_failed" });
    }
    expect((await reserve()).refund.amount).toBe(700);
  });

  it("refuses what was not paid, and takes what was paid and quarantined", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await makePayment(database.app, id, { priceId: price.id });
    const asked = () => ({ ...makeKey(), paymentId: payment.id, reason: null, audit });
    await expect(reserveRefund(database.app, id, asked())).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "not_paid" } } },
    });
    const wrong = { amount: 500, currency: "USD" };
    const fact = makeSucceededFact(payment, { money: wrong, price: wrong });
    expect((await settlePayment(database.app, fact)).outcome).toBe("refused");
    const { refund } = await reserveRefund(database.app, id, asked());
    expect(refund).toMatchObject({ amount: 500, payment: { ref: fact.paymentRef } });
  });

  it("does not see another account's payment", async () => {
    const { request } = await makeRefundable();
    const other = await makeAccount(database.app);
    await expect(reserveRefund(database.app, other.id, request())).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("record_refund", () => {
  it("keeps the first final word", async () => {
    const { reserve } = await makeRefundable();
    const { refund } = await reserve();
    const record = (result: Parameters<typeof recordRefund>[2]) =>
      recordRefund(database.worker, refund.id, result);
    expect(await record({ status: "unknown", error: "time-out" })).toBe("unknown");
    expect(await record({ status: "failed", error: "charge_disputed" })).toBe("failed");
    expect(await record({ status: "succeeded" })).toBe("failed");
    expect(await record({ status: "unknown", error: "time-out" })).toBe("failed");
    // The next one is free to try.
    expect((await reserve()).refund.status).toBe("reserved");
  });

  it("knows no other refund", async () => {
    const word = recordRefund(database.worker, randomUUID(), { status: "succeeded" });
    await expect(word).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("find_due_refunds", () => {
  it("finds what nobody finished, and gives it to one caller at a time", async () => {
    const { reserve } = await makeRefundable();
    const { refund } = await reserve();
    expect(await findDueRefunds(database.worker)).toEqual([]);
    await letBeDue(refund.id);
    const sessions = await openSessions(database.url, "ducat_worker", 5);
    const found = (await Promise.all(atOnce(sessions, 10, (db) => findDueRefunds(db)))).flat();
    expect(found).toEqual([refund]);
    await letBeDue(refund.id);
    expect(await findDueRefunds(database.worker)).toEqual([refund]);
  });

  it("finds an unknown outcome again later, and a final one no more", async () => {
    const { reserve } = await makeRefundable();
    const { refund } = await reserve();
    await recordRefund(database.worker, refund.id, { status: "unknown", error: "time-out" });
    const [soon] = await database.admin<{ wait: number }[]>`
      SELECT extract(epoch FROM due_at - clock_timestamp())::float AS wait
      FROM ducat.payment_refunds WHERE id = ${refund.id}`;
    expect(soon?.wait).toBeGreaterThan(25);
    expect(soon?.wait).toBeLessThanOrEqual(30);
    await letBeDue(refund.id);
    const error = "time-out";
    expect(await findDueRefunds(database.worker)).toEqual([
      { ...refund, status: "unknown", error },
    ]);
    await recordRefund(database.worker, refund.id, { status: "succeeded" });
    const [row] = await database.admin`
      SELECT due_at FROM ducat.payment_refunds WHERE id = ${refund.id}`;
    expect(row).toEqual({ due_at: null });
  });
});
