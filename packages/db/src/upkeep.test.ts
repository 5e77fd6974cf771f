import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  claimUpkeepTask,
  extendUpkeepTask,
  finishUpkeepTask,
  listUpkeepTasks,
  noteUpkeepRuns,
  registerUpkeepTasks,
  requestUpkeepRun,
  type UpkeepClaim,
} from "./upkeep.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };

async function register(more: { isParallel?: boolean; everySeconds?: number } = {}) {
  const name = `t-${randomUUID()}`;
  const task = { name, about: "A test.", everySeconds: 3_600, isParallel: false, ...more };
  await registerUpkeepTasks(database.worker, [task]);
  return name;
}
const makeDue = (name: string) => database.admin`
  UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp() WHERE name = ${name}`;
const lapse = (name: string) => database.admin`
  UPDATE ducat.upkeep_tasks SET lease_until = clock_timestamp() WHERE name = ${name}`;
const claim = (name: string) => claimUpkeepTask(database.worker, [name], 60);
const read = async (wanted: string) =>
  (await listUpkeepTasks(database.app)).find(({ name }) => name === wanted);

async function claimNow(name: string): Promise<UpkeepClaim> {
  await makeDue(name);
  const found = await claim(name);
  if (!found) throw new Error("nothing to claim");
  return found;
}

it("of many who ask at once one gets what is due, and nobody what is not", async () => {
  const name = await register({ everySeconds: 100_000 });
  await database.admin`
    UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp() + interval '1 minute'
    WHERE name = ${name}`;
  expect(await claim(name)).toBeUndefined();
  await makeDue(name);
  const sessions = await openSessions(database.url, "ducat_worker", 8);
  const claims = atOnce(sessions, 8, (db) => claimUpkeepTask(db, [name], 60));
  const found = await Promise.all(claims);
  expect(found.filter((one) => one !== undefined)).toHaveLength(1);
  expect(await read(name)).toMatchObject({ state: "running", about: "A test." });
});

it("who lost the lease writes nothing, and the run goes on with another's token", async () => {
  const name = await register();
  const first = await claimNow(name);
  const place = { leaseSeconds: 60, done: 5, cursor: { at: 1 } };
  expect(await extendUpkeepTask(database.worker, first, place)).toBe(true);
  await lapse(name);
  expect(await extendUpkeepTask(database.worker, first, { ...place, cursor: 2 })).toBe(false);
  const { started_at } = (await read(name)) ?? {};
  const second = await claim(name);
  expect((await read(name))?.started_at).toBe(started_at);
  expect(second?.cursor).toEqual({ at: 1 });
  const end = { outcome: "done", done: 1, everySeconds: 60 } as const;
  expect(await finishUpkeepTask(database.worker, first, end)).toBe(false);
  expect(await extendUpkeepTask(database.worker, first, place)).toBe(false);
  expect(await read(name)).toMatchObject({ state: "running", done: 5, runs: 0 });
  expect(await finishUpkeepTask(database.worker, second as UpkeepClaim, end)).toBe(true);
  expect(await read(name)).toMatchObject({ state: "idle", done: 6, done_total: 6, runs: 1 });
  expect(await finishUpkeepTask(database.worker, second as UpkeepClaim, end)).toBe(false);
});

it("a run that was asked for is due again when its worker dies", async () => {
  const name = await register({ everySeconds: 100_000 });
  await database.admin`
    UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp() + interval '1 day'
    WHERE name = ${name}`;
  await requestUpkeepRun(database.app, { name, audit });
  await requestUpkeepRun(database.app, { name, audit: { ...audit, actor: "other" } });
  expect(await claim(name)).toMatchObject({ name });
  expect(await claim(name)).toBeUndefined();
  await lapse(name);
  expect(await claim(name)).toMatchObject({ name });
  expect(await read(name)).toMatchObject({ requested_at: null, requested_by: "other" });
});

it("the next run comes after the end of this one, never sooner and an eighth later", async () => {
  const name = await register();
  const held = await claimNow(name);
  const end = { done: 0, everySeconds: 800 };
  await finishUpkeepTask(database.worker, held, { ...end, outcome: "done" });
  const wait = async () => {
    const task = await read(name);
    return Date.parse(task?.next_due_at ?? "") - Date.parse(task?.finished_at ?? "");
  };
  expect(await wait()).toBeGreaterThanOrEqual(800_000);
  expect(await wait()).toBeLessThanOrEqual(900_000);
  const failed = { ...end, outcome: "failed", error: "Error", keepsCursor: false } as const;
  await finishUpkeepTask(database.worker, await claimNow(name), failed);
  expect(await wait()).toBeGreaterThanOrEqual(300_000);
  expect(await wait()).toBeLessThanOrEqual(340_000);
});

it("a task that comes more often than it did is due as soon as that", async () => {
  const name = await register({ everySeconds: 1_000_000 });
  await database.admin`
    UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp() + interval '9 days'
    WHERE name = ${name}`;
  const often = { name, about: "", everySeconds: 60, isParallel: false };
  await registerUpkeepTasks(database.worker, [often]);
  const next = Date.parse((await read(name))?.next_due_at ?? "");
  expect(next - Date.now()).toBeLessThan(100_000);
});

it("a task that workers name no more is not late, and comes back when one does", async () => {
  const name = await register();
  await database.admin`
    UPDATE ducat.upkeep_tasks SET seen_at = clock_timestamp() - interval '4 hours',
      next_due_at = clock_timestamp() - interval '4 hours' WHERE name = ${name}`;
  const other = await register();
  expect(await read(name)).toBeUndefined();
  expect(await read(other)).toBeDefined();
  const task = { name, about: "A test.", everySeconds: 3_600, isParallel: false };
  await registerUpkeepTasks(database.worker, [task]);
  expect(await read(name)).toMatchObject({ state: "waiting" });
});

it("a task that no worker has named for a week is forgotten", async () => {
  const [old, known] = [await register(), await register()];
  await database.admin`
    UPDATE ducat.upkeep_tasks SET seen_at = clock_timestamp() - interval '8 days'
    WHERE name IN (${old}, ${known})`;
  await registerUpkeepTasks(database.worker, [
    { name: known, about: "", everySeconds: 60, isParallel: false },
  ]);
  expect([await read(old), (await read(known))?.name]).toEqual([undefined, known]);
});

it("notes of parallel tasks add up, and none is taken for another kind", async () => {
  const [parallel, single] = [await register({ isParallel: true }), await register()];
  const note = { name: parallel, runs: 3, failures: 1, done: 7, is_ok: true, error: null };
  await noteUpkeepRuns(database.worker, [note, { ...note, name: single }, { ...note, name: "no" }]);
  const bad = { ...note, runs: 2, failures: 2, is_ok: false, error: "TypeError" };
  await noteUpkeepRuns(database.worker, [bad]);
  expect(await read(parallel)).toMatchObject({
    ...{ runs: 5, failures: 3, failures_in_row: 2, done: 7, done_total: 14, error: "TypeError" },
    ...{ state: "idle", next_due_at: null, overdue_seconds: 0 },
  });
  expect(await read(single)).toMatchObject({ runs: 0, done_total: 0 });
  expect(await claim(parallel)).toBeUndefined();
  await requestUpkeepRun(database.app, { name: parallel, audit });
  expect(await claim(parallel)).toMatchObject({ name: parallel, token: null });
  expect(await claim(parallel)).toBeUndefined();
});

it("a list that is none, or too long, is refused, and so is a cursor over 8 KiB", async () => {
  const long = Array.from({ length: 201 }, (_, n) => ({
    ...{ name: `long-${n}`, about: "", everySeconds: 1, isParallel: false },
  }));
  const refused = registerUpkeepTasks(database.worker, long);
  await expect(refused).rejects.toMatchObject({ code: "validation_failed" });
  const held = await claimNow(await register());
  const cursor = "x".repeat(9_000);
  const saved = extendUpkeepTask(database.worker, held, { leaseSeconds: 60, done: 0, cursor });
  await expect(saved).rejects.toMatchObject({ code: "23514" });
});
