import { expect } from "vitest";
import { assignPlan, findEntitlements } from "../../packages/db/src/entitlements.ts";
import { makePaid } from "../../packages/db/test/billing-factories.ts";
import { audit, limited, makeFeatured } from "../../packages/db/test/entitlement-factories.ts";
import { refusalOf } from "../../packages/db/test/outcome.ts";
import { makeRandom } from "../../packages/db/test/parallel.ts";
import { addMonths } from "../../packages/db/test/subscription-facts.ts";
import type { Place } from "../../packages/payments/test/shop.ts";
import {
  aroundMonth,
  availableOf,
  bornOn,
  buyPeriod,
  goTo,
  lifetimeOf,
  payRenewal,
  priceOf,
  readSubscription,
  spend,
  subscribeAt,
  use,
} from "./years.ts";

export type Year = { start: Date; months?: number; seed?: number };

const dayMs = 86_400_000;

/** 60 credits a month, of which up to 60 that are left stay; the trial's three burn first. */
export async function liveLandscape(
  db: Place,
  { start, months = 12, seed = 1 }: Year,
  interval: "month" | "year" = "month",
): Promise<void> {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  const anchor = await subscribeAt(db, id, ["monthly_pro", interval]);
  const left = { trial: 3, plan: 60 };
  let expired = 0;
  for (let n = 1; n <= months; n += 1) {
    const amount = random(left.trial + left.plan + 1);
    await spend(db, id, amount);
    const ofTrial = Math.min(amount, left.trial);
    left.trial -= ofTrial;
    left.plan -= amount - ofTrial;
    const [before, after] = aroundMonth(anchor, n, interval);
    await goTo(db, id, before);
    expect(await availableOf(db, id), `before month ${n}`).toBe(left.trial + left.plan);
    await goTo(db, id, after);
    expired += Math.max(0, left.plan - 60);
    left.plan = Math.min(left.plan, 60) + 60;
    expect(await availableOf(db, id), `in month ${n}`).toBe(left.trial + left.plan);
  }
  const granted = 3 + 60 * (months + 1);
  const used = granted - expired - left.trial - left.plan;
  expect(await lifetimeOf(db, id)).toEqual({ granted, used, expired });
  const { period_end } = await readSubscription(db, id);
  const years = Math.floor(months / 12) + 1;
  const end = interval === "year" ? 12 * years : months + 1;
  expect(period_end).toEqual(addMonths(anchor, end));
}

const stockOf = async (db: Place, id: string, feature: string) => {
  const found = await findEntitlements(db.app, id);
  return (found.features[feature] as { remaining?: number } | undefined)?.remaining;
};

/** A trial of 14 days, then two letters by post a month, and a pack of ten that stays. */
export async function liveLetters(
  db: Place,
  { start, months = 12, seed = 2 }: Year,
  interval: "month" | "year" = "year",
): Promise<void> {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  const begun = await subscribeAt(db, id, ["pro", interval]);
  expect((await findEntitlements(db.app, id)).status).toBe("trialing");
  await goTo(db, id, new Date(begun.getTime() + 14 * dayMs + 60_000));
  const { status, period_start: anchor } = await readSubscription(db, id);
  expect([status, anchor]).toEqual(["active", new Date(begun.getTime() + 14 * dayMs)]);
  await makePaid(db.app, id, { priceId: await priceOf(db, "mail_pack", "once") });
  let pack = 10;
  for (let n = 1; n <= months; n += 1) {
    expect(await stockOf(db, id, "mail_credits"), `in month ${n}`).toBe(2 + pack);
    const amount = random(Math.min(4, pack + 3));
    if (amount > 0) await use(db, id, "mail_credits", amount);
    const monthly = Math.max(0, 2 - amount);
    pack -= Math.max(0, amount - 2);
    const [before, after] = aroundMonth(anchor, n);
    await goTo(db, id, before);
    expect(await stockOf(db, id, "mail_credits"), `before month ${n}`).toBe(monthly + pack);
    await goTo(db, id, after);
  }
  expect(await use(db, id, "letters", 1_000)).toMatchObject({ limit: null });
}

/** Five letters in each month of the calendar, whenever it was that the account was made. */
export async function liveFreeLetters(db: Place, { start, months = 12 }: Year): Promise<void> {
  const id = await bornOn(db, start);
  for (let n = 1; n <= months; n += 1) {
    const first = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + n, 1));
    expect(await use(db, id, "letters", 5)).toMatchObject({ used: 5, remaining: 0 });
    const refused = await refusalOf(use(db, id, "letters", 1));
    expect(refused).toMatchObject({ code: "quota_exceeded", current: 5, upgrade: "pro" });
    expect(new Date(String(refused.resets_at))).toEqual(first);
    await goTo(db, id, first);
  }
}

/** 50 letters by post a month, as long as an administrator says so. */
export async function liveAssigned(db: Place, { start, months = 12, seed = 3 }: Year) {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  const until = addMonths(start, months);
  await assignPlan(db.app, id, { plan: "enterprise", until, audit });
  const { period_start: anchor } = await readSubscription(db, id);
  for (let n = 1; n < months; n += 1) {
    const amount = 1 + random(50);
    expect(await use(db, id, "mail_credits", amount)).toMatchObject({ remaining: 50 - amount });
    await goTo(db, id, aroundMonth(anchor, n)[1]);
  }
  expect(await stockOf(db, id, "mail_credits")).toBe(50);
  await goTo(db, id, aroundMonth(anchor, months)[1]);
  expect(await findEntitlements(db.app, id)).toMatchObject({
    status: "canceled",
    plan: { key: "free" },
    features: { letters: { limit: 5 } },
  });
}

/** Two conversions a month for nothing; what is left of them ends with the month. */
export async function liveFreeStylist(db: Place, { start, months = 12, seed = 4 }: Year) {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  let expired = 0;
  for (let n = 1; n <= months; n += 1) {
    const amount = random(3);
    await spend(db, id, amount);
    const [before, after] = aroundMonth(start, n);
    await goTo(db, id, before);
    expect(await availableOf(db, id), `before month ${n}`).toBe(2 - amount);
    await goTo(db, id, after);
    expired += 2 - amount;
    expect(await availableOf(db, id), `in month ${n}`).toBe(2);
  }
  const granted = 2 * (months + 1);
  expect(await lifetimeOf(db, id)).toEqual({ granted, used: granted - expired - 2, expired });
}

/** 20 conversions a month for rials, paid each month by a link; then nobody pays any more. */
export async function liveStylist(db: Place, { start, months = 12, seed = 5 }: Year) {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  const anchor = await buyPeriod(db, id, "basic");
  // The first month of the default plan came before the subscription.
  let left = 2 + 20;
  for (let n = 1; n < months; n += 1) {
    const amount = random(left + 1);
    await spend(db, id, amount);
    const [before, after] = aroundMonth(anchor, n);
    await goTo(db, id, new Date(before.getTime() - 2 * dayMs));
    expect(await payRenewal(db, id), `renewal ${n}`).toBe(true);
    await goTo(db, id, after);
    left = 20;
    expect(await availableOf(db, id), `in month ${n}`).toBe(left);
    expect((await readSubscription(db, id)).period_end).toEqual(addMonths(anchor, n + 1));
  }
  const [, after] = aroundMonth(anchor, months);
  await goTo(db, id, after);
  expect((await readSubscription(db, id)).status).toBe("past_due");
  expect(await findEntitlements(db.app, id)).toMatchObject({ plan: { key: "basic" } });
  expect(await availableOf(db, id)).toBe(0);
  await goTo(db, id, new Date(after.getTime() + 7 * dayMs));
  expect((await readSubscription(db, id)).status).toBe("canceled");
  expect(await findEntitlements(db.app, id)).toMatchObject({ plan: { key: "free" } });
  expect(await availableOf(db, id)).toBe(2);
}

/** 100 descriptions a month, and the ten of the free plan before. */
export async function liveCopywriter(db: Place, { start, months = 12, seed = 6 }: Year) {
  const random = makeRandom(seed);
  const id = await bornOn(db, start);
  const anchor = await subscribeAt(db, id, ["basic", "month"]);
  let left = 10 + 100;
  let expired = 0;
  for (let n = 1; n <= months; n += 1) {
    const amount = random(left + 1);
    await spend(db, id, amount);
    const [before, after] = aroundMonth(anchor, n);
    await goTo(db, id, before);
    if (n > 1) expect(await availableOf(db, id), `before month ${n}`).toBe(left - amount);
    await goTo(db, id, after);
    expired += left - amount;
    left = 100;
    expect(await availableOf(db, id), `in month ${n}`).toBe(left);
  }
  const granted = 10 + 100 * (months + 1);
  expect(await lifetimeOf(db, id)).toEqual({ granted, used: granted - expired - 100, expired });
}

/** Five a month, counted from the day that the plan began on. */
export async function liveAnchored(db: Place, { start, months = 12 }: Year): Promise<void> {
  const id = await bornOn(db, start);
  const { product } = await makeFeatured(db.admin, {
    features: { checks: limited(5, "month", "anchor") },
  });
  await assignPlan(db.app, id, { plan: product.key, audit });
  const { period_start: anchor } = await readSubscription(db, id);
  for (let n = 1; n <= months; n += 1) {
    await use(db, id, "checks", 5);
    const [before, after] = aroundMonth(anchor, n);
    await goTo(db, id, before);
    const refused = await refusalOf(use(db, id, "checks", 1));
    expect(new Date(String(refused.resets_at))).toEqual(addMonths(anchor, n));
    await goTo(db, id, after);
  }
}
