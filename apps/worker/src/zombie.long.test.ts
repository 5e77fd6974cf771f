import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { startChild } from "../test/children.ts";
import { assertBooks, eventually, setStage } from "../test/stage.ts";
import { defaultTimings } from "./timings.ts";

describeQueues("a worker with the durations of production", (kind) => {
  it("that was stopped for 70 s writes nothing when it wakes up", {
    timeout: 180_000,
  }, async () => {
    const stage = await setStage(kind);
    const item = await stage.makeItem({ hold: true });
    await stage.enqueue(item);
    const zombie = await startChild(stage, { timings: defaultTimings });
    await zombie.reaches("after-request-saved", item.itemId);
    zombie.signal("SIGSTOP");
    const stoppedAt = performance.now();
    await stage.createWorker({ timings: defaultTimings }).start();
    await eventually(async () => expect((await stage.read(item.itemId)).attempt).toBe(2), 75_000);
    stage.provider.release();
    const before = await stage.ended(item);
    // The one wait in this suite that is about the clock itself.
    await sleep(Math.max(0, 70_000 - (performance.now() - stoppedAt)));
    zombie.signal("SIGCONT");
    await zombie.reaches("before-ack", item.itemId);
    expect(await stage.ended(item)).toEqual(before);
    expect(before[0]).toMatchObject({ status: "completed", attempt: 2 });
    expect(stage.provider.submissions(item.itemId)).toHaveLength(1);
    await assertBooks(stage, [item]);
    await stage.close();
  });
});
