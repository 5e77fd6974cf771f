import { cancelGeneration } from "@ducat/db/generations";
import type { DomainError } from "@ducat/types/errors";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeQueues } from "../../../../infra/test/describe-queues.ts";
import { assertBooks, type Stage, setStage } from "../../test/stage.ts";
import type { Generator } from "../generators/generator.ts";

describeQueues("a cancel that races the completion", (kind, isWhole) => {
  const rounds = isWhole ? 200 : 40;
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
  });
  afterAll(() => stage.close());

  it(`is won by one of them, ${rounds} times`, async () => {
    const items = await Promise.all(Array.from({ length: rounds }, () => stage.makeItem()));
    const byId = new Map(items.map((item) => [item.itemId, item]));
    const cancels = new Map<string, Promise<"asked" | "refused">>();
    const cancel = async (itemId: string) => {
      const { accountId, generationId } = byId.get(itemId) ?? expect.unreachable();
      try {
        await cancelGeneration(stage.db.app, accountId, generationId);
        return "asked";
      } catch (error) {
        expect((error as DomainError).code).toBe("invalid_state");
        return "refused";
      }
    };
    const run: Generator["run"] = async () => ({
      status: "completed",
      output: { kind: "text", text: "done" },
    });
    // The cancel sets out just before the last write or a moment after it.
    const at = (point: string, itemId = "") => {
      if (point !== "after-blob") return;
      const delayMs = Math.random() * 6 - 2;
      const start = async () => {
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
        return await cancel(itemId);
      };
      cancels.set(itemId, start());
    };
    await stage.db.admin`UPDATE ducat.generations SET kind = 'text'`;
    await stage.db.admin`UPDATE ducat.styles SET kind = 'text'`;
    await stage.enqueue(...items);
    await stage.createWorker({ at, generators: { local: { name: "quick", run } } }).start();
    const rows = await stage.ended(...items);
    const outcomes = { completed: 0, canceled: 0 };
    for (const row of rows) {
      const answer = await cancels.get(row.id);
      expect([answer, row.status]).toEqual(
        answer === "asked" ? ["asked", "canceled"] : ["refused", "completed"],
      );
      outcomes[row.status as keyof typeof outcomes] += 1;
    }
    expect(outcomes.completed).toBeGreaterThan(0);
    expect(outcomes.canceled).toBeGreaterThan(0);
    await assertBooks(stage, items);
  });
});
