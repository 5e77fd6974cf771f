import { claimItem } from "@ducat/db/items";
import type { Signal } from "@ducat/events/bus";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { assertBooks, type MadeItem, type Stage, setStage } from "../../test/stage.ts";
import { createSweep } from "./sweep.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage("postgres");
});
afterAll(() => stage.close());
afterEach(async () => {
  await stage.closeWorkers();
  await stage.wipeQueue();
});

const { signal } = new AbortController();
const told: Signal[] = [];
const sweep = (add = stage.queue.add, retrySeconds = 30) => {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const queue = { add };
  return createSweep({
    ...{ db: stage.db.worker, queue, log, at: () => {} },
    bus: { publish: (one) => void told.push(one) },
    dropUsage: async () => {},
    retrySeconds,
  });
};
const waiting = async () => (await stage.queue.counts("run-item")).waiting;
const shiftDeadline = ({ generationId }: MadeItem, seconds: number) => stage.db.admin`
  UPDATE ducat.generations SET deadline_at = clock_timestamp() + make_interval(secs => ${seconds})
  WHERE id = ${generationId}`;

it("adds a job for an item whose job was lost, and one job however often it looks", async () => {
  const item = await stage.makeItem();
  await sweep()(signal);
  expect(await waiting()).toBe(0);
  for (let round = 0; round < 3; round++) {
    await stage.makeDue(item);
    await sweep()(signal);
    expect(await waiting()).toBe(1);
  }
  await stage.createWorker().start();
  await stage.ended(item);
  await assertBooks(stage, [item]);
});

it("ends and pays back what a dead worker leaves after as many deaths as tries", async () => {
  const item = await stage.makeItem();
  for (const attempt of [0, 1, 2]) {
    expect(await claimItem(stage.db.worker, { ...item, attempt }, 0)).toBeDefined();
  }
  await stage.makeDue(item);
  await sweep()(signal);
  const row = await stage.read(item.itemId);
  expect(row).toMatchObject({ status: "failed", error_code: "attempts_exhausted", attempt: 3 });
  expect(await waiting()).toBe(0);
  const { accountId, generationId } = item;
  expect(told).toContainEqual({ accountId, generationId });
  await assertBooks(stage, [item]);
});

it("ends what is overdue although another item can't be ended", async () => {
  const [broken, fine] = [await stage.makeItem(), await stage.makeItem()];
  for (const item of [broken, fine]) await shiftDeadline(item, -61);
  // A second refund for the same cause breaks a unique key.
  await stage.db.admin`
    INSERT INTO ducat.credit_entries (account_id, seq, type, amount, available_after, allocations,
      generation_id, item_id, cause)
    VALUES (${broken.accountId}, 1000, 'refund', 0, 0, '[]', ${broken.generationId},
      ${broken.itemId}, 'failed')`;
  await stage.makeDue(broken);
  await stage.makeDue(fine);
  await sweep()(signal);
  expect(await stage.read(broken.itemId)).toMatchObject({ status: "pending" });
  const row = await stage.read(fine.itemId);
  expect(row).toMatchObject({ status: "failed", error_code: "deadline_exceeded" });
});

it("ends what is overdue while the queue is down, and adds the rest when it is back", async () => {
  const [overdue, pending] = [await stage.makeItem(), await stage.makeItem()];
  await shiftDeadline(overdue, -61);
  await stage.makeDue(overdue, pending);
  let isDown = true;
  const round = sweep(async (name, list) => {
    if (isDown) throw new Error("down");
    await stage.queue.add(name, list);
  });
  await round(signal);
  expect((await stage.read(overdue.itemId)).status).toBe("failed");
  isDown = false;
  await round(signal);
  expect(await waiting()).toBe(1);
});

it("sweeps more than one batch in a round, and no item twice when several sweep", async () => {
  const { generationId } = await stage.makeItem();
  await stage.db.admin`
    INSERT INTO ducat.generation_items (account_id, generation_id, position, due_at, cost,
      cost_from)
    SELECT account_id, id, n, clock_timestamp(), 0, 0
    FROM ducat.generations, generate_series(1, 1199) n WHERE id = ${generationId}`;
  const added: string[] = [];
  const rounds = [1, 2, 3].map(() =>
    sweep(async (_, list) => void added.push(...list.map(({ id }) => id)))(signal),
  );
  await Promise.all(rounds);
  expect(added).toHaveLength(1_199);
  expect(new Set(added).size).toBe(1_199);
});
