import { describe, expect, it } from "vitest";
import {
  audit,
  flag,
  givePass,
  held,
  limited,
  makeEntitled,
  makeFeatured,
  secondsUntil,
  spent,
} from "../test/entitlement-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, findBalance } from "./credits.ts";
import { findEntitlements, removeFeatureOverride, setFeatureOverride } from "./entitlements.ts";
import { addAllowance } from "./usage.ts";

const database = useDatabase();
const find = (id: string) => findEntitlements(database.app, id);
const day = 86_400;

type Row = Record<string, string | null>;

/** An account with a subscription of a plan of its own, as its row says; times are from now. */
async function makeSubscriber(row: Row, features = { calls: limited(7) }) {
  const { admin, app } = database;
  const { product } = await makeFeatured(admin, { features });
  const { id } = await makeAccount(app);
  const at = (days: string | null | undefined) =>
    days == null ? null : new Date(Date.now() + Number(days) * day * 1000);
  await admin`
    INSERT INTO ducat.subscriptions (account_id, product_id, provider, provider_ref, mode, status,
      pause, interval, started_at, period_start, period_end, trial_ends_at, cancel_at, past_due_at)
    VALUES (${id}, ${product.id}, 'sandbox', ${row.ours ? null : id}, 'test',
      ${row.status ?? "active"}, ${row.pause ?? null}, 'month', ${at("-20")},
      ${at(row.start ?? "-20")}, ${at(row.end ?? "10")}, ${at(row.trial)}, ${at(row.cancel)},
      ${at(row.past_due)})`;
  return { id, plan: product.key };
}

describe("the plan of an account", () => {
  it("is the default one of its kind while it pays for none", async () => {
    const { id } = await makeAccount(database.app);
    const found = await find(id);
    expect(found).toMatchObject({ account_id: id, kind: "user", status: "none", offset_s: 0 });
    expect(found).toMatchObject({ plan: { key: "free" }, period: null, trial: null, passes: [] });
    expect(Object.keys(found.features)).toHaveLength(4);
    const nobody = "00000000-0000-7000-8000-000000000000";
    expect(await refusalOf(find(nobody))).toEqual({ code: "not_found", what: "account" });
  });

  const live: [what: string, row: Row, status: string][] = [
    ["active", {}, "active"],
    ["in its trial", { status: "trialing", trial: "3" }, "trialing"],
    ["past due within the grace", { status: "past_due", past_due: "-6" }, "past_due"],
    ["paused for free", { status: "paused", pause: "free" }, "paused"],
    ["canceled from some day on", { cancel: "2" }, "active"],
    ["ours and past its end, within the grace", { ours: "yes", end: "-6" }, "past_due"],
    ["a provider's that is late with its word", { end: "-6" }, "active"],
  ];
  it.each(live)("is the one of a subscription that is %s", async (_, row, status) => {
    const { id, plan } = await makeSubscriber(row);
    expect(await find(id)).toMatchObject({ plan: { key: plan }, status });
  });

  const over: [what: string, row: Row, status: string][] = [
    ["past due beyond the grace", { status: "past_due", past_due: "-8" }, "past_due"],
    ["unpaid", { status: "unpaid", past_due: "-1" }, "unpaid"],
    ["paused without access", { status: "paused", pause: "no_access" }, "paused"],
    ["canceled", { status: "canceled" }, "canceled"],
    ["over by its own word", { cancel: "-1" }, "canceled"],
    ["ours and beyond its grace", { ours: "yes", end: "-8" }, "canceled"],
    ["never paid", { status: "incomplete" }, "none"],
  ];
  it.each(over)("is the default one when a subscription is %s", async (_, row, status) => {
    const { id } = await makeSubscriber(row);
    expect(await find(id)).toMatchObject({ plan: { key: "free" }, status, period: null });
  });

  it("is the newest of two that give access, and the older one's when that ends", async () => {
    const { id, plan } = await makeSubscriber({});
    const { product } = await makeFeatured(database.admin);
    await database.admin`
      INSERT INTO ducat.subscriptions (account_id, product_id, provider, provider_ref, mode, status,
        interval, started_at) VALUES (${id}, ${product.id}, 'sandbox', ${`${id}-2`}, 'test',
        'active', 'month', now())`;
    expect(await find(id)).toMatchObject({ plan: { key: product.key } });
    await database.admin`
      UPDATE ducat.subscriptions SET status = 'canceled' WHERE product_id = ${product.id}`;
    expect(await find(id)).toMatchObject({ plan: { key: plan }, status: "active" });
  });

  it("has its limits of requests and work", async () => {
    const more = { limits: { running: 2, open_items: 9 }, rate_limits: { minute: 5 } };
    const { id } = await makeEntitled(database, {}, more);
    expect(await find(id)).toMatchObject(more);
  });
});

describe("a month from the anchor of a subscription", () => {
  // After a trial or a change of plan its months are counted from another day than it began on.
  const months: [start: string, end: string, at: string][] = [
    ["2027-01-31", "2027-02-28", "2027-02-27"],
    ["2027-02-28", "2027-03-31", "2027-03-29"],
    ["2027-04-30", "2027-05-31", "2027-05-30"],
    ["2027-02-28", "2027-03-28", "2027-03-27"],
    ["2028-01-29", "2028-02-29", "2028-02-28"],
    ["2028-02-29", "2028-03-31", "2028-03-30"],
  ];
  it.each(months)("is the one that was paid, from %s to %s", async (start, end, at) => {
    const { id } = await makeSubscriber({}, { calls: limited(7, "month", "anchor") });
    await database.admin`
      UPDATE ducat.subscriptions SET started_at = '2026-12-17T08:00:00Z',
        period_start = ${`${start}T08:00:00Z`}, period_end = ${`${end}T08:00:00Z`}
      WHERE account_id = ${id}`;
    await advanceClock(database.app, id, await secondsUntil(database.admin, id, `${at}T09:00:00Z`));
    expect((await find(id)).features.calls).toMatchObject({
      period_start: `${start}T08:00:00+00:00`,
      resets_at: `${end}T08:00:00+00:00`,
    });
  });
});

describe("plan and passes together", () => {
  it("allow what the more generous of them allows, whichever that is", async () => {
    const { id } = await makeEntitled(database, {
      on: flag(false),
      off: flag(true),
      more: limited(5),
      less: limited(5),
      endless: limited(5),
      bounded: limited(null),
      places: held(3),
    });
    const features = {
      on: flag(true),
      off: flag(false),
      more: limited(9),
      less: limited(2),
      endless: limited(null),
      bounded: limited(8),
      places: held(10),
      extra: limited(4, "day"),
      odd: flag(true),
    };
    await givePass(database, id, { features });
    expect((await find(id)).features).toMatchObject({
      on: { enabled: true, source: "pass" },
      off: { enabled: true, source: "plan" },
      more: { limit: 9, source: "pass" },
      less: { limit: 5, source: "plan" },
      endless: { limit: null, source: "pass" },
      bounded: { limit: null, source: "plan" },
      places: { limit: 10, source: "pass", period_start: "-infinity" },
      extra: { limit: 4, source: "pass" },
    });
  });

  it("don't mix what is not of one kind", async () => {
    const { id } = await makeEntitled(database, { calls: limited(5) });
    await givePass(database, id, { features: { calls: flag(true) } });
    expect((await find(id)).features.calls).toMatchObject({ kind: "limit", limit: 5 });
  });

  it("count a pass while it lasts, and one for a subject not for everything", async () => {
    const { id } = await makeEntitled(database, { calls: limited(1) });
    const product = await givePass(database, id, { features: { calls: limited(6) }, days: 5 });
    await givePass(database, id, { features: { calls: limited(9) }, subject: "home", days: 9 });
    const found = await find(id);
    expect(found.features.calls).toMatchObject({ limit: 6, source: "pass" });
    expect(found.passes).toMatchObject([
      { product, subject: null, features: { calls: { limit: 6 } } },
      { subject: "home", features: { calls: { limit: 9 } } },
    ]);
    await advanceClock(database.app, id, 5 * day + 1);
    const later = await find(id);
    expect(later.features.calls).toMatchObject({ limit: 1, source: "plan" });
    expect(later.passes).toHaveLength(1);
    await database.admin`UPDATE ducat.passes SET revoked_at = now() WHERE account_id = ${id}`;
    expect((await find(id)).passes).toEqual([]);
  });
});

describe("an override", () => {
  const features = { calls: limited(5), places: held(5), export: flag(false), mail: spent };
  const set = (id: string, feature: string, value: boolean | number | null, more = {}) =>
    setFeatureOverride(database.app, id, { feature, value, audit, ...more });

  it("goes before plan and passes, also to less, until it ends or is removed", async () => {
    const { id } = await makeEntitled(database, features);
    await givePass(database, id, { features: { calls: limited(50) } });
    const expiresAt = new Date(Date.now() + day * 1000);
    expect(await set(id, "calls", 2, { expiresAt, reason: "abuse" })).toMatchObject({
      ...{ feature: "calls", value: 2, reason: "abuse" },
    });
    await set(id, "export", true);
    await set(id, "places", null);
    expect((await find(id)).features).toMatchObject({
      calls: { limit: 2, source: "override" },
      export: { enabled: true, source: "override" },
      places: { limit: null, source: "override" },
    });
    const remove = { feature: "export", audit };
    expect(await removeFeatureOverride(database.app, id, remove)).toBe(true);
    expect(await removeFeatureOverride(database.app, id, remove)).toBe(false);
    await advanceClock(database.app, id, day + 1);
    expect((await find(id)).features).toMatchObject({
      calls: { limit: 50, source: "pass" },
      export: { enabled: false, source: "plan" },
    });
  });

  it("is written down with what was before and after", async () => {
    const { id } = await makeEntitled(database, features);
    await set(id, "calls", 2, { reason: "abuse" });
    await set(id, "calls", null);
    await removeFeatureOverride(database.app, id, { feature: "calls", audit });
    const lines = await database.admin<{ change: unknown }[]>`
      SELECT jsonb_build_array(metadata #> '{before,value}', metadata #> '{after,value}') AS change
      FROM ducat.audit_logs WHERE account_id = ${id} AND action = 'feature.override' ORDER BY id`;
    expect(lines.map(({ change }) => change)).toEqual([
      [null, 2],
      [2, null],
      [null, null],
    ]);
  });

  it("is refused where it means nothing", async () => {
    const { id } = await makeEntitled(database, features);
    const refused = (...change: [string, boolean | number | null, object?]) =>
      refusalOf(set(id, ...change));
    expect(await refused("faxes", 1)).toEqual({ code: "not_found", what: "feature" });
    expect(await refused("mail", 1)).toEqual({ code: "validation_failed", reason: "spent" });
    const value = { code: "validation_failed", reason: "value" };
    const wrong = [true, -1, 1.5, 2e12] as const;
    for (const one of wrong) expect(await refused("calls", one)).toEqual(value);
    for (const one of [1, null]) expect(await refused("export", one)).toEqual(value);
    const past = { expiresAt: new Date(Date.now() - 1000) };
    expect(await refused("calls", 1, past)).toMatchObject({ reason: "expires_at" });
  });
});

describe("upgrade", () => {
  it("names the cheapest plan on sale that allows more of a feature", async () => {
    const { admin, app } = database;
    const key = `only-${Date.now()}`;
    const sell = (limit: number | null, amount: number, more = {}) =>
      makeFeatured(admin, { features: { [key]: limited(limit) }, ...more }).then(async (offer) => {
        await admin`UPDATE ducat.prices SET amount = ${amount} WHERE id = ${offer.price.id}`;
        return offer.product.key;
      });
    const { id } = await makeEntitled(database, { [key]: limited(5), [`${key}-x`]: flag(true) });
    await sell(5, 100);
    await sell(50, 300, { is_active: false });
    await sell(50, 300, { audience: "vendor" });
    const large = await sell(100, 800);
    expect((await find(id)).upgrade).toEqual({ [key]: large });
    const small = await sell(6, 700);
    const endless = await sell(null, 900);
    expect((await find(id)).upgrade).toEqual({ [key]: small });
    await setFeatureOverride(app, id, { feature: key, value: 100, audit });
    expect((await find(id)).upgrade).toEqual({ [key]: endless });
    await setFeatureOverride(app, id, { feature: key, value: null, audit });
    expect((await find(id)).upgrade).toEqual({});
  });

  it("names for a stock that is spent a plan that gives more of it, else a pack", async () => {
    const { admin } = database;
    const key = `stamps-${Date.now()}`;
    const { id } = await makeEntitled(database, { [key]: spent });
    expect((await find(id)).upgrade).toEqual({});
    const pack = await makeFeatured(admin, { kind: "pack", allowances: { [key]: 10 } });
    expect((await find(id)).upgrade).toEqual({ [key]: pack.product.key });
    const plan = await makeFeatured(admin, { allowances: { [key]: 1 } });
    expect((await find(id)).upgrade).toEqual({ [key]: plan.product.key });
  });
});

describe("next_change_at", () => {
  const moment = (days: number) => Math.round((Date.now() + days * day * 1000) / 1000);
  const readNext = async (id: string) => {
    const { next_change_at: at } = await find(id);
    return at === null ? null : Math.round(Date.parse(at) / 1000);
  };
  const near = (days: number) => expect.toSatisfy((at) => Math.abs(at - moment(days)) <= 2);

  const cases: [what: string, row: Row, days: number][] = [
    ["the end of a period", { end: "4" }, 4],
    ["the end of a trial", { status: "trialing", trial: "3", end: "4" }, 3],
    ["the day it is canceled for", { cancel: "2" }, 2],
    ["the end of a grace", { status: "past_due", past_due: "-6", end: "-6" }, 1],
    ["the end of our own grace", { ours: "yes", end: "-5" }, 2],
  ];
  it.each(cases)("is %s of a subscription", async (_, row, days) => {
    const { id } = await makeSubscriber(row, { calls: limited(1, "request") });
    expect(await readNext(id)).toEqual(near(days));
  });

  it("is the soonest of everything that comes and goes by itself", async () => {
    const { id } = await makeEntitled(database, { calls: limited(1, "request"), mail: spent });
    await database.admin`
      UPDATE ducat.subscriptions SET period_end = now() + interval '90 days'
      WHERE account_id = ${id}`;
    expect(await readNext(id)).toEqual(near(90));
    await givePass(database, id, { features: {}, days: 40 });
    expect(await readNext(id)).toEqual(near(40));
    await addAllowance(database.app, id, {
      ...{ feature: "mail", amount: 1, effectKey: "a" },
      expiresAt: new Date(Date.now() + 30 * day * 1000),
    });
    expect(await readNext(id)).toEqual(near(30));
    const expiresAt = new Date(Date.now() + 20 * day * 1000);
    await setFeatureOverride(database.app, id, { feature: "calls", value: 2, expiresAt, audit });
    expect(await readNext(id)).toEqual(near(20));
    await database.admin`
      INSERT INTO ducat.allowance_grants (account_id, feature, amount, remaining, effect_key,
        starts_at) VALUES (${id}, 'mail', 1, 1, 'b', now() + interval '10 days')`;
    expect(await readNext(id)).toEqual(near(10));
    expect((await find(id)).features.mail).toMatchObject({ granted: 1, remaining: 1 });
  });

  it("is the reset of the shortest limit, by the account's own clock", async () => {
    const { id } = await makeEntitled(database, { calls: limited(1, "hour") });
    const seconds = await secondsUntil(database.admin, id, "2027-05-05T10:59:00Z");
    await advanceClock(database.app, id, seconds);
    const found = await find(id);
    expect(found.next_change_at).toBe("2027-05-05T11:00:00+00:00");
    expect(found.offset_s).toBeGreaterThan(seconds - 1);
    expect(Date.parse(found.now)).toBeGreaterThanOrEqual(Date.parse("2027-05-05T10:59:00Z"));
  });
});

it("reading takes no lock and writes nothing", async () => {
  const { id } = await makeAccount(database.app);
  const before = await findBalance(database.app, id);
  await database.admin.begin(async (sql) => {
    await sql`SELECT FROM ducat.credit_accounts WHERE account_id = ${id} FOR UPDATE`;
    expect(await find(id)).toMatchObject({ account_id: id });
  });
  expect(await findBalance(database.app, id)).toEqual(before);
});
