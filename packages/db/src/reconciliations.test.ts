import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  type Difference,
  extendReconciliation,
  finishReconciliation,
  listReconciliations,
  requestReconciliation,
  startReconciliation,
} from "./reconciliations.ts";

const database = useDatabase();

const audit = { actor: "root", request_id: "r", ip: null };
const hour = 3_600_000;
const day = 24 * hour;
/** A provider's name of the test's own, so that no two tests share a run. */
const place = () => ({ provider: `p-${randomUUID()}`, mode: "test" });
type Place = ReturnType<typeof place>;

const start = (at: Place, more: { everySeconds?: number; since?: Date } = {}) =>
  startReconciliation(database.worker, { ...at, everySeconds: 900, leaseSeconds: 60, ...more });
const begin = async (at: Place, since?: Date) => {
  const run = await start(at, { everySeconds: 0, ...(since && { since }) });
  if (!run) throw new Error("no run began");
  return run;
};
const finish = (
  id: string,
  status: "clean" | "differs" | "failed",
  differences: Difference[] = [],
) => finishReconciliation(database.worker, id, { status, facts: 7, differences, error: null });
const request = (at: Place, since?: Date) =>
  requestReconciliation(database.app, { ...at, since, audit });
/** Lets a run have begun that long ago. */
const age = (id: string, ms: number) => database.admin`
  UPDATE ducat.reconciliations SET started_at = started_at - make_interval(secs => ${ms / 1000}),
    since = since - make_interval(secs => ${ms / 1000}), finished_at = finished_at
      - make_interval(secs => ${ms / 1000})
  WHERE id = ${id}`;
const agoOf = (date: Date) => Date.now() - date.getTime();
const near = (ms: number, expected: number) => expect(Math.abs(ms - expected)).toBeLessThan(60_000);

describe("the date from which a run looks", () => {
  it("is 30 days back at first, then an hour before the last good run began", async () => {
    const at = place();
    const first = await begin(at);
    near(agoOf(first.since), 30 * day);
    await finish(first.id, "differs");
    await age(first.id, 2 * hour);
    const second = await begin(at);
    near(agoOf(second.since), 3 * hour);
    await finish(second.id, "failed");
    near(agoOf((await begin(at)).since), 3 * hour);
  });

  it("is 30 days back again once a day, and further after a longer silence", async () => {
    const at = place();
    const first = await begin(at);
    await finish(first.id, "clean");
    await age(first.id, day + hour);
    const daily = await begin(at);
    near(agoOf(daily.since), 30 * day);
    await finish(daily.id, "failed");
    await age(first.id, 40 * day);
    near(agoOf((await begin(at)).since), 41 * day + 2 * hour);
  });

  it("is not moved on by a run that somebody asked to look at less", async () => {
    const at = place();
    const first = await begin(at);
    await finish(first.id, "clean");
    await age(first.id, 5 * hour);
    const short = await begin(at, new Date(Date.now() - hour));
    await finish(short.id, "clean");
    near(agoOf((await begin(at)).since), 6 * hour);
  });

  it("can't be in the future", async () => {
    const since = new Date(Date.now() + hour);
    await expect(begin(place(), since)).rejects.toMatchObject({ code: "validation_failed" });
    await expect(request(place(), since)).rejects.toMatchObject({ code: "validation_failed" });
  });
});

describe("a run", () => {
  it("is one at a time for each provider and mode, of fifty that start at once", async () => {
    const at = place();
    const sessions = await openSessions(database.url, "ducat_worker", 10);
    const started = await Promise.all(
      atOnce(sessions, 50, (db) =>
        startReconciliation(db, { ...at, everySeconds: 0, leaseSeconds: 60 }),
      ),
    );
    const runs = started.filter((run) => run !== undefined);
    expect(runs).toHaveLength(1);
    expect(await start({ ...at, mode: "live" })).toBeDefined();
    await finish(runs[0]?.id ?? "", "clean");
    expect(await start(at, { everySeconds: 0 })).toBeDefined();
  });

  it("is not due before its time, and a minute after a failure", async () => {
    const at = place();
    const first = await begin(at);
    await finish(first.id, "clean");
    await age(first.id, 14 * 60_000);
    expect(await start(at)).toBeUndefined();
    await age(first.id, 2 * 60_000);
    const second = await start(at);
    await finish(second?.id ?? "", "failed");
    expect(await start(at)).toBeUndefined();
    await age(second?.id ?? "", 61_000);
    expect(await start(at)).toBeDefined();
  });

  it("of a process that is gone is failed, and the next looks at the same time again", async () => {
    const at = place();
    const lost = await begin(at);
    expect(
      await extendReconciliation(database.worker, lost.id, { facts: 3, leaseSeconds: 60 }),
    ).toBe(true);
    expect(await start(at, { everySeconds: 0 })).toBeUndefined();
    await database.admin`
      UPDATE ducat.reconciliations SET lease_until = clock_timestamp() WHERE id = ${lost.id}`;
    const next = await start(at, { everySeconds: 0 });
    near(agoOf(next?.since ?? new Date(0)), 30 * day);
    const [, before] = await listReconciliations(database.worker, { ...at, limit: 9 });
    expect(before).toMatchObject({ id: lost.id, status: "failed", error: "interrupted", facts: 3 });
    expect(
      await extendReconciliation(database.worker, lost.id, { facts: 4, leaseSeconds: 60 }),
    ).toBe(false);
    expect(await finish(lost.id, "clean")).toBeUndefined();
  });

  it("ends with what it found, and a repeat of its end changes nothing", async () => {
    const at = place();
    const { id } = await begin(at);
    const found: Difference = {
      kind: "missing_payment",
      provider: at.provider,
      about: "pi_1",
      repaired: true,
      detail: "It was paid.",
    };
    const ended = await finish(id, "differs", [found]);
    expect(ended).toMatchObject({ status: "differs", facts: 7, differences: [found] });
    expect(await finish(id, "differs", [])).toEqual(ended);
  });

  it("goes when it is old, except the newest good one", async () => {
    const at = place();
    const clean = await begin(at);
    await finish(clean.id, "clean");
    await age(clean.id, 8 * day);
    const differs = await begin(at);
    await finish(differs.id, "failed");
    await age(differs.id, 89 * day);
    const list = async () =>
      (await listReconciliations(database.worker, { ...at, limit: 9 })).map((run) => run.id);
    expect(await list()).toEqual([differs.id, clean.id]);
    const last = await begin(at);
    await finish(last.id, "clean");
    expect(await list()).toEqual([last.id, differs.id]);
  });
});

describe("a run that was asked for", () => {
  it("waits once, with the earliest date, and is taken before the schedule", async () => {
    const at = place();
    const first = await begin(at);
    await finish(first.id, "clean");
    const near = new Date(Date.now() - hour);
    const asked = await request(at, near);
    expect(asked).toMatchObject({ status: "waiting", since: near, started_at: null });
    const far = new Date(Date.now() - 60 * day);
    expect(await request(at, far)).toMatchObject({ id: asked.id, since: far });
    expect(await request(at)).toMatchObject({ id: asked.id, since: far });
    expect(await start(at)).toMatchObject({ id: asked.id, status: "running", since: far });
    const audits = await database.admin`
      SELECT actor, action FROM ducat.audit_logs WHERE resource_id = ${asked.id}`;
    expect(audits).toHaveLength(3);
    expect(audits[0]).toEqual({ actor: "root", action: "reconciliation.request" });
  });

  it("waits behind the one that runs, and its date alone decides when none is named", async () => {
    const at = place();
    const first = await begin(at);
    const asked = await request(at);
    expect(await start(at)).toBeUndefined();
    await finish(first.id, "clean");
    expect(await start(at)).toMatchObject({ id: asked.id });
  });

  it("waits once, of fifty that ask at once", async () => {
    const at = place();
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const asked = await Promise.all(
      atOnce(sessions, 50, (db) => requestReconciliation(db, { ...at, audit })),
    );
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1);
  });
});
