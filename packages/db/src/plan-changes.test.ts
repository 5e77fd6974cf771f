import { beforeAll, describe, expect, it } from "vitest";
import { makeRandom } from "../test/parallel.ts";
import {
  addMonths,
  between,
  creditsOf,
  listPlanGrants,
  makePlan,
  makeSubscribed,
  planRefOf,
  type Subscribed,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, findBalance } from "./credits.ts";
import { refillAccount } from "./refills.ts";
import { findSubscription, type PaidInvoice, recordInvoice } from "./subscriptions.ts";

const database = useDatabase();
const day = 86_400_000;

type Offer = Awaited<ReturnType<typeof makePlan>>;
let [small, middle, large]: [Offer, Offer, Offer] = [] as never;
beforeAll(async () => {
  const { admin } = database;
  small = await makePlan(admin, { credits: 100, allowances: { mails: 2 } });
  middle = await makePlan(admin, { credits: 200, allowances: { mails: 10 } }, { amount: 1900 });
  large = await makePlan(admin, { credits: 501 }, { amount: 4900 });
});

const grants = (one: Subscribed) => listPlanGrants(database.admin, one.accountId);

/** A change to another plan at a part of the n-th period, as a provider invoices it. */
function changeTo(one: Subscribed, plan: Offer, part: number, n = 0): PaidInvoice {
  return one.invoiceOf({
    ...{ n, reason: "update", planRef: planRefOf(plan.price) },
    money: { amount: 1, currency: "USD" },
    occurredAt: between(one.period(n), part),
  });
}

const pay = (invoice: PaidInvoice) => recordInvoice(database.worker, invoice);

/** A subscription of 100 credits whose present period is paid. */
async function begin(start = new Date(Date.now() - 10 * day)): Promise<Subscribed> {
  const one = await makeSubscribed(database, { plan: small, start });
  await one.show();
  await one.pay();
  return one;
}

describe("a paid step up", () => {
  it("gives the difference for the rest of the period once, rounded down", async () => {
    const one = await begin();
    const invoice = changeTo(one, large, 0.25);
    // 401 more for three quarters of the period.
    expect(creditsOf((await pay(invoice)).payment)).toBe(300);
    expect(await pay(invoice)).toMatchObject({ outcome: "known" });
    expect(await grants(one)).toEqual([
      [300, 300, 0],
      [100, 100, 0],
    ]);
    expect(await findBalance(database.app, one.accountId)).toMatchObject({
      period: { granted: 400 },
    });
    const [grant] = await database.admin`
      SELECT expires_at FROM ducat.credit_grants
      WHERE account_id = ${one.accountId} AND amount = 300`;
    expect(grant?.expires_at).toEqual(one.period(0)[1]);
  });

  it("gives as much before its snapshot as after it", async () => {
    for (const first of ["snapshot", "invoice"]) {
      const one = await begin();
      const show = () => one.show({ planRef: planRefOf(middle.price) });
      if (first === "snapshot") await show();
      expect(creditsOf((await pay(changeTo(one, middle, 0.5))).payment)).toBe(50);
      if (first === "invoice") await show();
      expect(await findSubscription(database.app, one.accountId)).toMatchObject({
        product_id: middle.product.id,
        refilled_product_id: middle.product.id,
      });
    }
  });

  it("adds to the stock of features likewise", async () => {
    const one = await begin();
    await pay(changeTo(one, middle, 0.5));
    const stock = await database.admin`
      SELECT feature, amount, expires_at FROM ducat.allowance_grants
      WHERE account_id = ${one.accountId} ORDER BY amount`;
    const expires_at = one.period(0)[1];
    expect(stock).toEqual([
      { feature: "mails", amount: 2, expires_at },
      { feature: "mails", amount: 4, expires_at },
    ]);
  });

  it("after a step down in the same period gives nothing that it has had", async () => {
    const one = await begin();
    await pay(changeTo(one, middle, 0.5));
    const down = { ...changeTo(one, small, 0.6), money: { amount: 0, currency: "USD" } };
    expect(await pay(down)).toEqual({ outcome: "known" });
    for (const part of [0.7, 0.8]) {
      expect(creditsOf((await pay(changeTo(one, small, part))).payment)).toBe(0);
      expect(creditsOf((await pay(changeTo(one, middle, part))).payment)).toBe(0);
    }
    // More than ever: 301 more than 200, for a tenth.
    expect(creditsOf((await pay(changeTo(one, large, 0.9))).payment)).toBe(30);
    // The next period begins with its own plan, and counts anew.
    await one.pay({ n: 1 });
    expect(creditsOf((await pay(changeTo(one, middle, 0.5, 1))).payment)).toBe(50);
  });

  it("that comes before its period's payment is made up for by that", async () => {
    const one = await makeSubscribed(database, { plan: small });
    await one.show();
    const early = [changeTo(one, large, 0.75), changeTo(one, middle, 0.5)];
    for (const invoice of early) {
      expect(await pay(invoice)).toMatchObject({ outcome: "applied" });
    }
    expect(await grants(one)).toEqual([]);
    await one.pay();
    expect(await grants(one)).toEqual([
      [100, 100, 0],
      [75, 75, 0],
      [50, 50, 0],
    ]);
  });

  it("without an end in the invoice lasts until the period that it falls into ends", async () => {
    const one = await begin();
    await one.show({ planRef: planRefOf(middle.price) });
    const bare = { planRef: undefined, periodStart: undefined, periodEnd: undefined };
    const invoice = { ...changeTo(one, middle, 0.5), ...bare };
    expect(creditsOf((await pay(invoice)).payment)).toBe(50);
  });
});

describe("the order of facts", () => {
  it("changes nothing: snapshots, invoices and changes of two periods in 80 orders", async () => {
    const results = new Set<string>();
    for (let seed = 0; seed < 80; seed++) {
      const one = await makeSubscribed(database, {
        plan: small,
        start: new Date(Date.now() - 45 * day),
      });
      const told = [
        () => one.show({ planRef: planRefOf(middle.price) }),
        () => one.pay(),
        () => pay(changeTo(one, middle, 0.2)),
        () => pay(changeTo(one, large, 0.6)),
        () => one.pay({ n: 1, planRef: planRefOf(middle.price) }),
        () => pay(changeTo(one, large, 0.3, 1)),
      ];
      await tellShuffled(told, makeRandom(seed));
      const left = (await grants(one)).filter(([, remaining]) => remaining !== 0);
      const balance = await findBalance(database.app, one.accountId);
      const [given] = await database.admin`
        SELECT sum(amount)::bigint AS total FROM ducat.credit_grants
        WHERE account_id = ${one.accountId} AND subscription_id IS NOT NULL`;
      results.add(JSON.stringify([left, balance?.available, given?.total]));
    }
    // 100, then 80 and 120.4 more, all over; 200, then 301 more for seven tenths.
    const left = [
      [210, 210, 0],
      [200, 200, 0],
    ];
    expect([...results]).toEqual([JSON.stringify([left, 413, 100 + 200 + 200 + 210])]);
  });
});

/** Tells each in a random order; what can't be placed yet goes back into the heap. */
async function tellShuffled(
  told: (() => Promise<{ outcome: string }>)[],
  random: (limit: number) => number,
): Promise<void> {
  const heap = [...told];
  while (heap.length > 0) {
    const [tell] = heap.splice(random(heap.length), 1);
    if (tell && (await tell()).outcome === "unknown") heap.push(tell);
  }
}

describe("a change of the length", () => {
  it("from a month to a year begins the year with what the month has not given yet", async () => {
    const one = await begin(new Date(Date.now() - day));
    const year = await makePlan(database.admin, { credits: 150 }, { interval: "year" });
    const at = between(one.period(0), 0.5);
    const told = { planRef: planRefOf(year.price), periodStart: at, periodEnd: addMonths(at, 12) };
    const { payment } = await one.pay({ ...told, reason: "update", occurredAt: at });
    // Half of the 100 are for the half of the month that is left.
    expect(payment).toMatchObject({ reason: "restart", credits: 150, credits_granted: 100 });
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      ...{ interval: "year", product_id: year.product.id, period_start: at },
      next_refill_at: addMonths(at, 1),
    });
    expect(await one.show(told)).toMatchObject({ outcome: "applied" });
    expect(await one.show(told)).toMatchObject({ outcome: "known" });
    await advanceClock(database.app, one.accountId, 62 * 86_400);
    await refillAccount(database.worker, one.accountId);
    const all = (await grants(one)).map(([amount]) => amount);
    expect(all.slice(0, 3)).toEqual([100, 100, 150]);
  });

  it("back and forth mints nothing", async () => {
    const one = await begin(new Date(Date.now() - day));
    const year = await makePlan(database.admin, { credits: 100 }, { interval: "year" });
    const plans = [year, small, year, small, year];
    for (const [index, plan] of plans.entries()) {
      const at = new Date(one.period(0)[0].getTime() + (index + 1) * 1000);
      const months = plan === year ? 12 : 1;
      await one.pay({
        ...{ planRef: planRefOf(plan.price), reason: "update", occurredAt: at },
        ...{ periodStart: at, periodEnd: addMonths(at, months) },
      });
    }
    const given = (await grants(one)).reduce((sum, [amount = 0]) => sum + amount, 0);
    expect(given).toBeLessThanOrEqual(105);
  });

  it("that nothing was paid for gives nothing", async () => {
    const one = await begin(new Date(Date.now() - day));
    const year = await makePlan(database.admin, { credits: 150 }, { interval: "year" });
    const at = between(one.period(0), 0.5);
    const told = { planRef: planRefOf(year.price), periodStart: at, periodEnd: addMonths(at, 12) };
    const money = { amount: 0, currency: "USD" };
    expect(await one.pay({ ...told, reason: "update", occurredAt: at, money })).toEqual({
      outcome: "known",
    });
  });
});
