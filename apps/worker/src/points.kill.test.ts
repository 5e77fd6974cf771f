import { afterEach, beforeEach, expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { type Child, startChild } from "../test/children.ts";
import type { Wishes } from "../test/provider.ts";
import { assertBooks, eventually, type MadeItem, type Stage, setStage } from "../test/stage.ts";
import { type Point, points } from "./points.ts";

/** A point and how the provider makes an item meet it, `times` times. */
type Case = { point: Point; wishes: (times: number) => Wishes; ends: "completed" | "failed" };

const smooth = () => ({ polls: 1 });
const flaky = (times: number): Wishes => ({ fault: "failed-retryable", times });
const refused = (): Wishes => ({ fault: "failed", times: 99 });
const silent = (times: number): Wishes => ({ fault: "poll-500", times });

const cases: Case[] = [
  ...(
    [
      "before-claim",
      "after-claim",
      "after-input",
      "before-run",
      "after-submit",
      "after-request-saved",
      "after-answer",
      "before-blob",
      "between-blobs",
      "after-blob",
      "after-complete",
      "before-ack",
    ] as const
  ).map((point) => ({ point, wishes: smooth, ends: "completed" as const })),
  { point: "after-fail", wishes: flaky, ends: "completed" },
  { point: "after-fail", wishes: refused, ends: "failed" },
  { point: "after-defer", wishes: silent, ends: "completed" },
  { point: "after-requeue", wishes: silent, ends: "completed" },
  { point: "before-ack", wishes: refused, ends: "failed" },
];

/** Where the provider has the work and the database its id. */
const submittedOnce = new Set<Point>([
  "after-request-saved",
  "after-answer",
  "before-blob",
  "between-blobs",
  "after-blob",
  "after-complete",
  "after-defer",
  "after-requeue",
  "before-ack",
]);

type Made = MadeItem & Case & { kills: 1 | 2 };

describeQueues("a worker that is killed", (kind) => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await setStage(kind);
  });
  afterEach(() => stage.close());

  const armsOf = (items: Made[]) =>
    Object.fromEntries(items.map(({ itemId, point }) => [itemId, point]));

  /** Waits until the worker holds each item at its point, or the item has ended already. */
  const allHeld = (child: Child, items: Made[]) =>
    eventually(async () => {
      for (const { itemId, point, kills } of items) {
        if (child.path.includes(`${point} ${itemId}`)) continue;
        const { status } = await stage.read(itemId);
        expect([point, kills, status]).toEqual([point, kills, expect.stringMatching(/ed$/)]);
      }
    }, 40_000);

  it("at any point, once or twice in a row, costs nobody a credit", async () => {
    // Deaths count as failures; which of them do is not what this is about.
    await stage.db.admin`UPDATE ducat.styles SET max_attempts = 20`;
    const made: Made[] = [];
    for (const one of cases) {
      for (const kills of [1, 2] as const) {
        made.push({ ...one, kills, ...(await stage.makeItem(one.wishes(kills))) });
      }
    }
    const due = await stage.makeItem();
    const killedAt = new Set<string>();
    const kill = async (child: Child, armed: string[]) => {
      for (const step of armed) if (child.path.includes(step)) killedAt.add(step.split(" ")[0]!);
      await child.kill();
    };
    const steps = (items: Made[]) => items.map(({ point, itemId }) => `${point} ${itemId}`);

    // The sweeper of the first worker finds something due, and is held on its way.
    await stage.makeDue(due);
    await stage.enqueue(...made);
    const first = await startChild(stage, { arms: { ...armsOf(made), "*": "after-sweep" } });
    await first.reaches("after-sweep");
    for (const { point, itemId } of made) await first.reaches(point, itemId);
    await kill(first, ["after-sweep *", ...steps(made)]);

    const twice = made.filter(({ kills }) => kills === 2);
    const second = await startChild(stage, { arms: armsOf(twice) });
    await allHeld(second, made);
    second.arm({ "*": "after-sweep" });
    second.path.splice(second.path.indexOf("after-sweep *"), 1);
    await stage.makeDue(due);
    await second.reaches("after-sweep");
    await kill(second, ["after-sweep *", ...steps(twice)]);

    // Two that nobody can save any more are paid back.
    const overdue = [await stage.makeItem(), await stage.makeItem()];
    for (const item of overdue) {
      await stage.db.admin`UPDATE ducat.generations
        SET deadline_at = created_at - interval '61 s' WHERE id = ${item.generationId}`;
      await stage.makeDue(item);
      const third = await startChild(stage, { arms: { [item.itemId]: "after-end" } });
      await third.reaches("after-end", item.itemId);
      await kill(third, [`after-end ${item.itemId}`]);
    }

    await stage.makeDue(due, ...made);
    await stage.createWorker().start();
    await stage.ended(due, ...made, ...overdue);
    for (const { itemId, point, kills, ends } of made) {
      const { status } = await stage.read(itemId);
      expect({ point, kills, status }).toEqual({ point, kills, status: ends });
    }
    for (const { itemId } of overdue) expect((await stage.read(itemId)).status).toBe("failed");
    await assertBooks(stage, [due, ...made, ...overdue]);
    for (const { point, kills, wishes, itemId } of made) {
      if (wishes === flaky || !submittedOnce.has(point)) continue;
      const submissions = stage.provider.submissions(itemId).length;
      expect({ point, kills, submissions }).toEqual({ point, kills, submissions: 1 });
    }
    expect([...killedAt].sort()).toEqual([...points].sort());
  });
});
