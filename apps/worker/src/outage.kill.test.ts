import { afterEach, expect, it } from "vitest";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { type OwnDatabase, startOwnDatabase } from "../../../packages/db/test/own-database.ts";
import { type RedisServer, startRedis } from "../../../packages/queue/test/redis-server.ts";
import { startChild } from "../test/children.ts";
import type { Wishes } from "../test/provider.ts";
import {
  assertBooks,
  eventually,
  type MadeItem,
  quick,
  type Stage,
  setStage,
} from "../test/stage.ts";
import type { At } from "./points.ts";

describeQueues("an outage", (kind) => {
  let stage: Stage;
  let redis: RedisServer | undefined;
  afterEach(async () => {
    await stage.close();
    await redis?.kill();
    redis = undefined;
  });
  /** A stage on a Redis that the test may break. */
  const setOwnStage = async (db?: OwnDatabase) => {
    redis = kind === "redis" ? await startRedis() : undefined;
    return await setStage(kind, { redisUrl: redis?.url ?? null, ...(db ? { db } : {}) });
  };
  const makeItems = (count: number, wishes?: Wishes) =>
    Promise.all(Array.from({ length: count }, () => stage.makeItem(wishes)));
  const submissions = ({ itemId }: MadeItem) => stage.provider.submissions(itemId).length;
  const allSubmitted = (items: MadeItem[]) =>
    eventually(() => {
      for (const item of items) expect(stage.provider.polls(item.itemId)).toBeGreaterThan(0);
    });

  it("that takes every job away costs nobody a credit, whatever the jobs were doing", async () => {
    stage = await setOwnStage();
    // A job whose worker dies twice before it does anything is failed inside BullMQ, unseen.
    const jobLockMs = 800;
    const failed = await makeItems(10);
    const arms = Object.fromEntries(failed.map(({ itemId }) => [itemId, "before-claim" as const]));
    await stage.enqueue(...failed);
    for (let death = 0; death < 2; death++) {
      const child = await startChild(stage, { arms, timings: { jobLockMs } });
      for (const { itemId } of failed) await child.reaches("before-claim", itemId);
      await child.kill();
    }
    const timings = { ...quick, jobLockMs, retryMs: 120_000, sweepMs: 600_000 };
    await stage.createWorker({ timings, concurrency: 10 }).start();
    const job = () => stage.queue.bull("run-item").getJob(`${failed[9]?.itemId}-0`);
    await eventually(async () => expect(await job()).toBeUndefined());
    for (const { itemId } of failed) expect((await stage.read(itemId)).attempt).toBe(0);

    const retrying = await makeItems(10, { fault: "failed-retryable" });
    await stage.enqueue(...retrying);
    await eventually(async () => {
      expect((await stage.queue.counts("run-item")).delayed).toBe(10);
    });
    const processing = await makeItems(10, { hold: true });
    await stage.enqueue(...processing);
    await allSubmitted(processing);
    const pending = await makeItems(10);
    await stage.enqueue(...pending);
    expect(await stage.queue.counts("run-item")).toMatchObject({ waiting: 10, active: 10 });

    await stage.wipeQueue();
    expect(await stage.queue.counts("run-item")).toMatchObject({ waiting: 0, delayed: 0 });
    stage.provider.release();
    await stage.createWorker().start();
    const all = [...failed, ...retrying, ...processing, ...pending];
    await stage.makeDue(...failed, ...retrying, ...pending);
    for (const row of await stage.ended(...all)) expect(row.status).toBe("completed");
    await assertBooks(stage, all);
    expect(processing.map(submissions)).toEqual(processing.map(() => 1));
    expect(retrying.map(submissions)).toEqual(retrying.map(() => 2));
    expect([...failed, ...pending].map(submissions)).toEqual(Array(20).fill(1));
  });

  it("of PostgreSQL, a crash each time, is lived through by the same worker", async () => {
    const own = await startOwnDatabase();
    stage = await setOwnStage(own);
    const items: MadeItem[] = [];
    const path: string[] = [];
    const at: At = (point, id) => void path.push(`${point} ${id}`);
    await stage.createWorker({ at }).start();
    for (let crash = 0; crash < 2; crash++) {
      const held = await makeItems(5, { hold: true });
      await stage.enqueue(...held);
      await allSubmitted(held);
      const caught = await makeItems(5);
      await stage.enqueue(...caught);
      await own.kill();
      for (const { itemId } of held) stage.provider.release(itemId);
      await eventually(() => {
        for (const { itemId } of held) expect(path).toContain(`after-blob ${itemId}`);
      });
      await own.start();
      for (const row of await stage.ended(...held)) {
        expect(row).toMatchObject({ status: "completed", attempt: 1 });
      }
      // Some were on their way to their first claim, or their job was.
      await stage.makeDue(...caught);
      for (const row of await stage.ended(...caught)) expect(row.status).toBe("completed");
      expect(held.map(submissions)).toEqual([1, 1, 1, 1, 1]);
      items.push(...held, ...caught);
    }
    await assertBooks(stage, items);
  });

  it("of every connection to PostgreSQL is lived through by the same worker", async () => {
    stage = await setOwnStage();
    await stage.createWorker().start();
    const held = await makeItems(5, { hold: true });
    await stage.enqueue(...held);
    await allSubmitted(held);
    const fresh = await makeItems(5);
    for (let round = 0; round < 5; round++) {
      await stage.db.admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    }
    stage.provider.release();
    await eventually(() => stage.enqueue(...fresh));
    for (const row of await stage.ended(...held, ...fresh)) expect(row.status).toBe("completed");
    expect(held.map(submissions)).toEqual([1, 1, 1, 1, 1]);
    await assertBooks(stage, [...held, ...fresh]);
  });

  const outlivesRedis = async () => {
    stage = await setOwnStage();
    await stage.createWorker().start();
    const held = await makeItems(3, { hold: true });
    const flaky = await makeItems(3, { hold: true, fault: "failed-retryable" });
    await stage.enqueue(...held, ...flaky);
    await allSubmitted([...held, ...flaky]);
    await redis?.kill();
    const created = await makeItems(3);
    await expect(stage.enqueue(...created)).rejects.toThrow();
    stage.provider.release();
    for (const row of await stage.ended(...held)) expect(row.status).toBe("completed");
    await eventually(async () => {
      for (const { itemId } of flaky) expect((await stage.read(itemId)).failures).toBe(1);
    });
    await redis?.start();
    await stage.makeDue(...created, ...flaky);
    for (const row of await stage.ended(...created, ...flaky)) expect(row.status).toBe("completed");
    await assertBooks(stage, [...held, ...flaky, ...created]);
  };
  if (kind === "redis") it("of Redis stops nothing that runs", outlivesRedis);
});
