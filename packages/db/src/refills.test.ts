import { describe, expect, it } from "vitest";
import { makeReversal } from "../test/reversal-facts.ts";
import {
  addMonths,
  listPlanGrants,
  makePlan,
  makeSubscribed,
  planRefOf,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { connectDatabase } from "./connect.ts";
import { advanceClock, findBalance } from "./credits.ts";
import type { Payment } from "./payments.ts";
import { refillAccount, refillDue } from "./refills.ts";
import { applyReversal } from "./reversals.ts";
import { findSubscription } from "./subscriptions.ts";

const database = useDatabase({ checksEvents: true });

/** The next such day that is still to come, at ten. */
function nextDay(month: number, dayOfMonth: number): Date {
  for (let year = new Date().getUTCFullYear(); ; year++) {
    const at = new Date(Date.UTC(year, month - 1, dayOfMonth, 10));
    if (at.getTime() > Date.now() && at.getUTCDate() === dayOfMonth) return at;
  }
}

const yearly = (product: NonNullable<Parameters<typeof makePlan>[1]> = {}) =>
  makePlan(database.admin, product, { interval: "year", amount: 9000 });

/** A paid year from `start` on. */
async function begin({
  start = nextDay(1, 31),
  product = {},
}: {
  start?: Date;
  product?: NonNullable<Parameters<typeof makePlan>[1]>;
} = {}) {
  const one = await makeSubscribed(database, { plan: await yearly(product), start });
  await one.show();
  const { payment } = await one.pay();
  if (!payment) throw new Error("the year was not paid");
  return { ...one, payment, start };
}

/** Brings an account's time to a moment. */
async function goTo(accountId: string, at: Date): Promise<void> {
  const [row] = await database.admin<{ now: Date }[]>`
    SELECT clock_timestamp() + clock_offset AS now FROM ducat.credit_accounts
    WHERE account_id = ${accountId}`;
  const seconds = Math.ceil((at.getTime() - (row?.now.getTime() ?? 0)) / 1000);
  await advanceClock(database.app, accountId, Math.max(0, seconds));
}

const listRefills = (accountId: string) => database.admin<
  { amount: number; starts_at: Date; expires_at: Date | null; effect_key: string }[]
>`
  SELECT amount, starts_at, expires_at, effect_key FROM ducat.credit_grants
  WHERE account_id = ${accountId} AND source = 'subscription' ORDER BY starts_at`;

describe("a paid year", () => {
  it("gives twelve months by the clock, on the day it began on, with restarts between", async () => {
    const { accountId, start, payment } = await begin();
    for (let month = 1; month <= 14; month++) {
      const due = addMonths(start, month);
      await goTo(accountId, new Date(due.getTime() - 60_000));
      expect(await refillDue(database.worker)).toBe(0);
      await goTo(accountId, due);
      // A process that was started anew, and one that comes after it.
      const restarted = connectDatabase({ url: database.url, role: "ducat_worker", max: 1 });
      expect(await refillDue(restarted)).toBe(month < 12 ? 1 : 0);
      await restarted.end();
      expect(await refillDue(database.worker)).toBe(0);
    }
    const refills = await listRefills(accountId);
    expect(refills.map(({ starts_at }) => starts_at)).toEqual(
      Array.from({ length: 12 }, (_, month) => addMonths(start, month)),
    );
    expect(refills.map(({ expires_at }) => expires_at)).toEqual(
      Array.from({ length: 12 }, (_, month) => addMonths(start, month + 1)),
    );
    const february = addMonths(start, 1);
    expect([february.getUTCMonth(), february.getUTCDate()].join("-")).toMatch(/^1-(28|29)$/);
    expect(addMonths(start, 2).getUTCDate()).toBe(31);
    const [row] = await database.admin`
      SELECT credits, credits_granted FROM ducat.payments WHERE id = ${payment.id}`;
    expect(row).toEqual({ credits: 100, credits_granted: 1200 });
    expect(await findBalance(database.app, accountId)).toMatchObject({
      available: 3,
      period: { granted: 1200, used: 0 },
    });
  });

  it("from a leap day on gives on the 29th, and a later year on the 28th", async () => {
    const start = nextDay(2, 29);
    const one = await begin({ start });
    await goTo(one.accountId, addMonths(start, 2));
    expect(await refillDue(database.worker)).toBe(2);
    // Nobody looked until the next year was paid.
    await goTo(one.accountId, addMonths(start, 12));
    await one.pay({ n: 1 });
    await goTo(one.accountId, addMonths(start, 13));
    expect(await refillAccount(database.worker, one.accountId)).toBe(1);
    const days = (await listRefills(one.accountId)).map((refill) => refill.starts_at);
    const later = addMonths(start, 12);
    expect(later.getUTCDate()).toBe(28);
    // All twelve of the first year, then the second's first two.
    expect(days).toEqual([
      ...Array.from({ length: 12 }, (_, month) => addMonths(start, month)),
      later,
      addMonths(later, 1),
    ]);
  });

  it("tells when the next credits come", async () => {
    const { accountId, start } = await begin();
    const tellsNext = async () => (await findBalance(database.app, accountId))?.next_refill_at;
    expect(new Date((await tellsNext()) ?? "")).toEqual(addMonths(start, 1));
    await goTo(accountId, addMonths(start, 11));
    await refillDue(database.worker);
    // Then the next year's, if it is paid.
    expect(new Date((await tellsNext()) ?? "")).toEqual(addMonths(start, 12));
  });

  it("gives stock by the month as well, and the months that nobody looked at in their order", async () => {
    const product = { credits: 0, rollover: "full", allowances: { mails: 2 } } as const;
    const { accountId, start } = await begin({ product });
    await goTo(accountId, addMonths(start, 4));
    expect(await refillAccount(database.worker, accountId)).toBe(4);
    const stock = await database.admin`
      SELECT starts_at, amount FROM ducat.allowance_grants
      WHERE account_id = ${accountId} ORDER BY starts_at`;
    expect(stock).toEqual(
      Array.from({ length: 5 }, (_, n) => ({ starts_at: addMonths(start, n), amount: 2 })),
    );
  });

  it("of a plan that gives nothing is never due", async () => {
    const { accountId } = await begin({ product: { credits: 0 } });
    const subscription = await findSubscription(database.app, accountId);
    expect(subscription?.next_refill_at).toBeNull();
  });

  it("rolls over from month to month as from period to period", async () => {
    const product = { rollover: "capped", rollover_cap: 30 } as const;
    const one = await begin({ product });
    await goTo(one.accountId, addMonths(one.start, 3));
    await refillDue(database.worker);
    expect(await listPlanGrants(database.admin, one.accountId)).toEqual([
      [100, 0, 100],
      [100, 0, 100],
      [100, 30, 70],
      [100, 100, 0],
    ]);
  });

  it("gives the months after a paid step up at the larger plan", async () => {
    const one = await begin();
    const large = await yearly({ credits: 250 });
    const at = new Date(addMonths(one.start, 1).getTime() - 1000);
    const told = { reason: "update", planRef: planRefOf(large.price), occurredAt: at } as const;
    await goTo(one.accountId, at);
    await one.pay(told);
    await goTo(one.accountId, addMonths(one.start, 2));
    await refillDue(database.worker);
    const amounts = (await listRefills(one.accountId)).map(({ amount }) => amount);
    // The second that was left of the first month is worth nothing.
    expect(amounts).toEqual([100, 250, 250]);
  });
});

describe("refills stop", () => {
  it("when the year's payment is given back whole, and come back with the money", async () => {
    const { accountId, start, payment } = await begin({ product: { rollover: "full" } });
    await goTo(accountId, addMonths(start, 2));
    expect(await refillDue(database.worker)).toBe(2);
    await reverse(payment, 9000, 1);
    expect(await listPlanGrants(database.admin, accountId)).toEqual(Array(3).fill([100, 0, 0]));
    await goTo(accountId, addMonths(start, 4));
    expect(await refillDue(database.worker)).toBe(0);
    // It is not looked at all the time until then.
    expect(await refillDue(database.worker)).toBe(0);
    const waiting = await findSubscription(database.app, accountId);
    expect(waiting?.next_refill_at).toEqual(addMonths(start, 5));
    await reverse(payment, 0, 2);
    await goTo(accountId, addMonths(start, 5));
    expect(await refillDue(database.worker)).toBe(3);
    expect(await findBalance(database.app, accountId)).toMatchObject({ available: 603 });
  });

  it("only in part when it is given back in part: each month loses its share", async () => {
    const { accountId, start, payment } = await begin({ product: { rollover: "full" } });
    await reverse(payment, 3000, 1);
    await goTo(accountId, addMonths(start, 1));
    expect(await refillDue(database.worker)).toBe(1);
    expect(await listPlanGrants(database.admin, accountId)).toEqual([
      [100, 66, 0],
      [100, 66, 0],
    ]);
    expect(await findBalance(database.app, accountId)).toMatchObject({ debt: 0, available: 135 });
  });

  it("at the end, also when it comes early; the months before it are still given", async () => {
    const one = await begin();
    const { accountId, start } = one;
    await one.show({ cancelAt: addMonths(start, 12) });
    await goTo(accountId, addMonths(start, 3));
    await one.show({ status: "canceled", cancelAt: addMonths(start, 2) });
    expect(await refillDue(database.worker)).toBe(1);
    expect((await findSubscription(database.app, accountId))?.next_refill_at).toBeNull();
    expect(await refillAccount(database.worker, accountId)).toBe(0);
    await goTo(accountId, addMonths(start, 6));
    expect(await refillDue(database.worker)).toBe(0);
    expect(await listRefills(accountId)).toHaveLength(2);
  });

  it("while it is paused, and go on with what was missed", async () => {
    const one = await begin({ product: { rollover: "full" } });
    await one.show({ status: "paused" });
    await goTo(one.accountId, addMonths(one.start, 2));
    expect(await refillDue(database.worker)).toBe(0);
    await one.show();
    expect(await refillDue(database.worker)).toBe(2);
  });
});

const reverse = async (payment: Payment, amount: number, seconds: number) => {
  const reversal = makeReversal(payment, amount, seconds);
  expect(await applyReversal(database.worker, reversal)).toBe("applied");
};
