import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  describeBackends,
  findServer,
  makeJobs,
  type Place,
  type Server,
} from "../test/backends.ts";
import { eventually, makeGate, within } from "../test/within.ts";
import { connectQueue, type Queue } from "./queue.ts";
import type { Handler, Work, WorkOptions } from "./work.ts";

const empty = { waiting: 0, active: 0, delayed: 0, failed: 0 };

describeBackends("a queue", (kind) => {
  let server: Server;
  let place: Place;
  let queue: Queue;
  const working: Work[] = [];

  beforeAll(() => {
    server = findServer(kind);
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    place = await server.openPlace();
    queue = place.connect();
  });
  afterEach(async () => {
    await Promise.all(working.splice(0).map((work) => work.close({ graceMs: 0 })));
    await place.close();
  });

  const work = (handler: Handler<"run-item">, options: Partial<WorkOptions> = {}) => {
    const started = queue.work("run-item", handler, { concurrency: 4, ...options });
    working.push(started);
    return started;
  };
  const isEmpty = () =>
    eventually(async () => expect(await queue.counts("run-item")).toEqual(empty));

  it("tells its kind and is ready", async () => {
    expect(queue.kind).toBe(kind);
    await queue.assertReady();
  });

  it("runs each of 1,200 jobs once, with the payload it was given", async () => {
    const seen: unknown[] = [];
    work(async (data) => void seen.push(data), { concurrency: 16 });
    const list = makeJobs(1_200);
    await queue.add("run-item", list);
    await isEmpty();
    const byItem = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    expect(seen.sort(byItem)).toEqual(list.map(({ data }) => data).sort(byItem));
  });

  it("ignores an id while its job waits or runs, and takes it again afterwards", async () => {
    const gate = makeGate();
    let runs = 0;
    const list = makeJobs(1);
    await queue.add("run-item", [...list, ...list]);
    await queue.add("run-item", list);
    expect(await queue.counts("run-item")).toEqual({ ...empty, waiting: 1 });

    work(async () => {
      runs += 1;
      await gate.opened;
    });
    await eventually(() => expect(runs).toBe(1));
    await queue.add("run-item", list);
    expect(await queue.counts("run-item")).toEqual({ ...empty, active: 1 });
    gate.open();
    await isEmpty();
    expect(runs).toBe(1);

    await queue.add("run-item", list);
    await isEmpty();
    expect(runs).toBe(2);
  });

  it("runs a delayed job when it is due, not before", async () => {
    const startedAt: number[] = [];
    work(async () => void startedAt.push(Date.now()));
    const due = Date.now() + 400;
    await queue.add("run-item", makeJobs(1, 400));
    expect(await queue.counts("run-item")).toEqual({ ...empty, delayed: 1 });
    await eventually(() => expect(startedAt).toHaveLength(1));
    expect(startedAt[0]).toBeGreaterThanOrEqual(due);
  });

  it.each([
    new Error("the provider said no"),
    new Error("bullmq:rateLimitExceeded"),
    Object.assign(new Error("later"), { name: "DelayedError" }),
    Object.assign(new Error("again"), { name: "WaitingError" }),
    "not even an error",
  ])("ends a job whose handler throws %s, and nothing runs it again", async (thrown) => {
    let runs = 0;
    work(async () => {
      runs += 1;
      throw thrown;
    });
    await queue.add("run-item", makeJobs(1));
    await isEmpty();
    expect(runs).toBe(1);
    expect(place.logged.map(({ message }) => message)).toContain("a job's handler failed");
  });

  it("drops a job with a bad payload and says which part is bad, not what it was", async () => {
    const seen: string[] = [];
    const [good] = makeJobs(1);
    await queue.assertReady();
    await queue.bull("run-item").add("run-item", { ...good!.data, itemId: "secret" });
    await queue.add("run-item", [good!]);
    work(async ({ itemId }) => void seen.push(itemId));
    await isEmpty();
    expect(seen).toEqual([good!.data.itemId]);
    expect(JSON.stringify(place.logged)).toContain("itemId");
    expect(JSON.stringify(place.logged)).not.toContain("secret");
  });

  it("adds nothing when one of the jobs cannot be added", async () => {
    const [good, bad] = makeJobs(2);
    const lists = [
      { ...bad!, id: "1:2" },
      { ...bad!, id: "12" },
      { ...bad!, id: "" },
      { ...bad!, delayMs: -1 },
      { ...bad!, delayMs: Number.NaN },
      { ...bad!, delayMs: 1e12 },
      { ...bad!, data: { ...bad!.data, attempt: -1 } },
      { ...bad!, data: { ...bad!.data, accountId: "nobody" } },
    ];
    for (const list of lists) await expect(queue.add("run-item", [good!, list])).rejects.toThrow();
    await expect(queue.add("run-item", Array(10_001).fill(good))).rejects.toThrow("At most");
    expect(await queue.counts("run-item")).toEqual(empty);
  });

  it("never runs more jobs at once than it may", async () => {
    let now = 0;
    let most = 0;
    work(
      async () => {
        now += 1;
        most = Math.max(most, now);
        await sleep(5);
        now -= 1;
      },
      { concurrency: 3 },
    );
    await queue.add("run-item", makeJobs(60));
    await isEmpty();
    expect(most).toBe(3);
  });

  it("tells how long the first job in line has waited", async () => {
    expect(await queue.oldestWaitingMs("run-item")).toBeUndefined();
    const before = Date.now();
    await queue.add("run-item", makeJobs(1));
    await eventually(async () =>
      expect(await queue.oldestWaitingMs("run-item")).toBeGreaterThan(50),
    );
    await queue.add("run-item", makeJobs(1));
    await queue.add("run-item", makeJobs(1, 60_000));
    const waited = await queue.oldestWaitingMs("run-item");
    expect(waited).toBeGreaterThan(50);
    expect(waited).toBeLessThanOrEqual(Date.now() - before);
  });

  it("tells whether it works and when it last got on", async () => {
    const gate = makeGate();
    const worker = work(() => gate.opened);
    expect(worker.isIdle()).toBe(true);
    const first = worker.lastProgressAt;
    await eventually(() => expect(Date.now()).toBeGreaterThan(first));
    await queue.add("run-item", makeJobs(1));
    await eventually(() => expect(worker.isIdle()).toBe(false));
    const second = worker.lastProgressAt;
    expect(second).toBeGreaterThan(first);
    await eventually(() => expect(Date.now()).toBeGreaterThan(second));
    gate.open();
    await eventually(() => expect(worker.isIdle()).toBe(true));
    expect(worker.lastProgressAt).toBeGreaterThan(second);
  });

  describe("when it closes", () => {
    it("waits for the running job and leaves the others in line", async () => {
      const gate = makeGate();
      const ended: string[] = [];
      const worker = work(
        async ({ itemId }) => {
          await gate.opened;
          ended.push(itemId);
        },
        { concurrency: 1 },
      );
      const list = makeJobs(3);
      await queue.add("run-item", list);
      await eventually(() => expect(worker.isIdle()).toBe(false));
      const closed = worker.close({ graceMs: 60_000 });
      gate.open();
      await within(5_000, closed);
      expect(ended).toHaveLength(1);
      expect(await queue.counts("run-item")).toEqual({ ...empty, waiting: 2 });

      work(async ({ itemId }) => void ended.push(itemId));
      await isEmpty();
      expect(ended.sort()).toEqual(list.map(({ data }) => data.itemId).sort());
    });

    it("aborts the job's signal when the grace is over", async () => {
      const reasons: unknown[] = [];
      const worker = work(async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        reasons.push(signal.reason);
      });
      await queue.add("run-item", makeJobs(1));
      await eventually(() => expect(worker.isIdle()).toBe(false));
      await within(5_000, worker.close({ graceMs: 50 }));
      expect(reasons).toMatchObject([{ name: "Interrupted", why: "closing" }]);
      expect(await queue.counts("run-item")).toEqual(empty);
    });

    it("ends also when a handler ignores its signal, and gives the job's id free", async () => {
      const gate = makeGate();
      const worker = work(() => gate.opened);
      const list = makeJobs(1);
      await queue.add("run-item", list);
      await eventually(() => expect(worker.isIdle()).toBe(false));
      const closed = worker.close({ graceMs: 10 });
      expect(worker.close({ graceMs: 60_000 })).toBe(closed);
      await within(5_000, closed);
      expect(await queue.counts("run-item")).toEqual(empty);
      await queue.add("run-item", list);
      expect(await queue.counts("run-item")).toEqual({ ...empty, waiting: 1 });
      gate.open();
    });
  });

  it("aborts the signal of a job whose lock is gone, and runs the next ones", async () => {
    const reasons: unknown[] = [];
    const worker = work(
      async (_, { signal }) => {
        if (reasons.length > 0) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        reasons.push(signal.reason);
      },
      { lockMs: 500 },
    );
    await queue.add("run-item", makeJobs(1));
    await eventually(() => expect(worker.isIdle()).toBe(false));
    await place.wipe();
    await eventually(() => expect(reasons).toMatchObject([{ why: "lock_lost" }]));
    await queue.add("run-item", makeJobs(5));
    await isEmpty();
  });
});

describe("the queue's URL", () => {
  it.each(["", "localhost:6379", "http://x", "mysql://u:secret@x/y"])("refuses %j", (url) => {
    expect(() => connectQueue({ url })).toThrow("must start with redis://");
    expect(() => connectQueue({ url })).not.toThrow("secret");
  });
});
