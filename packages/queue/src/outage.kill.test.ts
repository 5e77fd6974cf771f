import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import {
  describeBackends,
  makeJobs,
  type Place,
  type Server,
  startServer,
} from "../test/backends.ts";
import { eventually, makeGate, within } from "../test/within.ts";
import type { NewJob, Queue } from "./queue.ts";
import type { Work } from "./work.ts";

/** What "fails fast" means here; the queue's own limit is 2 s. */
const FAST_MS = 3_000;

describeBackends("an outage", (kind) => {
  let server: Server;
  let place: Place;
  let queue: Queue;
  const working: Work[] = [];

  beforeAll(async () => {
    server = await startServer(kind);
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

  /** A worker, and a check that it runs jobs which are added now. */
  const startWorker = (of = queue) => {
    const seen = new Set<string>();
    const worker = of.work("run-item", async ({ itemId }) => void seen.add(itemId), {
      concurrency: 2,
    });
    working.push(worker);
    const addAndSee = async (list = makeJobs(3)) => {
      await eventually(() => of.add("run-item", list));
      await eventually(() => {
        for (const { data } of list) expect(seen).toContain(data.itemId);
      });
    };
    return { worker, addAndSee };
  };

  it("makes add fail fast, and the same queue adds again when it is over", async () => {
    await queue.assertReady();
    await server.stop();
    try {
      await expect(within(FAST_MS, queue.add("run-item", makeJobs(1)))).rejects.toThrow();
      await expect(within(FAST_MS, queue.assertReady())).rejects.toThrow("is not reachable");
      await expect(within(FAST_MS, queue.counts("run-item"))).rejects.toThrow();
    } finally {
      await server.start();
    }
    await eventually(() => queue.assertReady());
    // What could not be added does not turn up later by itself.
    expect(await queue.counts("run-item")).toMatchObject({ waiting: 0, active: 0 });
    await startWorker().addAndSee();
  });

  it("makes add fail fast when the backend accepts calls and answers none", async () => {
    await queue.add("run-item", makeJobs(1));
    const resume = await server.hang(place);
    try {
      await expect(within(FAST_MS, queue.add("run-item", makeJobs(1)))).rejects.toThrow();
      await expect(within(FAST_MS, queue.add("run-item", makeJobs(1)))).rejects.toThrow();
    } finally {
      await resume();
    }
    // PostgreSQL gave the statements up; Redis may still have them in its socket.
    if (kind === "postgres") expect((await queue.counts("run-item")).waiting).toBe(1);
    await startWorker().addAndSee();
  });

  it("at the start of a process is waited out by queue and worker", async () => {
    await server.stop();
    let started: ReturnType<typeof startWorker>;
    let list: NewJob<"run-item">[];
    try {
      const early = place.connect();
      started = startWorker(early);
      list = makeJobs(1);
      await expect(within(FAST_MS, early.assertReady())).rejects.toThrow("is not reachable");
      await expect(within(FAST_MS, early.add("run-item", list))).rejects.toThrow();
    } finally {
      await server.start();
    }
    await started.addAndSee(list);
  });

  it("stops a worker only until the backend is back", async () => {
    const { addAndSee } = startWorker();
    await addAndSee();
    for (let round = 0; round < 3; round++) {
      await server.stop();
      await server.start();
      await addAndSee();
    }
  });

  it("of the connections alone does not stop a worker", async () => {
    const { addAndSee } = startWorker();
    await addAndSee();
    for (let round = 0; round < 3; round++) {
      await server.dropConnections();
      await addAndSee();
    }
  });

  it("of the data does not stop an idle worker", async () => {
    const { addAndSee } = startWorker();
    await addAndSee();
    await place.wipe();
    await addAndSee();
  });

  it("of the data under a running job does not stop a worker", async () => {
    const gate = makeGate();
    const busy = queue.work("run-item", () => gate.opened, { concurrency: 1 });
    working.push(busy);
    await queue.add("run-item", makeJobs(4));
    await eventually(() => expect(busy.isIdle()).toBe(false));
    await place.wipe();
    gate.open();
    await eventually(() => expect(busy.isIdle()).toBe(true));
    const before = busy.lastProgressAt;
    await queue.add("run-item", makeJobs(4));
    await eventually(async () => {
      expect(busy.lastProgressAt).toBeGreaterThan(before);
      expect((await queue.counts("run-item")).waiting).toBe(0);
    });
  });

  it("does not keep an idle worker or a queue from closing", async () => {
    const other = place.connect();
    const { worker, addAndSee } = startWorker(other);
    await addAndSee();
    await server.stop();
    try {
      // Between two attempts to reconnect is where a close would wait for ever.
      await eventually(() =>
        expect(place.logged.map(({ detail }) => detail.where)).toContain("worker run-item"),
      );
      await within(6_000, worker.close({ graceMs: 60_000 }));
      await within(FAST_MS, other.close());
    } finally {
      await server.start();
    }
  });
});
