import { createServer } from "node:http";
import { cancelGeneration } from "@ducat/db/generations";
import { afterEach, beforeEach, expect, it } from "vitest";
import { assertBooks, describeQueues, eventually, type Stage, setStage } from "../../test/stage.ts";

describeQueues("run-item", (kind) => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await setStage(kind);
  });
  afterEach(() => stage.close());

  const work = async (overrides?: Parameters<Stage["createWorker"]>[0]) => {
    const worker = stage.createWorker(overrides);
    await worker.start();
    return worker;
  };

  it("stores the picture, then captures the price", async () => {
    const item = await stage.makeItem({ polls: 2 });
    await stage.enqueue(item);
    await work();
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", captured: 5, attempt: 1 });
    expect(row?.output).toMatchObject({ kind: "image", type: "image/webp", width: 64, height: 64 });
    expect(row?.output?.key).toMatch(`${item.accountId}/${item.itemId}/1/${row?.output?.sha256}`);
    await assertBooks(stage, [item]);
  });

  it("tries a flaky model again, then captures the price", async () => {
    const item = await stage.makeItem({ fault: "failed-retryable" });
    await stage.enqueue(item);
    await work();
    const [row] = await stage.ended(item);
    expect(row).toMatchObject({ status: "completed", attempt: 2, failures: 1 });
    expect(stage.provider.submissions).toHaveLength(2);
    await assertBooks(stage, [item]);
  });
});
