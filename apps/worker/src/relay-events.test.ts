import { afterEach, expect, it } from "vitest";
import { makeAccount } from "../../../packages/db/test/factories.ts";
import { emit, relayAll } from "../../../packages/db/test/relay.ts";
import { useDatabase } from "../../../packages/db/test/use-database.ts";
import { eventually, setStage } from "../test/stage.ts";
import { createMetrics } from "./metrics.ts";
import { type Relay, type RelayDeps, startRelay } from "./relay-events.ts";

const database = useDatabase();
const log = { info() {}, warn() {}, error() {} };
/** So patient that only a wake-up explains what happens. */
const never = 60_000;

const relays: Relay[] = [];
afterEach(() => Promise.all(relays.splice(0).map((relay) => relay.stop())));

function start(more: Partial<RelayDeps> = {}) {
  const heard: string[] = [];
  const relay = startRelay({
    ...{ db: database.worker, log, meter: { relayed() {} } },
    relayed: (ids) => heard.push(...ids),
    timings: { pollMs: never, gatherMs: 1, busyMs: 1 },
    ...more,
  });
  relays.push(relay);
  return { relay, heard };
}

async function makeTold(): Promise<string> {
  const { id } = await makeAccount(database.app);
  await relayAll(database.worker);
  return id;
}

it("passes on what is there when it starts, and what it is woken for", async () => {
  const id = await makeTold();
  await emit(database.admin, id, 1);
  const { relay, heard } = start();
  await eventually(() => expect(heard).toEqual([id]));
  await emit(database.admin, id, 2);
  relay.wake();
  await eventually(() => expect(heard).toEqual([id, id]));
});

it("finds what nobody has woken it for", async () => {
  const id = await makeTold();
  const { heard } = start({ timings: { pollMs: 5, gatherMs: 1, busyMs: 1 } });
  await emit(database.admin, id, 1);
  await eventually(() => expect(heard).toEqual([id]));
});

it("hears a wake-up that comes while it is at work", async () => {
  const id = await makeTold();
  const heard: string[] = [];
  const { relay } = start({
    relayed(ids) {
      heard.push(...ids);
      if (heard.length === 1) void emit(database.admin, id, 2).then(() => relay.wake());
    },
  });
  await emit(database.admin, id, 1);
  relay.wake();
  await eventually(() => expect(heard).toEqual([id, id]));
});

it("takes more than one batch without waiting in between", async () => {
  const id = await makeTold();
  await database.admin`
    INSERT INTO ducat.outbox (account_id, type, data)
    SELECT ${id}, 'webhook.test', '{}' FROM generate_series(1, 1200)`;
  let count = 0;
  const meter = { relayed: (n: number) => (count += n) } as unknown as RelayDeps["meter"];
  start({ meter, timings: { pollMs: never, gatherMs: never, busyMs: never } });
  await eventually(() => expect(count).toBe(1_200));
});

it("looks again after another process was at it", async () => {
  const id = await makeTold();
  await emit(database.admin, id, 1);
  let woken: { heard: string[] } | undefined;
  await database.admin.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtextextended('ducat.relay_events', 0))`;
    woken = start();
    woken.heard.push("started");
  });
  await eventually(() => expect(woken?.heard).toEqual(["started", id]));
});

it("several at once pass on each event once", async () => {
  const ids = await Promise.all(Array.from({ length: 3 }, makeTold));
  const all = Array.from({ length: 4 }, () => start());
  for (let n = 0; n < 25; n++) {
    await Promise.all(ids.map((id) => emit(database.admin, id, n)));
    all[n % 4]?.relay.wake();
  }
  const read = () => database.admin`
    SELECT account_id, count(*)::int AS events, max(seq)::int AS last,
      count(DISTINCT seq)::int AS of
    FROM ducat.outbox WHERE account_id = ANY (${ids}::uuid[]) AND seq > 0 GROUP BY 1`;
  const whole = ids.map((account_id) => ({ account_id, events: 26, last: 26, of: 26 }));
  await eventually(async () => expect(await read()).toEqual(expect.arrayContaining(whole)));
});

it("passes on what came just before it was stopped", async () => {
  const id = await makeTold();
  const { relay, heard } = start();
  await emit(database.admin, id, 1);
  await relay.stop();
  expect(heard).toEqual([id]);
});

it("goes on when the database was away, and says so once", async () => {
  const id = await makeTold();
  let isAway = true;
  const warnings: unknown[] = [];
  const db = new Proxy(database.worker, {
    apply: (target, self, args) =>
      isAway ? Promise.reject(new Error("away")) : Reflect.apply(target, self, args),
  });
  const timings = { pollMs: 2, gatherMs: 1, busyMs: 1 };
  let rounds = 0;
  const quiet = { ...log, warn: (...words: unknown[]) => void warnings.push(words) };
  const meter = { relayed: () => void rounds++ };
  const { heard } = start({ db, timings, log: quiet, meter });
  await eventually(() => expect(warnings).toHaveLength(1));
  await emit(database.admin, id, 1);
  isAway = false;
  await eventually(() => expect(heard).toEqual([id]));
  expect(rounds).toBeGreaterThan(0);
  expect(warnings).toHaveLength(1);
});

it("tells what waits, and what this worker has passed on", async () => {
  const id = await makeTold();
  const metrics = createMetrics({ db: database.worker, log });
  await emit(database.admin, id, 1);
  await emit(database.admin, id, 2);
  expect((await metrics.read()).text).toMatch(/^ducat_events_waiting 2$/m);
  start({ meter: metrics.meter });
  await eventually(async () => {
    const { text } = await metrics.read();
    expect(text).toMatch(/^ducat_events_waiting 0$/m);
    expect(text).toMatch(/^ducat_events_waiting_seconds 0$/m);
    expect(text).toMatch(/^ducat_events_relayed_total 2$/m);
  });
});

it("a worker tells how an item ended without waiting for the next look", async () => {
  const stage = await setStage("postgres");
  try {
    const relay = { pollMs: never, gatherMs: 1, busyMs: 1 };
    const worker = stage.createWorker({ timings: { relay } });
    await worker.start();
    const item = await stage.makeItem();
    await stage.enqueue(item);
    await stage.ended(item);
    const read = () => stage.db.admin<{ type: string; seq: number | null }[]>`
      SELECT type, seq FROM ducat.outbox WHERE account_id = ${item.accountId} ORDER BY id`;
    await eventually(async () => {
      const events = await read();
      expect(events.map(({ type }) => type)).toContain("item.completed");
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
    });
    await worker.close({ graceMs: 1_000 });
  } finally {
    await stage.close();
  }
});
