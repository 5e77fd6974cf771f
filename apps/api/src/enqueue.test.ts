import { randomUUID } from "node:crypto";
import type { Queue } from "@ducat/queue/queue";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../test/stage.ts";
import { createEnqueue } from "./enqueue.ts";

type Added = { accountId: string };

describe("createEnqueue", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  /** The queue of the stage, whose adds wait for `open` and are written down. */
  const slowDown = () => {
    const calls: number[] = [];
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const add: Queue["add"] = async (name, list) => {
      calls.push(list.length);
      await opened;
      await stage.queue.add(name, list);
    };
    return {
      calls,
      open,
      enqueue: createEnqueue({ ...stage.deps, queue: { ...stage.queue, add } }),
    };
  };
  const makeItems = (count: number) => ({
    accountId: randomUUID(),
    generationId: randomUUID(),
    itemIds: Array.from({ length: count }, () => randomUUID()),
  });

  it("sends what gathers while a call is under way together, and adds all of it", async () => {
    const { calls, open, enqueue } = slowDown();
    const before = await stage.queue.counts("run-item");
    for (const count of [1, 2, 3, 100]) await enqueue.add(makeItems(count));
    expect(calls).toEqual([1]);
    open();
    await enqueue.drain();
    expect(calls).toEqual([1, 105]);
    const after = await stage.queue.counts("run-item");
    expect(after.waiting - before.waiting).toBe(106);
    await enqueue.add(makeItems(1));
    await enqueue.drain();
    expect(calls).toEqual([1, 105, 1]);
  });

  it("gives the rows of a batch turns behind each other, and other accounts the next", async () => {
    const added: { accountId: string; turn: number }[] = [];
    const add: Queue["add"] = async (_, list) => {
      for (const { data, turn } of list) added.push({ ...(data as Added), turn: turn ?? 0 });
    };
    const enqueue = createEnqueue({ ...stage.deps, queue: { ...stage.queue, add } });
    const [batch, single] = [makeItems(3), makeItems(1)];
    await enqueue.add(batch);
    await enqueue.add(single);
    await enqueue.drain();
    const turns = (accountId: string) =>
      added.filter((job) => job.accountId === accountId).map(({ turn }) => turn);
    const [first = 0, ...rest] = turns(batch.accountId);
    expect(first).toBeGreaterThan(0);
    expect(rest).toEqual([first + 1, first + 2]);
    expect(turns(single.accountId)[0]).toBeLessThan(first + 2);
  });

  it("sends a single request before the rows of a batch that wait here", async () => {
    const { calls, open, enqueue } = slowDown();
    await enqueue.add(makeItems(1));
    const batch = enqueue.add(makeItems(1_500));
    // It waits for nothing: one row goes before it.
    await enqueue.add(makeItems(1));
    expect(calls).toEqual([1]);
    open();
    await batch;
    expect(calls).toEqual([1, 500, 500, 500, 1]);
  });

  it("lets a request wait only when a thousand jobs go before it, sends 500 at most", async () => {
    const { calls, open, enqueue } = slowDown();
    await enqueue.add(makeItems(1));
    for (let n = 0; n < 1_000; n += 1) await enqueue.add(makeItems(1));
    let isThrough = false;
    const late = enqueue.add(makeItems(1)).then(() => {
      isThrough = true;
    });
    await new Promise(setImmediate);
    expect(isThrough).toBe(false);
    open();
    await late;
    expect(calls).toEqual([1, 500, 500, 1]);
  });
});
