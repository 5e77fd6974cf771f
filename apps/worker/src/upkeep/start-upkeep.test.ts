import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { claimUpkeepTask, listUpkeepTasks, requestUpkeepRun } from "@ducat/db/upkeep";
import { afterEach, expect, it, vi } from "vitest";
import { openSessions } from "../../../../packages/db/test/parallel.ts";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { eventually, makeGate } from "../../test/stage.ts";
import type { Repeating } from "../repeat.ts";
import { noMeter } from "./meter.ts";
import { startUpkeep, type UpkeepTimings } from "./start-upkeep.ts";
import type { Batch, Task, TaskContext } from "./task.ts";

const database = useDatabase();
const log = { info() {}, warn() {}, error() {} };
const audit = { actor: "test", request_id: "test", ip: null };
const hour = 3_600_000;

const timings: UpkeepTimings = {
  ...{ pollMs: 20, leaseMs: 1_000, sliceMs: 1_000, noteMs: 30, registerMs: hour },
};

const workers: Repeating[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
});

type Run = (context: TaskContext) => Promise<Batch>;
const nothing = { done: 0, more: false };
const makeTask = (run: Run, more: Partial<Task> = {}): Task => ({
  ...{ name: `t-${randomUUID()}`, everyMs: hour, run },
  ...more,
});

function start(tasks: Task[], more: { db?: typeof database.worker; timings?: object } = {}) {
  const db = more.db ?? database.worker;
  const worker = startUpkeep(
    { db, log, meter: noMeter, timings: { ...timings, ...more.timings } },
    tasks,
  );
  workers.push(worker);
  return worker;
}

/** New tasks are due within a minute; this one is due now. */
async function makeDue({ name }: Task) {
  await eventually(async () => {
    const { count } = await database.admin`
      UPDATE ducat.upkeep_tasks SET next_due_at = clock_timestamp() WHERE name = ${name}`;
    expect(count).toBe(1);
  });
}

async function read({ name }: Task) {
  const found = (await listUpkeepTasks(database.worker)).find((task) => task.name === name);
  if (!found) throw new Error("no such task");
  return found;
}

const ran = (task: Task, times = 1) =>
  eventually(async () => expect((await read(task)).runs).toBe(times));

it("of three workers one does what is due, and the next one when it is due again", async () => {
  const by: number[] = [];
  const name = `t-${randomUUID()}`;
  const sessions = await openSessions(database.url, "ducat_worker", 3);
  const task = makeTask(async () => nothing, { name });
  sessions.forEach((db, worker) => {
    const run = async () => {
      by.push(worker);
      await sleep(5);
      return { done: 2, more: false };
    };
    start([{ ...task, run }], { db });
  });
  for (const times of [1, 2, 3]) {
    await makeDue(task);
    await ran(task, times);
  }
  expect(by).toHaveLength(3);
  expect(await read(task)).toMatchObject({ done: 2, done_total: 6, failures: 0, state: "idle" });
});

it("goes on batch by batch from what was saved, until there is no more", async () => {
  const cursors: unknown[] = [];
  const task = makeTask(async ({ cursor, saveCursor }) => {
    cursors.push(cursor);
    const page = (cursor as { page: number } | null)?.page ?? 0;
    await saveCursor({ page: page + 1 });
    return { done: 10, more: page < 2 };
  });
  start([task]);
  await makeDue(task);
  await ran(task);
  expect(cursors).toEqual([null, { page: 1 }, { page: 2 }]);
  await makeDue(task);
  await ran(task, 2);
  expect(cursors[3]).toBeNull();
  expect(await read(task)).toMatchObject({ done: 30, done_total: 60 });
});

it("a long run lets the others have their turn, and goes on behind them", async () => {
  const order: string[] = [];
  const long = makeTask(async ({ cursor, saveCursor }) => {
    const page = (cursor as number | null) ?? 0;
    order.push(`long ${page}`);
    if (page === 0) await makeDue(short);
    await saveCursor(page + 1);
    return { done: 1, more: page < 3 };
  });
  const short: Task = makeTask(async () => {
    order.push("short");
    return nothing;
  });
  const idle = [1, 2].map(() => makeTask(() => gate.opened.then(() => nothing)));
  const gate = makeGate();
  start([...idle, long, short], { timings: { sliceMs: 0, pollMs: 10, leaseMs: 30_000 } });
  // Two of the three places are taken by others.
  for (const task of idle) await makeDue(task);
  await eventually(async () => expect((await read(idle[1] as Task)).state).toBe("running"));
  await eventually(async () => expect((await read(idle[0] as Task)).state).toBe("running"));
  await makeDue(long);
  await ran(long);
  gate.open();
  expect(order.slice(0, 2)).toEqual(["long 0", "short"]);
  expect(order.filter((line) => line !== "short")).toEqual([
    "long 0",
    "long 1",
    "long 2",
    "long 3",
  ]);
  expect(await read(long)).toMatchObject({ runs: 1, done: 4 });
});

it("one that throws keeps no other from its turn, and is tried again before its time", async () => {
  let fails = true;
  const bad = makeTask(async () => {
    if (fails) throw Object.assign(new Error("of somebody's secret"), { code: "23505" });
    return nothing;
  });
  const good = makeTask(async () => nothing);
  start([bad, good]);
  await makeDue(bad);
  await makeDue(good);
  await Promise.all([ran(bad), ran(good)]);
  const failed = await read(bad);
  expect(failed).toMatchObject({ failures: 1, failures_in_row: 1, error: "Error 23505" });
  expect(failed.ok_at).toBeNull();
  expect(Date.parse(failed.next_due_at ?? "") - Date.now()).toBeLessThan(400_000);
  fails = false;
  await makeDue(bad);
  await ran(bad, 2);
  expect(await read(bad)).toMatchObject({ failures: 1, failures_in_row: 0, error: null });
});

it("a run that fails where it was taken up begins anew, a later failure goes on there", async () => {
  const cursors: unknown[] = [];
  const task = makeTask(async ({ cursor, saveCursor }) => {
    cursors.push(cursor);
    if (cursor === "poison") throw new Error("no");
    await saveCursor(cursor === null ? "one" : "poison");
    return { done: 1, more: true };
  });
  start([task]);
  for (const times of [1, 2, 3]) {
    await makeDue(task);
    await ran(task, times);
  }
  const once = [null, "one", "poison"];
  expect(cursors).toEqual([...once, "poison", ...once]);
});

it("is done at once when it is asked for, and can't be asked for while it is done", async () => {
  const gate = makeGate();
  const task = makeTask(() => gate.opened.then(() => nothing));
  start([task], { timings: { leaseMs: 30_000 } });
  await eventually(() => read(task));
  const asked = await requestUpkeepRun(database.app, { name: task.name, audit });
  expect(asked).toMatchObject({ state: "waiting", requested_by: "test" });
  await eventually(async () => expect((await read(task)).state).toBe("running"));
  const refused = requestUpkeepRun(database.app, { name: task.name, audit });
  await expect(refused).rejects.toMatchObject({ code: "invalid_state" });
  gate.open();
  await ran(task);
  const lines = await database.admin`
    SELECT actor, action FROM ducat.audit_logs WHERE resource_id = ${task.name}`;
  expect(lines).toEqual([{ actor: "test", action: "task.run" }]);
  const nobodys = requestUpkeepRun(database.app, { name: "nobodys", audit });
  await expect(nobodys).rejects.toMatchObject({ code: "not_found" });
});

it("what hangs loses its run to another worker, and writes nothing when it wakes", async () => {
  const [gate, woke] = [makeGate(), makeGate()];
  const hung = makeTask(async ({ saveCursor, signal }) => {
    await gate.opened;
    expect(signal.aborted).toBe(true);
    await expect(saveCursor("late")).rejects.toThrow("lease");
    woke.open();
    return { done: 1_000, more: false };
  });
  const brief = { timings: { leaseMs: 300 } };
  start([hung], brief);
  await makeDue(hung);
  await eventually(async () => expect((await read(hung)).state).toBe("running"));
  let cursor: unknown = "none";
  const [db] = await openSessions(database.url, "ducat_worker", 1);
  const run: Run = async (context) => {
    cursor = context.cursor;
    return { done: 1, more: false };
  };
  start([{ ...hung, run }], { ...brief, ...(db && { db }) });
  await ran(hung);
  gate.open();
  await woke.opened;
  expect(cursor).toBeNull();
  expect(await read(hung)).toMatchObject({ runs: 1, done: 1, done_total: 1 });
});

it("a worker whose clock is a day ahead does nothing before its time", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 24 * hour });
  try {
    const [early, due] = [makeTask(async () => nothing), makeTask(async () => nothing)];
    start([early, due]);
    await makeDue(early);
    await ran(early);
    await makeDue(due);
    await ran(due);
    expect((await read(early)).runs).toBe(1);
    const next = Date.parse((await read(early)).next_due_at ?? "");
    expect(next).toBeLessThan(Date.now() - 20 * hour);
  } finally {
    vi.useRealTimers();
  }
});

it("a worker that closes lets go after its batch, and the next one goes on there", async () => {
  const began = makeGate();
  const task = makeTask(async ({ signal, saveCursor }) => {
    began.open();
    while (!signal.aborted) await sleep(1);
    await saveCursor("here");
    return { done: 3, more: true };
  });
  const first = start([task], { timings: { leaseMs: 60_000 } });
  await makeDue(task);
  await began.opened;
  await first.stop();
  expect(await read(task)).toMatchObject({ state: "waiting", runs: 0, done: 3 });
  const claim = await claimUpkeepTask(database.worker, [task.name], 60);
  expect(claim).toMatchObject({ name: task.name, cursor: "here" });
});

it("parallel tasks run in every worker, tell what they did, and at once when asked", async () => {
  let [first, second] = [0, 0];
  const name = `t-${randomUUID()}`;
  const parallel = { name, isParallel: true };
  const count = makeTask(async () => {
    first += 1;
    return { done: 1, more: first % 2 === 1 };
  }, parallel);
  const bad = makeTask(async () => {
    second += 1;
    throw new TypeError("no");
  }, parallel);
  const one = start([count]);
  await eventually(async () => expect(await read(count)).toMatchObject({ runs: 1, done: 2 }));
  await requestUpkeepRun(database.app, { name, audit });
  await eventually(async () => expect(await read(count)).toMatchObject({ runs: 2, error: null }));
  expect(first).toBe(4);
  await one.stop();
  start([bad]);
  await eventually(async () => expect(await read(count)).toMatchObject({ runs: 3, failures: 1 }));
  expect(second).toBe(1);
  expect(await read(count)).toMatchObject({ error: "TypeError", next_due_at: null, state: "idle" });
});
