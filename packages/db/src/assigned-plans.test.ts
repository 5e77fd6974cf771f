import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  audit,
  limited,
  makeFeatured,
  secondsUntil,
  spent,
} from "../test/entitlement-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { countOutcomes, refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { makePlan } from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, findBalance } from "./credits.ts";
import { assignPlan, findEntitlements, liftPlan } from "./entitlements.ts";
import { eraseAccount } from "./erasures.ts";
import { sweepOwnSubscriptions } from "./own-subscriptions.ts";
import { refillAccount, refillDue } from "./refills.ts";
import { findSubscription } from "./subscriptions.ts";

const database = useDatabase();
const day = 86_400;
const features = { calls: limited(50), stamps: spent };
const makeGiven = (more = {}) =>
  makeFeatured(database.admin, { features, credits: 100, allowances: { stamps: 2 }, ...more });
const assign = (id: string, plan: string, until?: Date) =>
  assignPlan(database.app, id, { plan, audit, ...(until && { until }) });
const readPlan = async (id: string) => (await findEntitlements(database.app, id)).plan?.key;
const readAvailable = async (id: string) => (await findBalance(database.app, id))?.available;
const inDays = (days: number) => new Date(Date.now() + days * day * 1000);

describe("assignPlan", () => {
  it("gives a plan at once, with its month, its limits and an audit line, and no order", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeGiven();
    expect(await assign(id, product.key)).toMatchObject({
      ...{ product: product.key, status: "active", cancel_at: null },
    });
    const found = await findEntitlements(database.app, id);
    expect(found).toMatchObject({ plan: { key: product.key }, status: "active" });
    expect(found.features).toMatchObject({ calls: { limit: 50 }, stamps: { remaining: 2 } });
    expect(await readAvailable(id)).toBe(103);
    expect(await findSubscription(database.app, id)).toMatchObject({ provider: "manual" });
    const [line] = await database.admin`
      SELECT metadata FROM ducat.audit_logs WHERE account_id = ${id} AND action = 'plan.assign'`;
    expect(line?.metadata).toEqual({
      before: null,
      after: { product: product.key, cancel_at: null },
    });
    await advanceClock(database.app, id, 29 * day);
    await sweepOwnSubscriptions(database.worker);
    const orders = await database.admin`
      SELECT FROM ducat.payments WHERE account_id = ${id}`;
    expect(orders).toHaveLength(0);
  });

  it("gives each month on the day it began on, once, and what didn't roll over is gone", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeGiven();
    await advanceClock(
      database.app,
      id,
      await secondsUntil(database.admin, id, "2028-01-31T08:00:00Z"),
    );
    await assign(id, product.key);
    const starts: string[] = [];
    for (const moment of ["2028-02-29", "2028-03-31", "2028-04-30"]) {
      const next = await secondsUntil(database.admin, id, `${moment}T08:01:00Z`);
      await advanceClock(database.app, id, next);
      expect(await refillDue(database.worker)).toBe(1);
      expect(await refillDue(database.worker)).toBe(0);
      expect(await readAvailable(id)).toBe(103);
      starts.push((await findEntitlements(database.app, id)).period?.start.slice(0, 10) ?? "");
    }
    expect(starts).toEqual(["2028-02-29", "2028-03-31", "2028-04-30"]);
    expect((await findEntitlements(database.app, id)).features.stamps).toMatchObject({
      remaining: 2,
    });
  });

  it("ends by itself at its end, also when nobody has written that down", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeGiven();
    await assign(id, product.key, inDays(40));
    await advanceClock(database.app, id, 39 * day);
    expect(await refillAccount(database.worker, id)).toBe(1);
    expect(await readPlan(id)).toBe(product.key);
    await advanceClock(database.app, id, 2 * day);
    expect(await readPlan(id)).toBe("free");
    expect(await refillAccount(database.worker, id)).toBe(0);
    const [row] = await database.admin`
      SELECT status, ended_at = cancel_at AS is_exact, next_refill_at FROM ducat.subscriptions
      WHERE account_id = ${id}`;
    expect(row).toEqual({ status: "canceled", is_exact: true, next_refill_at: null });
  });

  it("only moves the end of the same plan, and gives nothing for that", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeGiven();
    const first = await assign(id, product.key);
    const until = inDays(9);
    expect(await assign(id, product.key, until)).toMatchObject({ id: first?.id });
    expect(await readAvailable(id)).toBe(103);
    const { cancel_at, next_change_at } = await findEntitlements(database.app, id);
    expect([cancel_at, next_change_at].map((at) => Date.parse(at ?? ""))).toContain(
      until.getTime(),
    );
    expect(await assign(id, product.key)).toMatchObject({ cancel_at: null });
  });

  it("puts another plan in the place of one, and the default one takes it away", async () => {
    const { id } = await makeAccount(database.app);
    const [one, other] = [await makeGiven(), await makeGiven({ credits: 5 })];
    await assign(id, one.product.key);
    await assign(id, other.product.key);
    expect(await readPlan(id)).toBe(other.product.key);
    expect(await assign(id, "free")).toBeNull();
    expect(await assign(id, "free")).toBeNull();
    expect(await findEntitlements(database.app, id)).toMatchObject({
      ...{ plan: { key: "free" }, status: "canceled" },
    });
    const [row] = await database.admin`
      SELECT count(*) FILTER (WHERE ended_at IS NULL)::int AS open FROM ducat.subscriptions
      WHERE account_id = ${id}`;
    expect(row).toEqual({ open: 0 });
  });

  it("makes one of many at once", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeGiven();
    const sessions = await openSessions(database.url, "ducat_app", 6);
    const calls = atOnce(sessions, 12, (app) => assignPlan(app, id, { plan: product.key, audit }));
    expect(await countOutcomes(calls)).toEqual({ ok: 12 });
    expect(await readAvailable(id)).toBe(103);
  });

  it("refuses while somebody pays for another, unless that is to end", async () => {
    const { id } = await makeAccount(database.app);
    const paid = await makePlan(database.admin);
    await database.admin`
      INSERT INTO ducat.subscriptions (account_id, product_id, price_id, provider, provider_ref,
        mode, status, interval, started_at)
      VALUES (${id}, ${paid.product.id}, ${paid.price.id}, 'sandbox', ${id}, 'test', 'active',
        'month', now())`;
    const { product } = await makeGiven();
    expect(await refusalOf(assign(id, product.key))).toEqual({
      code: "invalid_state",
      reason: "subscription",
    });
    await database.admin`
      UPDATE ducat.subscriptions SET cancel_at = now() + interval '1 day' WHERE account_id = ${id}`;
    await assign(id, product.key);
    expect(await readPlan(id)).toBe(product.key);
  });

  it("refuses what is no plan for this account, and an end that is over", async () => {
    const { id } = await makeAccount(database.app);
    const pack = await makeFeatured(database.admin, { kind: "pack", credits: 1 });
    const forVendors = await makeGiven({ audience: "vendor" });
    const retired = await makeGiven({ is_active: false });
    const none = { code: "not_found", what: "product" };
    for (const key of [pack, forVendors, retired].map((offer) => offer.product.key)) {
      expect(await refusalOf(assign(id, key))).toEqual(none);
    }
    expect(await refusalOf(assign(id, "nothing"))).toEqual(none);
    const { product } = await makeGiven();
    const late = assign(id, product.key, inDays(-1));
    expect(await refusalOf(late)).toMatchObject({ code: "validation_failed", reason: "until" });
    const nobody = "00000000-0000-7000-8000-000000000000";
    expect(await refusalOf(assign(nobody, product.key))).toMatchObject({ what: "account" });
  });
});

it("an assigned plan is lifted, and the account is on the default plan; a repeat changes nothing", async () => {
  const { id } = await makeAccount(database.app);
  const { product } = await makeGiven();
  await assign(id, product.key);
  expect(await readPlan(id)).toBe(product.key);
  const lifts = await Promise.all([1, 2, 3].map(() => liftPlan(database.app, id, audit)));
  expect(lifts.filter(Boolean)).toHaveLength(1);
  expect(await readPlan(id)).toBe("free");
  expect(await liftPlan(database.app, id, audit)).toBe(false);
  const nobody = await refusalOf(liftPlan(database.app, randomUUID(), audit));
  expect(nobody).toMatchObject({ code: "not_found" });
});

it("an assigned plan keeps nobody from being erased, and ends with it", async () => {
  const { id } = await makeAccount(database.app);
  const { product } = await makeGiven();
  await assign(id, product.key);
  await eraseAccount(database.app, id, { isConfirmed: false, audit });
  const [row] = await database.admin`
    SELECT status, next_refill_at FROM ducat.subscriptions WHERE account_id = ${id}`;
  expect(row).toEqual({ status: "canceled", next_refill_at: null });
  await advanceClock(database.app, id, 90 * day);
  expect(await refillAccount(database.worker, id)).toBe(0);
});
