import { readBacklog } from "@ducat/db/items";
import type { Queue } from "@ducat/queue/queue";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { eventually, quick, type Stage, setStage } from "../test/stage.ts";
import type { Repeating } from "./repeat.ts";
import { startWatchdog } from "./watchdog.ts";

const log = { info: () => {}, warn: () => {}, error: () => {} };
const watch = { everyMs: 20, waitingMs: 200, idleMs: 200 };

describeQueues("the watchdog", (kind) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
  });
  afterEach(() => stage.closeWorkers());
  afterAll(() => stage.close());

  it("tells that a consumer has died in silence while work waits", async () => {
    const reasons: string[] = [];
    const deaf: Queue["work"] = (name, handler, options) => {
      const work = stage.queue.work(name, handler, options);
      void work.close({ graceMs: 0 });
      return work;
    };
    const worker = stage.createWorker({
      queue: { ...stage.queue, work: deaf },
      onStuck: (reason) => reasons.push(reason),
      timings: { ...quick, watch },
    });
    const item = await stage.makeItem();
    await stage.enqueue(item);
    await worker.start();
    await eventually(() => expect(reasons).toHaveLength(1));
    expect(reasons[0]).toMatch(/^work has waited for \d+ s while this worker was idle for \d+ s$/);
    await stage.closeWorkers();
    await stage.createWorker().start();
    await stage.ended(item);
  });

  it("is silent while the worker works, and while nothing waits", async () => {
    const reasons: string[] = [];
    const long = await stage.makeItem({ hold: true });
    const short = await stage.makeItem();
    const onStuck = (reason: string) => reasons.push(reason);
    const timings = { ...quick, watch };
    await stage.enqueue(long, short);
    await stage.createWorker({ concurrency: 1, onStuck, timings }).start();
    const before = stage.provider.polls(long.itemId);
    await eventually(() => expect(stage.provider.polls(long.itemId)).toBeGreaterThan(before + 25));
    stage.provider.release();
    await stage.ended(long, short);
    expect(reasons).toEqual([]);
  });
});

/** Counts rounds until it has seen enough of them. */
async function watchRounds(deps: {
  readWaitingMs: () => Promise<number>;
  isIdle?: () => boolean;
  progress?: () => number;
}): Promise<string[]> {
  const reasons: string[] = [];
  let rounds = 0;
  const running: Repeating = startWatchdog({
    log,
    isIdle: () => true,
    progress: () => 0,
    ...deps,
    readWaitingMs: () => {
      rounds += 1;
      return deps.readWaitingMs();
    },
    timings: { everyMs: 5, waitingMs: 100, idleMs: 30 },
    onStuck: (reason) => reasons.push(reason),
  });
  await eventually(() => expect(rounds).toBeGreaterThan(30));
  await running.stop();
  return reasons;
}

it("tells once that work waits while nothing runs", async () => {
  expect(await watchRounds({ readWaitingMs: async () => 500 })).toHaveLength(1);
});

it("is silent while jobs start and end, however long the line", async () => {
  let progress = 0;
  // Every round but one in three sees something new.
  const moving = () => Math.floor(++progress / 3);
  expect(await watchRounds({ readWaitingMs: async () => 500, progress: moving })).toEqual([]);
});

it("proves nothing by an unreachable database", async () => {
  const stage = await setStage("postgres");
  await stage.db.worker.end();
  const readWaitingMs = async () => (await readBacklog(stage.db.worker)).oldestSeconds * 1_000;
  expect(await watchRounds({ readWaitingMs })).toEqual([]);
  await stage.close();
});
