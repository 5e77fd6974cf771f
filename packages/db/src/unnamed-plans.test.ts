import { beforeAll, describe, expect, it } from "vitest";
import { makePrice } from "../test/billing-factories.ts";
import {
  between,
  creditsOf,
  listPlanGrants,
  makePlan,
  makeSubscribed,
  planRefOf,
  type Subscribed,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { type PaidInvoice, recordInvoice } from "./subscriptions.ts";

const database = useDatabase();
const day = 86_400_000;

type Offer = Awaited<ReturnType<typeof makePlan>>;
let [small, large]: [Offer, Offer] = [] as never;
beforeAll(async () => {
  small = await makePlan(database.admin, { credits: 100 });
  large = await makePlan(database.admin, { credits: 500 }, { amount: 4900 });
});

/** What an invoice of Lemon Squeezy doesn't say. */
const unnamed = { planRef: undefined, periodStart: undefined, periodEnd: undefined };
const usd = (amount: number) => ({ amount, currency: "USD" });
const grants = async (one: Subscribed) =>
  (await listPlanGrants(database.admin, one.accountId)).map(([amount]) => amount);

/** A subscription to the small plan, at first or all along, that is seen with a plan. */
async function show(one: Subscribed, plan: Offer, n = 0) {
  await one.show({ n, planRef: planRefOf(plan.price) });
}

const begin = (plan: Offer, daysAgo = 10) =>
  makeSubscribed(database, { plan, start: new Date(Date.now() - daysAgo * day) });

const pay = (one: Subscribed, more: Partial<PaidInvoice> & { n?: number } = {}) => {
  const at = one.period(more.n ?? 0)[0];
  return recordInvoice(database.worker, one.invoiceOf({ ...unnamed, occurredAt: at, ...more }));
};

/** The step up at the middle of the n-th period, as the provider invoices it. */
const stepUp = (one: Subscribed, n = 0) =>
  pay(one, { n, reason: "update", money: usd(4000), occurredAt: between(one.period(n), 0.5) });

describe("a first invoice that names no plan", () => {
  it("pays the plan that was ordered, and not the one since", async () => {
    const one = await begin(small);
    await show(one, small);
    await show(one, large);
    expect(creditsOf((await pay(one)).payment)).toBe(100);
    expect(creditsOf((await stepUp(one)).payment)).toBe(200);
    expect(await grants(one)).toEqual([200, 100]);
  });

  it("gives as much when it is learnt after the step up, without an order in it", async () => {
    const one = await begin(small);
    await show(one, small);
    await show(one, large);
    expect(creditsOf((await stepUp(one)).payment)).toBe(0);
    expect(creditsOf((await pay(one, { orderRef: undefined })).payment)).toBe(100);
    expect(await grants(one)).toEqual([200, 100]);
  });

  it("pays the plan that was ordered when that was the larger one", async () => {
    const one = await begin(large);
    await show(one, small);
    expect(creditsOf((await pay(one, { money: usd(4900) })).payment)).toBe(500);
  });

  it("pays no more than its money covers", async () => {
    const one = await begin(large);
    await show(one, small);
    expect(creditsOf((await pay(one, { money: usd(1080) })).payment)).toBe(100);
  });

  it("with a discount pays the only plan that it may be", async () => {
    const one = await begin(large);
    await show(one, large);
    expect(creditsOf((await pay(one, { money: usd(2450) })).payment)).toBe(500);
  });
});

describe("a renewal that names no plan", () => {
  it("pays the plan that was in force, and not the one since", async () => {
    const one = await begin(small, 45);
    await show(one, small);
    await pay(one);
    await show(one, large, 1);
    expect(creditsOf((await pay(one, { n: 1 })).payment)).toBe(100);
    expect(creditsOf((await stepUp(one, 1)).payment)).toBe(200);
  });

  it("pays that also with taxes on top, and when the period before is learnt later", async () => {
    const one = await begin(small, 45);
    await show(one, small);
    await show(one, large, 1);
    expect(creditsOf((await pay(one, { n: 1, money: usd(1080) })).payment)).toBe(100);
    expect(creditsOf((await pay(one)).payment)).toBe(100);
  });

  it("after a step up pays the larger plan, whether that step is in the books or not", async () => {
    for (const isKnown of [true, false]) {
      const one = await begin(small, 45);
      await show(one, small);
      await pay(one);
      await show(one, large);
      if (isKnown) await stepUp(one);
      await show(one, large, 1);
      expect(creditsOf((await pay(one, { n: 1, money: usd(4900) })).payment)).toBe(500);
    }
  });

  it("pays the smaller plan that waited for it, before its snapshot or after it", async () => {
    for (const first of ["invoice", "snapshot"]) {
      const one = await begin(large, 35);
      await show(one, large);
      await pay(one, { money: usd(4900) });
      await show(one, small);
      if (first === "snapshot") await show(one, small, 1);
      expect(creditsOf((await pay(one, { n: 1, money: usd(900) })).payment)).toBe(100);
    }
  });

  it("of a month that became a year since, or the reverse, pays what it was then", async () => {
    const year = await makePrice(database.admin, small.product.id, {
      ...{ provider: "sandbox", provider_ref: `year_${small.price.id}`, interval: "year" },
      amount: 9000,
    });
    const yearly = { product: small.product, price: year };
    const one = await begin(small, 45);
    await show(one, small);
    await pay(one);
    await show(one, yearly, 1);
    const renewal = (await pay(one, { n: 1 })).payment;
    expect([creditsOf(renewal), renewal?.price_id]).toEqual([100, small.price.id]);
    const other = await begin(small, 45);
    await show(other, small);
    await pay(other);
    await show(other, yearly, 1);
    const paid = (await pay(other, { n: 1, money: usd(9000) })).payment;
    expect([creditsOf(paid), paid?.price_id]).toEqual([100, year.id]);
  });

  it("of a period long ago pays what was in force then", async () => {
    const one = await begin(small, 100);
    await show(one, small);
    await pay(one);
    await show(one, large, 3);
    await pay(one, { n: 3, money: usd(4900) });
    expect(creditsOf((await pay(one, { n: 1 })).payment)).toBe(100);
    expect(await grants(one)).toEqual([100, 100, 500]);
  });
});
