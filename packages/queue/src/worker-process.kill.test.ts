import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { bundleEntry } from "../../../infra/test/bundle-entry.ts";
import {
  describeBackends,
  makeJobs,
  type Place,
  type Server,
  startServer,
} from "../test/backends.ts";
import { eventually, within } from "../test/within.ts";
import type { Queue } from "./queue.ts";

const script = resolve(import.meta.dirname, "../test/child-worker.ts");
const LOCK_MS = 1_000;

describeBackends("a worker process", (kind) => {
  let server: Server;
  let place: Place;
  let queue: Queue;
  const children: ChildProcessByStdio<Writable, Readable, null>[] = [];

  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    place = await server.openPlace();
    queue = place.connect();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await place.close();
  });

  const spawnWorker = async () => {
    const options = JSON.stringify({ ...place.options, lockMs: LOCK_MS });
    const child = spawn(process.execPath, [await bundleEntry(script), options], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return { child, says: async () => (await within(20_000, lines.next())).value };
  };

  it("that is killed leaves its job to the next; after the second, the id is free", async () => {
    const list = makeJobs(1);
    await queue.add("run-item", list);
    for (let kills = 0; kills < 2; kills++) {
      const { child, says } = await spawnWorker();
      expect(await says()).toBe("running");
      child.kill("SIGKILL");
    }
    let runs = 0;
    const handler = async () => {
      runs += 1;
    };
    const work = queue.work("run-item", handler, { concurrency: 1, lockMs: LOCK_MS });
    await eventually(async () => {
      const counts = await queue.counts("run-item");
      expect(counts).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    });
    // BullMQ gives the job up without calling anybody: only our sweeper can bring it back.
    expect(runs).toBe(0);
    await queue.add("run-item", list);
    await eventually(() => expect(runs).toBe(1));
    await work.close({ graceMs: 0 });
  });

  it("ends by itself once it is closed, also when the backend is down", async () => {
    await queue.add("run-item", makeJobs(1));
    const { child, says } = await spawnWorker();
    expect(await says()).toBe("running");
    await server.stop();
    try {
      const exited = once(child, "exit");
      child.stdin.write("close\n");
      expect(await says()).toBe("closed");
      expect(await within(3_000, exited)).toEqual([0, null]);
    } finally {
      await server.start();
    }
  });
});
