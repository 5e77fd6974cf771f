import { afterEach, beforeEach, expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { startChild } from "../test/children.ts";
import { assertBooks, eventually, type Stage, setStage } from "../test/stage.ts";

describeQueues("a worker that is told to stop", (kind) => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await setStage(kind);
  });
  afterEach(() => stage.close());

  it("finishes what it works on and takes nothing more", async () => {
    const [running, later] = [await stage.makeItem({ hold: true }), await stage.makeItem()];
    await stage.enqueue(running);
    const child = await startChild(stage, { graceMs: 20_000 });
    await child.reaches("after-request-saved", running.itemId);
    child.signal("SIGTERM");
    await child.says("stopping");
    await stage.enqueue(later);
    stage.provider.release();
    expect(await child.exited).toBe(0);
    expect(await stage.read(running.itemId)).toMatchObject({ status: "completed", attempt: 1 });
    expect(await stage.read(later.itemId)).toMatchObject({ status: "pending", attempt: 0 });
  });

  it("gives back what it can't finish, and another goes on at once", async () => {
    const [held, fresh] = [await stage.makeItem({ hold: true }), await stage.makeItem()];
    await stage.enqueue(held, fresh);
    const child = await startChild(stage, { arms: { [fresh.itemId]: "before-run" } });
    await child.reaches("after-request-saved", held.itemId);
    await child.reaches("before-run", fresh.itemId);
    child.signal("SIGTERM");
    expect(await child.exited).toBe(0);
    for (const { itemId } of [held, fresh]) {
      expect(await stage.read(itemId)).toMatchObject({ status: "pending", attempt: 1 });
    }
    stage.provider.release();
    // Without a sweeper: the jobs are there already.
    await stage.createWorker({ timings: { sweepMs: 600_000 } }).start();
    for (const row of await stage.ended(held, fresh)) {
      expect(row).toMatchObject({ status: "completed", attempt: 2, failures: 0 });
    }
    expect(stage.provider.submissions(held.itemId)).toHaveLength(1);
    await assertBooks(stage, [held, fresh]);
  });

  it("gives back also what the queue has forgotten", async () => {
    const item = await stage.makeItem({ hold: true });
    await stage.enqueue(item);
    const worker = stage.createWorker();
    await worker.start();
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0));
    await stage.wipeQueue();
    // Over two renewals of the job's lock, which find no job.
    const before = stage.provider.polls(item.itemId);
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(before + 75));
    await worker.close({ graceMs: 0 });
    expect(await stage.read(item.itemId)).toMatchObject({ status: "pending", attempt: 1 });
    expect((await stage.queue.counts("run-item")).waiting).toBe(1);
  });
});
