import { claimItem } from "@ducat/db/items";
import { connectQueue } from "@ducat/queue/queue";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { describeQueues } from "../../../../infra/test/describe-queues.ts";
import { makeAccount, makeGeneration } from "../../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../../packages/db/test/invariants.ts";
import { eventually, type MadeItem, makeGate, type Stage, setStage } from "../../test/stage.ts";
import type { Generator } from "../generators/generator.ts";
import type { At } from "../points.ts";

describeQueues("items of an account with a limit", (kind) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(kind);
  });
  afterAll(() => stage.close());
  afterEach(() => stage.closeWorkers());

  /** Enough items for the sweeper's own round to be far away. */
  const makeBatch = async (items: number, limit?: number) => {
    const { id: accountId } = await makeAccount(stage.db.app, items);
    const usage = [
      { feature: "_running", amount: 0, limit: limit ?? 0, period_start: "-infinity" },
    ];
    const made = await makeGeneration(stage.db.app, accountId, {
      style: "product_description",
      unitCost: 1,
      labels: Array.from({ length: items }, (_, n) => `${n}`),
      ...(limit !== undefined && { usage }),
    });
    return made.item_ids.map((itemId) => ({ accountId, generationId: made.id, itemId }));
  };
  /** Counts how many run at once, and how they end. */
  const makeCounting = () => {
    const running = new Map<string, number>();
    const most = new Map<string, number>();
    const order: string[] = [];
    const local: Generator = {
      name: "counting",
      async run({ accountId, itemId }) {
        const now = (running.get(accountId) ?? 0) + 1;
        running.set(accountId, now);
        most.set(accountId, Math.max(now, most.get(accountId) ?? 0));
        await new Promise((resolve) => setImmediate(resolve));
        order.push(itemId);
        running.set(accountId, (running.get(accountId) ?? 0) - 1);
        return { status: "completed", output: { kind: "text", text: "done" } };
      },
    };
    return { generators: { local }, most, order };
  };

  /** Counts too, and lets one item wait. */
  const holdItem = (
    held: string,
    until: Promise<void>,
    { generators }: ReturnType<typeof makeCounting>,
  ): { local: Generator } => ({
    local: {
      name: "held",
      async run(task, context) {
        if (task.itemId === held) await until;
        return await generators.local.run(task, context);
      },
    },
  });
  /** Has one of them worked on, then the other refused. */
  const bringIntoLine = async (runs: MadeItem, waits: MadeItem) => {
    await stage.enqueue(runs);
    await eventually(async () => expect((await stage.read(runs.itemId)).status).toBe("processing"));
    await stage.enqueue(waits);
    await eventually(async () => {
      const line = await stage.db.admin`
        SELECT FROM ducat.item_slots WHERE item_id = ${waits.itemId} AND is_waiting`;
      expect(line).toHaveLength(1);
    });
  };

  it("all end without a wait for the sweeper, and never more run at once than may", async () => {
    const items = await makeBatch(12, 2);
    const counting = makeCounting();
    const workers = [1, 2].map(() => stage.createWorker({ generators: counting.generators }));
    await Promise.all(workers.map((worker) => worker.start()));
    const startedAt = performance.now();
    await stage.enqueue(...items);
    const rows = await stage.ended(...items);
    expect(rows.map(({ status }) => status)).toEqual(Array(12).fill("completed"));
    expect(counting.most.get(items[0]?.accountId ?? "")).toBeLessThanOrEqual(2);
    // A refused item is due for the sweeper in 30 s at the soonest.
    expect(performance.now() - startedAt).toBeLessThan(25_000);
    await assertInvariants(stage.db.admin);
  });

  it("that wait hold up nobody else's", async () => {
    const gate = makeGate();
    const counting = makeCounting();
    const held = await makeBatch(8, 1);
    const local: Generator = {
      name: "held",
      async run(task, context) {
        if (task.accountId === held[0]?.accountId) await gate.opened;
        return await counting.generators.local.run(task, context);
      },
    };
    // Two at once: were one of them kept by an item that waits, nobody else's would come.
    await stage.createWorker({ generators: { local }, concurrency: 2 }).start();
    await stage.enqueue(...held);
    const other = await makeBatch(6);
    await stage.enqueue(...other);
    await stage.ended(...other);
    expect(counting.order).toHaveLength(6);
    gate.open();
    await stage.ended(...held);
  });

  it("are woken while the job that was refused its slot has not ended yet", async () => {
    const [runs, waits] = await makeBatch(2, 1);
    if (!runs || !waits) throw new Error("no items");
    const [running, refused] = [makeGate(), makeGate()];
    const generators = holdItem(runs.itemId, running.opened, makeCounting());
    const at: At = async (point, itemId) => {
      if (point === "before-ack" && itemId === waits.itemId) await refused.opened;
    };
    await stage.createWorker({ generators, at }).start();
    await bringIntoLine(runs, waits);
    running.open();
    // Its own round is 30 s away.
    const isDone = async () => expect((await stage.read(waits.itemId)).status).toBe("completed");
    await eventually(isDone, 25_000).finally(refused.open);
  });

  it("are woken when the sweeper ends what had their slot", async () => {
    const [runs, waits] = await makeBatch(2, 1);
    if (!runs || !waits) throw new Error("no items");
    // By a worker that is dead since, for the last time.
    expect(await claimItem(stage.db.worker, { ...runs, attempt: 0 }, 600)).toBeDefined();
    await stage.createWorker({ generators: makeCounting().generators }).start();
    await bringIntoLine(runs, waits);
    await stage.db.admin`UPDATE ducat.generation_items
      SET lease_until = clock_timestamp(), failures = 9, due_at = clock_timestamp()
      WHERE id = ${runs.itemId}`;
    const isDone = async () => expect((await stage.read(waits.itemId)).status).toBe("completed");
    await eventually(isDone, 25_000);
    expect((await stage.read(runs.itemId)).error_code).toBe("attempts_exhausted");
  });

  it("end too when nobody woke them: the sweeper brings them", async () => {
    const items = await makeBatch(2, 1);
    const [runs, waits] = items;
    if (!runs || !waits) throw new Error("no items");
    const counting = makeCounting();
    const running = makeGate();
    const held = holdItem(runs.itemId, running.opened, counting);
    const own = connectQueue(stage.queueOptions);
    stage.onClose(() => own.close());
    const queue = { ...own, add: () => Promise.reject(new Error("the queue is away")) };
    await stage.createWorker({ generators: held, queue }).start();
    await bringIntoLine(runs, waits);
    running.open();
    await eventually(() => {
      const message = "who waits is left to the sweeper";
      expect(stage.lines).toContainEqual(expect.objectContaining({ message }));
    });
    expect(counting.order).toEqual([runs.itemId]);
    await stage.closeWorkers();
    await stage.createWorker({ generators: counting.generators }).start();
    await stage.makeDue(...items);
    const rows = await stage.ended(...items);
    expect(rows.map(({ status }) => status)).toEqual(["completed", "completed"]);
  });
});
