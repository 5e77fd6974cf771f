import { describe, expect, it } from "vitest";
import {
  audit,
  eventId,
  flag,
  givePass,
  held,
  limited,
  makeEntitled,
  makeFeatured,
  secondsUntil,
  spent,
} from "../test/entitlement-factories.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { countOutcomes, refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { advanceClock } from "./credits.ts";
import { findEntitlements, setFeatureOverride } from "./entitlements.ts";
import { cancelGeneration } from "./generations.ts";
import { endDueItem } from "./items.ts";
import { addAllowance, listUsage, releaseUsage, trackUsage } from "./usage.ts";
import { withAccount } from "./with-account.ts";

const database = useDatabase();
const calls = { feature: "calls", amount: 1 };
const track = (id: string, more: { feature?: string; amount?: number; eventId?: string } = {}) =>
  trackUsage(database.app, id, { ...calls, eventId: eventId(), ...more });
const makeOn = (features: Parameters<typeof makeEntitled>[1], more = {}) =>
  makeEntitled(database, features, more);

const listCounters = (accountId: string) =>
  database.admin<{ period_start: Date; used: number }[]>`
    SELECT period_start, used FROM ducat.usage_counters
    WHERE account_id = ${accountId} AND feature = 'calls' ORDER BY period_start`;

const freeze = (accountId: string) =>
  database.admin`
    UPDATE ducat.credit_accounts SET frozen = '{admin}' WHERE account_id = ${accountId}`;

describe("trackUsage", () => {
  it("takes exactly up to the limit, however many ask at once", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const asked = atOnce(sessions, 100, (app) =>
      trackUsage(app, id, { ...calls, eventId: eventId() }),
    );
    expect(await countOutcomes(asked)).toEqual({ ok: 5, quota_exceeded: 95 });
    expect(await listCounters(id)).toMatchObject([{ used: 5 }]);
    expect(await listUsage(database.app, id, { limit: 100 })).toHaveLength(5);
  });

  it("makes one counter when a period is used for the first time by many", async () => {
    const { id } = await makeOn({ calls: limited(null) });
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const asked = atOnce(sessions, 40, (app) =>
      trackUsage(app, id, { ...calls, amount: 3, eventId: eventId() }),
    );
    expect(await countOutcomes(asked)).toEqual({ ok: 40 });
    expect(await listCounters(id)).toMatchObject([{ used: 120 }]);
  });

  it("takes an event once, however often and by however many it is told", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const event = { ...calls, amount: 2, eventId: eventId() };
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const asked = atOnce(sessions, 24, (app) => trackUsage(app, id, event));
    expect(await countOutcomes(asked)).toEqual({ ok: 1, replayed: 23 });
    await track(id);
    expect(await track(id, event)).toMatchObject({ used: 2, remaining: 3, replayed: true });
    expect(await listCounters(id)).toMatchObject([{ used: 3 }]);
    for (const other of [{ amount: 3 }, { feature: "letters" }]) {
      const refused = await refusalOf(track(id, { ...event, ...other }));
      expect(refused).toEqual({ code: "idempotency_conflict" });
    }
  });

  it("refuses what is too much with what there is, and takes nothing", async () => {
    const { id, plan } = await makeOn({ calls: limited(5, "day") });
    await makeFeatured(database.admin, { features: { calls: limited(9, "day") } });
    await track(id, { amount: 4 });
    const refused = { eventId: eventId(), amount: 2 };
    expect(await refusalOf(track(id, refused))).toEqual({
      code: "quota_exceeded",
      quota: "calls",
      limit: 5,
      current: 4,
      resets_at: expect.stringMatching(/T00:00:00/),
      upgrade: expect.not.stringContaining(plan),
    });
    expect(await track(id, { ...refused, amount: 1 })).toMatchObject({ used: 5, remaining: 0 });
    const nothing = await makeOn({ calls: limited(0) });
    expect(await refusalOf(track(nothing.id))).toMatchObject({ limit: 0, current: 0 });
    expect(await listCounters(nothing.id)).toEqual([]);
  });

  it("knows what has no count, and what makes no sense", async () => {
    const { id } = await makeOn({ calls: flag(true), areas: limited(3, "request") });
    const uncounted = { code: "validation_failed", reason: "not_counted" };
    expect(await refusalOf(track(id))).toEqual(uncounted);
    expect(await refusalOf(track(id, { feature: "areas" }))).toEqual(uncounted);
    expect(await refusalOf(track(id, { feature: "_open_items" }))).toMatchObject({
      what: "feature",
    });
    for (const wrong of [{ amount: 0 }, { amount: -1 }, { amount: 2e9 }, { eventId: "" }]) {
      expect(await refusalOf(track(id, wrong))).toMatchObject({ code: "validation_failed" });
    }
    const nobody = "00000000-0000-7000-8000-000000000000";
    expect(await refusalOf(track(nobody))).toMatchObject({ what: "account" });
  });

  it("refuses a frozen account, but not to repeat what it said", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const event = { eventId: eventId() };
    await track(id, event);
    await freeze(id);
    expect(await refusalOf(track(id))).toEqual({ code: "account_frozen" });
    expect(await track(id, event)).toMatchObject({ replayed: true });
    expect(await releaseUsage(database.app, id, event.eventId)).toMatchObject({ used: 0 });
  });

  it("keeps accounts apart, also where they name their events alike", async () => {
    const [one, other] = [await makeOn({ calls: limited(1) }), await makeOn({ calls: limited(1) })];
    const event = { eventId: eventId() };
    await track(one.id, event);
    expect(await track(other.id, event)).toMatchObject({ used: 1, replayed: false });
    const theirs = eventId();
    await refusalOf(track(one.id, { eventId: theirs }));
    expect(await refusalOf(releaseUsage(database.app, one.id, theirs))).toMatchObject({
      code: "not_found",
      what: "usage",
    });
    expect(await listUsage(database.app, other.id, { limit: 9 })).toHaveLength(1);
  });

  it("believes the plan that stands now, not the one that was read before", async () => {
    const { id, plan } = await makeOn({ calls: limited(3) });
    await track(id, { amount: 2 });
    await database.admin`
      UPDATE ducat.products SET features = jsonb_set(features, '{calls,limit}', '2')
      WHERE key = ${plan}`;
    expect(await refusalOf(track(id))).toMatchObject({ limit: 2, current: 2 });
    await setFeatureOverride(database.app, id, { feature: "calls", value: null, audit });
    expect(await track(id, { amount: 50 })).toMatchObject({ limit: null, remaining: null });
  });
});

describe("a pass that is bound to a subject", () => {
  it("raises the limit for that subject only, on the same counter", async () => {
    const { id } = await makeOn({ calls: limited(1) });
    await givePass(database, id, { features: { calls: limited(3) }, subject: "home" });
    await track(id);
    expect(await refusalOf(track(id))).toMatchObject({ limit: 1 });
    const home = { ...calls, subject: "home" };
    const bound = await trackUsage(database.app, id, { ...home, eventId: eventId() });
    expect(bound).toMatchObject({ limit: 3, used: 2 });
    const elsewhere = { ...calls, eventId: eventId(), subject: "away" };
    expect(await refusalOf(trackUsage(database.app, id, elsewhere))).toMatchObject({ limit: 1 });
  });
});

describe("a period", () => {
  it("of an hour, a day and a month is the calendar's, in UTC", async () => {
    const { id } = await makeOn({
      hourly: limited(1, "hour"),
      daily: limited(1, "day"),
      calls: limited(1, "month"),
    });
    const at = (moment: string) => secondsUntil(database.admin, id, moment);
    await advanceClock(database.app, id, await at("2027-02-28T23:59:00Z"));
    const { features } = await findEntitlements(database.app, id);
    expect(features).toMatchObject({
      hourly: { period_start: "2027-02-28T23:00:00+00:00", resets_at: "2027-03-01T00:00:00+00:00" },
      daily: { period_start: "2027-02-28T00:00:00+00:00", resets_at: "2027-03-01T00:00:00+00:00" },
      calls: { period_start: "2027-02-01T00:00:00+00:00", resets_at: "2027-03-01T00:00:00+00:00" },
    });
    for (const feature of ["hourly", "daily", "calls"]) {
      await track(id, { feature });
      expect(await refusalOf(track(id, { feature }))).toMatchObject({ quota: feature });
    }
    await advanceClock(database.app, id, 60);
    for (const feature of ["hourly", "daily", "calls"]) await track(id, { feature });
  });

  it("of a month from the 31st ends with short months and comes back to the 31st", async () => {
    const { admin, app } = database;
    const plan = await makeFeatured(admin, { features: { calls: limited(1, "month", "anchor") } });
    const { id } = await makeAccount(app);
    await advanceClock(app, id, await secondsUntil(admin, id, "2028-01-31T09:00:00Z"));
    await admin`
      INSERT INTO ducat.subscriptions (account_id, product_id, provider, provider_ref, mode, status,
        interval, started_at, period_start, period_end)
      VALUES (${id}, ${plan.product.id}, 'sandbox', ${id}, 'test', 'active', 'month',
        '2028-01-31T09:00Z', '2028-01-31T09:00Z', '2028-02-29T09:00Z')`;
    const resets: unknown[] = [];
    for (const next of ["2028-02-29T09:00:01Z", "2028-03-31T09:00:01Z", "2028-04-30T09:00:01Z"]) {
      const taken = await track(id);
      resets.push(taken.resets_at);
      expect(await refusalOf(track(id))).toMatchObject({ code: "quota_exceeded" });
      await advanceClock(app, id, await secondsUntil(admin, id, next));
      await admin`
        UPDATE ducat.subscriptions SET period_start = period_end, period_end = ducat.end_of_period(
          started_at, period_end, 1) WHERE account_id = ${id}`;
    }
    expect(resets).toEqual([
      "2028-02-29T09:00:00+00:00",
      "2028-03-31T09:00:00+00:00",
      "2028-04-30T09:00:00+00:00",
    ]);
    expect((await listCounters(id)).map((row) => row.period_start.toISOString())).toEqual([
      "2028-01-31T09:00:00.000Z",
      "2028-02-29T09:00:00.000Z",
      "2028-03-31T09:00:00.000Z",
    ]);
  });

  it.each([
    ["2026-01-31T10:00Z", "2026-02-28T09:59Z", "2026-01-31", "2026-02-28"],
    ["2026-01-31T10:00Z", "2026-02-28T10:00Z", "2026-02-28", "2026-03-31"],
    ["2026-01-31T10:00Z", "2028-02-29T10:00Z", "2028-02-29", "2028-03-31"],
    ["2024-02-29T10:00Z", "2025-02-28T10:00Z", "2025-02-28", "2025-03-29"],
    ["2024-02-29T10:00Z", "2028-02-29T09:00Z", "2028-01-29", "2028-02-29"],
    ["2026-12-31T23:00Z", "2027-02-01T00:00Z", "2027-01-31", "2027-02-28"],
    ["2026-05-15T00:00Z", "2026-05-01T00:00Z", "2026-05-15", "2026-06-15"],
  ])("anchored at %s is at %s the one from %s to %s", async (anchor, at, start, end) => {
    const [month] = await database.admin<{ starts_at: Date; ends_at: Date }[]>`
      SELECT * FROM ducat.anchored_month(${anchor}::timestamptz, ${at}::timestamptz)`;
    expect(month?.starts_at.toISOString()).toContain(start);
    expect(month?.ends_at.toISOString()).toContain(end);
  });
});

describe("releaseUsage", () => {
  it("gives an event back once, however often it is asked", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const event = { amount: 3, eventId: eventId() };
    await track(id, event);
    await track(id, { amount: 2 });
    const sessions = await openSessions(database.url, "ducat_app", 6);
    const asked = atOnce(sessions, 12, (app) => releaseUsage(app, id, event.eventId));
    expect(await countOutcomes(asked)).toEqual({ ok: 1, replayed: 11 });
    expect(await listCounters(id)).toMatchObject([{ used: 2 }]);
    const again = await releaseUsage(database.app, id, event.eventId);
    expect(again).toMatchObject({ used: 2, remaining: 3, returned: 3, replayed: true });
    expect(await track(id, event)).toMatchObject({ used: 3, replayed: true });
    expect(await listCounters(id)).toMatchObject([{ used: 2 }]);
  });

  it("gives back to the period that was used, which may be over", async () => {
    const { id } = await makeOn({ calls: limited(2, "day") });
    const event = { amount: 2, eventId: eventId() };
    await track(id, event);
    await advanceClock(database.app, id, 86_400);
    await track(id);
    const released = await releaseUsage(database.app, id, event.eventId);
    expect(released).toMatchObject({ used: 0, returned: 0 });
    expect((await listCounters(id)).map(({ used }) => used)).toEqual([0, 1]);
  });

  it("tells of it in the list", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const event = eventId();
    await track(id, { eventId: event });
    await track(id);
    await releaseUsage(database.app, id, event);
    const rows = await listUsage(database.app, id, { limit: 9, feature: "calls" });
    expect(rows.map((row) => row.released_at === null)).toEqual([true, false]);
    const rest = {
      limit: 9,
      beforeId: rows[0]?.id,
      from: new Date(0),
      to: new Date(Date.now() + 1),
    };
    expect(await listUsage(database.app, id, rest)).toMatchObject([{ event_id: event }]);
    expect(await listUsage(database.app, id, { limit: 9, feature: "none" })).toEqual([]);
  });
});

describe("a stock that is spent", () => {
  const day = 86_400_000;
  const give = (id: string, amount: number, days?: number) =>
    addAllowance(database.app, id, {
      feature: "calls",
      amount,
      effectKey: eventId(),
      ...(days && { expiresAt: new Date(Date.now() + days * day) }),
    });
  const readLeft = async (id: string) => {
    const rows = await database.admin<{ remaining: number }[]>`
      SELECT remaining FROM ducat.allowance_grants WHERE account_id = ${id} ORDER BY id`;
    return rows.map(({ remaining }) => remaining);
  };

  it("burns what ends soonest, and goes back to just that", async () => {
    const { id } = await makeOn({ calls: spent });
    for (const [amount, days] of [[5], [2, 9], [2, 3]] as const) await give(id, amount, days);
    const event = { amount: 3, eventId: eventId() };
    expect(await track(id, event)).toMatchObject({ used: 3, limit: 9, remaining: 6 });
    expect(await readLeft(id)).toEqual([5, 1, 0]);
    await releaseUsage(database.app, id, event.eventId);
    expect(await readLeft(id)).toEqual([5, 2, 2]);
    expect(await refusalOf(track(id, { amount: 10 }))).toMatchObject({
      ...{ code: "quota_exceeded", limit: 9, current: 0, resets_at: null },
    });
    expect(await readLeft(id)).toEqual([5, 2, 2]);
  });

  it("doesn't come back where it has ended meanwhile", async () => {
    const { id } = await makeOn({ calls: spent });
    await give(id, 2, 1);
    await give(id, 2);
    const event = { amount: 3, eventId: eventId() };
    await track(id, event);
    await advanceClock(database.app, id, 2 * 86_400);
    const released = await releaseUsage(database.app, id, event.eventId);
    expect(released).toMatchObject({ returned: 1, remaining: 2, limit: 2 });
    expect(await readLeft(id)).toEqual([0, 2]);
  });

  it("is spent exactly, however many spend it at once", async () => {
    const { id } = await makeOn({ calls: spent });
    for (const days of [1, 2, 3, 4]) await give(id, 5, days);
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const asked = atOnce(sessions, 40, (app) =>
      trackUsage(app, id, { ...calls, amount: 2, eventId: eventId() }),
    );
    expect(await countOutcomes(asked)).toEqual({ ok: 10, quota_exceeded: 30 });
    expect(await readLeft(id)).toEqual([0, 0, 0, 0]);
  });

  it("is given once per effect key, and only where the catalog has it", async () => {
    const { id } = await makeOn({ calls: spent, places: held(3) });
    const gift = { feature: "calls", amount: 4, effectKey: eventId(), reason: "sorry", audit };
    const sessions = await openSessions(database.url, "ducat_app", 5);
    const asked = atOnce(sessions, 10, (app) => addAllowance(app, id, gift));
    expect(await countOutcomes(asked)).toEqual({ ok: 1, replayed: 9 });
    expect(await readLeft(id)).toEqual([4]);
    const [row] = await database.admin`
      SELECT count(*)::int AS lines, min(metadata ->> 'reason') AS reason FROM ducat.audit_logs
      WHERE account_id = ${id} AND action = 'allowance.add'`;
    expect(row).toEqual({ lines: 1, reason: "sorry" });
    const refused = (more: object) =>
      refusalOf(addAllowance(database.app, id, { ...gift, ...more }));
    expect(await refused({ amount: 5 })).toEqual({ code: "idempotency_conflict" });
    expect(await refused({ feature: "faxes" })).toMatchObject({ what: "feature" });
    expect(await refused({ feature: "places" })).toMatchObject({ reason: "not_spent" });
    const over = { effectKey: eventId(), expiresAt: new Date(Date.now() - 1000) };
    expect(await refused(over)).toMatchObject({ reason: "expires_at" });
    expect(await refused({ effectKey: eventId(), amount: 0 })).toMatchObject({
      code: "validation_failed",
    });
  });
});

describe("places that are held", () => {
  it("stay taken over months and come free by a release", async () => {
    const { id } = await makeOn({ calls: held(2) });
    const events = [eventId(), eventId()];
    for (const event of events) await track(id, { eventId: event });
    await advanceClock(database.app, id, 90 * 86_400);
    expect(await refusalOf(track(id))).toMatchObject({ limit: 2, current: 2, resets_at: null });
    await releaseUsage(database.app, id, events[0] ?? "");
    expect(await track(id)).toMatchObject({ used: 2, resets_at: null });
  });
});

describe("quotas of a generation", () => {
  const quota = { ...{ feature: "calls", amount: 1, limit: 2 }, period_start: "2026-11-01T00:00Z" };
  const open = { feature: "_open_items", amount: 1, limit: 2, period_start: "-infinity" };
  const readUsed = async (id: string) => {
    const rows = await database.admin<{ feature: string; used: number }[]>`
      SELECT feature, used FROM ducat.usage_counters WHERE account_id = ${id} ORDER BY feature`;
    return Object.fromEntries(rows.map(({ feature, used }) => [feature, used]));
  };

  it("are given back once when it fails, whoever ends it and however often", async () => {
    const { id } = await makeOn({ calls: limited(2) });
    const made = await makeGeneration(database.app, id, { usage: [quota] });
    const item = await claim(database.worker, id, made);
    await fail(database.worker, item);
    await fail(database.worker, item);
    const due = { accountId: id, generationId: made.id, itemId: made.item_ids[0] ?? "" };
    await endDueItem(database.worker, due);
    await refusalOf(cancelGeneration(database.app, id, made.id));
    expect(await readUsed(id)).toEqual({ calls: 0 });
  });

  it("that last until an item's end come back with every end, the others only without result", async () => {
    const { id } = await makeAccount(database.app);
    const usage = [{ ...open, until: "end" as const }, quota];
    const made = await makeGeneration(database.app, id, { usage, labels: ["a", "b"] });
    expect(await readUsed(id)).toEqual({ _open_items: 2, calls: 2 });
    const refused = makeGeneration(database.app, id, { usage: [{ ...open, upgrade: "pro" }] });
    expect(await refusalOf(refused)).toMatchObject({ quota: "_open_items", upgrade: "pro" });
    await complete(database.worker, await claim(database.worker, id, made));
    expect(await readUsed(id)).toEqual({ _open_items: 1, calls: 2 });
    await cancelGeneration(database.app, id, made.id);
    expect(await readUsed(id)).toEqual({ _open_items: 0, calls: 1 });
  });

  it("of amount 0 take nothing and count nothing", async () => {
    const { id } = await makeAccount(database.app);
    const usage = [{ feature: "_running", amount: 0, limit: 1 }];
    const made = await makeGeneration(database.app, id, {
      usage,
      labels: ["a", "b"],
      ...makeKey(),
    });
    await complete(database.worker, await claim(database.worker, id, made));
    await cancelGeneration(database.app, id, made.id);
    expect(await readUsed(id)).toEqual({});
  });

  it("stand in one list with what was reported, and so do those that came back", async () => {
    const { id } = await makeOn({ calls: limited(5) });
    const usage = [
      { ...open, until: "end" as const },
      { ...quota, limit: 5 },
    ];
    const made = await makeGeneration(database.app, id, { usage, labels: ["a", "b"] });
    await fail(database.worker, await claim(database.worker, id, made));
    const event = { amount: 2, eventId: eventId() };
    await track(id, event);
    const rows = await withAccount(
      database.app,
      id,
      (sql) => sql`
        SELECT amount, event_id, generation_id IS NOT NULL AS made, is_returned
        FROM ducat.usage_entries ORDER BY id`,
    );
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { amount: 1, event_id: null, made: true, is_returned: true },
      { amount: 1, event_id: null, made: true, is_returned: false },
      { amount: 2, event_id: event.eventId, made: false, is_returned: false },
    ]);
    const { id: other } = await makeAccount(database.app);
    const theirs = await withAccount(
      database.app,
      other,
      (sql) => sql`SELECT FROM ducat.usage_entries`,
    );
    expect(theirs).toHaveLength(0);
  });

  it("share their counter with what is tracked", async () => {
    const { id } = await makeOn({ calls: limited(2) });
    const { features } = await findEntitlements(database.app, id);
    const feature = features.calls;
    if (feature?.kind !== "limit" || feature.period_start === null) throw new Error("no limit");
    const usage = [{ ...quota, period_start: feature.period_start }];
    await makeGeneration(database.app, id, { usage });
    expect(await track(id)).toMatchObject({ used: 2 });
    expect(await refusalOf(makeGeneration(database.app, id, { usage }))).toMatchObject({
      current: 2,
    });
  });
});
