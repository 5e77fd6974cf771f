import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { startChild } from "../test/children.ts";
import { assertBooks, eventually, quick, type Stage, setStage } from "../test/stage.ts";
import type { At } from "./points.ts";

const clockAhead = fileURLToPath(new URL("../test/clock-ahead.ts", import.meta.url));

describeQueues("a worker that is out of step", (kind) => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await setStage(kind);
  });
  afterEach(() => stage.close());

  it("wakes up after its lease has lapsed, and its writes match no row", async () => {
    const [asking, storing] = [await stage.makeItem({ hold: true }), await stage.makeItem()];
    await stage.enqueue(asking, storing);
    const zombie = await startChild(stage, { arms: { [storing.itemId]: "after-blob" } });
    await zombie.reaches("after-request-saved", asking.itemId);
    await zombie.reaches("after-blob", storing.itemId);
    zombie.signal("SIGSTOP");

    await stage.createWorker().start();
    await eventually(async () => {
      expect((await stage.read(asking.itemId)).attempt).toBe(2);
    });
    stage.provider.release();
    const before = await stage.ended(asking, storing);
    for (const row of before) expect(row).toMatchObject({ status: "completed", attempt: 2 });
    const orphan = before[1]?.output?.key?.replace("/2/", "/1/") ?? "";
    expect(await stage.blobs.has(orphan)).toBe(true);

    zombie.signal("SIGCONT");
    zombie.resume(storing.itemId);
    for (const { itemId } of [asking, storing]) {
      await zombie.reaches("before-ack", itemId);
      // Either a heartbeat told it, or the write that matched no row.
      const isLost = zombie.lines.some(
        ({ item, why, status }) => item === itemId && (why === "lost" || status === "lost"),
      );
      expect(isLost).toBe(true);
    }
    expect(await stage.blobs.has(orphan)).toBe(false);
    expect(await stage.ended(asking, storing)).toEqual(before);
    await assertBooks(stage, [asking, storing]);
    for (const { itemId } of [asking, storing]) {
      expect(stage.provider.submissions(itemId)).toHaveLength(1);
    }
  });

  it("and whose clock is a minute ahead steals nothing from a healthy one", async () => {
    const item = await stage.makeItem({ hold: true });
    await stage.enqueue(item);
    const path: string[] = [];
    const at: At = (point, id) => void path.push(`${point} ${id}`);
    await stage.createWorker({ at, timings: { ...quick, jobLockMs: 30_000 } }).start();
    await eventually(() => expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0));
    const ahead = await startChild(stage, { preload: clockAhead });
    // BullMQ on PostgreSQL trusts each worker's clock, and hands the running job to either of them
    // as soon as it has looked twice between two renewals.
    const starts = () =>
      [...path, ...ahead.path].filter((step) => step === `before-claim ${item.itemId}`);
    if (kind === "postgres") await eventually(() => expect(starts()).toHaveLength(2));
    const [{ lapses } = {}] = await stage.db.admin`
      SELECT lease_until AS lapses FROM ducat.generation_items WHERE id = ${item.itemId}`;
    await eventually(async () => {
      const [{ over } = {}] = await stage.db.admin`SELECT clock_timestamp() > ${lapses} AS over`;
      expect(over).toBe(true);
    });
    stage.provider.release();
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", attempt: 1 });
    expect(ahead.path).not.toContain(`after-claim ${item.itemId}`);
    expect(path.filter((step) => step === `after-claim ${item.itemId}`)).toHaveLength(1);
    expect(stage.provider.submissions(item.itemId)).toHaveLength(1);
    await assertBooks(stage, [item]);
  });
});
