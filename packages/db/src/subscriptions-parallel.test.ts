import { describe, expect, it } from "vitest";
import { makeOffer, makePayment, makeSucceededFact } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import {
  addMonths,
  between,
  listPlanGrants,
  makePlan,
  makeSubscribed,
  planRefOf,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, consumeCredits } from "./credits.ts";
import { sweepOwnSubscriptions } from "./own-subscriptions.ts";
import { settlePayment } from "./payments.ts";
import { refillDue } from "./refills.ts";
import { applyReversal } from "./reversals.ts";
import { applySubscription, drawTicket, findSubscription, recordInvoice } from "./subscriptions.ts";

const database = useDatabase();
const day = 86_400;
const openWorkers = (count: number) => openSessions(database.url, "ducat_worker", count);

/** How often each outcome came. */
async function countOf(calls: Promise<{ outcome: string }>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of await Promise.all(calls)) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

describe("at once", () => {
  it("twenty words of one paid step up give its difference once", async () => {
    const one = await makeSubscribed(database);
    const large = await makePlan(database.admin, { credits: 300 });
    await one.show();
    await one.pay();
    const invoice = one.invoiceOf({
      ...{ reason: "update", planRef: planRefOf(large.price) },
      occurredAt: between(one.period(0), 0.5),
    });
    const calls = atOnce(await openWorkers(20), 20, (db) => recordInvoice(db, invoice));
    expect(await countOf(calls)).toEqual({ applied: 1, known: 19 });
    expect(await listPlanGrants(database.admin, one.accountId)).toEqual([
      [100, 100, 0],
      [100, 100, 0],
    ]);
  });

  it("ten step ups give together what they give one after the other", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    await one.pay();
    const plans = await Promise.all(
      Array.from({ length: 10 }, (_, n) => makePlan(database.admin, { credits: 200 + 100 * n })),
    );
    const calls = atOnce(await openWorkers(10), 10, (db, n) => {
      const plan = plans[n];
      if (!plan) throw new Error("there is no plan");
      const occurredAt = between(one.period(0), 0.1 * n);
      const more = { reason: "update", planRef: planRefOf(plan.price), occurredAt } as const;
      return recordInvoice(db, one.invoiceOf(more));
    });
    expect(await countOf(calls)).toEqual({ applied: 10 });
    const given = await listPlanGrants(database.admin, one.accountId);
    // 100 more each, for 1, 0.9, 0.8 … 0.1 of the period.
    expect(given.reduce((sum, [amount = 0]) => sum + amount, 0)).toBe(100 + 550);
  });

  it("twenty words of a renewal, with snapshots and spends between, refill once", async () => {
    const one = await makeSubscribed(database, { start: new Date(Date.now() - 3 * day * 1000) });
    await one.show();
    await one.pay();
    const invoice = one.invoiceOf({ n: 1 });
    const snapshot = one.snapshotOf({ n: 1 });
    const calls = atOnce(await openWorkers(20), 60, async (db, n) => {
      if (n % 3 === 0) return recordInvoice(db, invoice);
      if (n % 3 === 1) {
        const ticket = await drawTicket(db);
        return applySubscription(db, { ...one.about, snapshot, ticket });
      }
      const key = { key: `spend-${n}`, fingerprint: new Uint8Array(32) };
      await consumeCredits(database.app, one.accountId, { ...key, amount: 1 });
      return { outcome: "spent" };
    });
    const { spent, ...outcomes } = await countOf(calls);
    expect(spent).toBe(20);
    expect(outcomes.applied).toBeLessThanOrEqual(2);
    const given = await listPlanGrants(database.admin, one.accountId);
    expect(given.map(([amount]) => amount)).toEqual([100, 100]);
  });

  it("a subscription that is shown twenty times for the first time is one", async () => {
    const one = await makeSubscribed(database);
    const calls = atOnce(await openWorkers(20), 20, async (db) => {
      const ticket = await drawTicket(db);
      return applySubscription(db, { ...one.about, snapshot: one.snapshotOf(), ticket });
    });
    const outcomes = await countOf(calls);
    expect(outcomes.applied).toBe(1);
    const rows = await database.admin`
      SELECT ticket FROM ducat.subscriptions WHERE account_id = ${one.accountId}`;
    expect(rows).toHaveLength(1);
  });

  it("ten sweeps of refills give each month once", async () => {
    const plan = await makePlan(database.admin, {}, { interval: "year" });
    const many = await Promise.all(
      Array.from({ length: 6 }, () => makeSubscribed(database, { plan })),
    );
    for (const one of many) {
      await one.show();
      await one.pay();
      const seconds = (addMonths(one.period(0)[0], 2).getTime() - Date.now()) / 1000;
      await advanceClock(database.app, one.accountId, Math.ceil(seconds) + 1);
    }
    const sessions = await openWorkers(10);
    const months = await Promise.all(atOnce(sessions, 10, (db) => refillDue(db)));
    // What one sweep leaves to another that is at it, the next one finds.
    const rest = await refillDue(database.worker);
    expect(months.reduce((sum, n) => sum + n, rest)).toBe(12);
    for (const { accountId } of many) {
      const given = await listPlanGrants(database.admin, accountId);
      expect(given.map(([amount]) => amount)).toEqual([100, 100, 100]);
    }
  });

  it("a month and its payment's reversal leave nothing, whichever comes first", async () => {
    const plan = await makePlan(database.admin, { rollover: "full" }, { interval: "year" });
    for (let turn = 0; turn < 5; turn++) {
      const one = await makeSubscribed(database, { plan });
      await one.show();
      const { payment } = await one.pay();
      await advanceClock(database.app, one.accountId, 40 * day);
      const money = { amount: 900, currency: "USD" };
      const reversal = {
        ...one.about,
        ...{ paymentRef: payment?.provider_ref ?? "", occurredAt: new Date() },
        ...{ reversed: money, of: money },
      };
      await Promise.all([
        refillDue(database.worker),
        applyReversal(database.worker, reversal),
        refillDue(database.worker),
      ]);
      const left = await listPlanGrants(database.admin, one.accountId);
      expect(left.reduce((sum, [, remaining = 0]) => sum + remaining, 0)).toBe(0);
    }
  });

  it("sweeps and a payment of own subscriptions make one order and one period", async () => {
    const { product, price } = await makeOffer(
      database.admin,
      { kind: "plan" },
      { interval: "month" },
    );
    const { id } = await makeAccount(database.app);
    const first = await makePayment(database.app, id, { priceId: price.id });
    const again = await makePayment(database.app, id, { priceId: price.id });
    const workers = await openWorkers(8);
    const settled = atOnce(workers, 16, (db, n) =>
      settlePayment(
        db,
        makeSucceededFact(n % 2 ? first : again, {
          paymentRef: n % 2 ? first.id : again.id,
        }),
      ),
    );
    // Two orders of one plan that were open: the second one pays the month after.
    expect(await countOf(settled)).toEqual({ applied: 2, known: 14 });
    const running = await findSubscription(database.app, id);
    expect(running).toMatchObject({ product_id: product.id, status: "active" });
    const end = addMonths(running?.period_end ?? new Date(), 1);
    await advanceClock(database.app, id, Math.ceil((end.getTime() - Date.now()) / 1000) - 2 * day);
    await Promise.all(atOnce(workers, 16, (db) => sweepOwnSubscriptions(db)));
    await sweepOwnSubscriptions(database.worker);
    const orders = await database.admin`
      SELECT FROM ducat.payments WHERE account_id = ${id} AND purpose = 'renewal'`;
    expect(orders).toHaveLength(1);
    const given = await listPlanGrants(database.admin, id);
    expect(given.map(([amount]) => amount)).toEqual([100, 100]);
  });
});
