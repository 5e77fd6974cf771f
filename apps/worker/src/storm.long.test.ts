import { setTimeout as sleep } from "node:timers/promises";
import { cancelGeneration } from "@ducat/db/generations";
import { expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { type Child, startChild } from "../test/children.ts";
import type { Wishes } from "../test/provider.ts";
import { assertBooks, type MadeItem, setStage } from "../test/stage.ts";

const rounds = 25;
const perRound = 20;
const wishes: Wishes[] = [
  {},
  { polls: 10 },
  { fault: "failed-retryable" },
  { fault: "failed", times: 99 },
  { fault: "poll-500", times: 3 },
  { fault: "poll-hang" },
  { fault: "submit-500", idempotent: true },
  { fault: "image-truncated" },
];
const pick = <T>(list: T[]): T => list[Math.floor(Math.random() * list.length)] as T;

describeQueues("a storm of kills at any moment", (kind) => {
  it("leaves the books right", { timeout: 600_000 }, async () => {
    const stage = await setStage(kind);
    const items: MadeItem[] = [];
    const children: Child[] = [await startChild(stage), await startChild(stage)];
    for (let round = 0; round < rounds; round++) {
      const fresh = await Promise.all(
        Array.from({ length: perRound }, () => stage.makeItem(pick(wishes))),
      );
      items.push(...fresh);
      await stage.enqueue(...fresh.slice(0, perRound - 2));
      const canceled = pick(items);
      await cancelGeneration(stage.db.app, canceled.accountId, canceled.generationId).catch(
        () => undefined,
      );
      await sleep(Math.random() * 1_000);
      const victim = children.splice(Math.floor(Math.random() * 2), 1)[0];
      await victim?.kill();
      if (Math.random() < 0.2) await stage.wipeQueue();
      children.push(await startChild(stage));
    }
    await stage.makeDue(...items);
    const rows = await stage.ended(...items);
    expect(rows).toHaveLength(rounds * perRound);
    await assertBooks(stage, items);
    await stage.close();
  });
});
