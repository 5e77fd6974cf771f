import type { Db } from "@ducat/db/connect";
import { type DueItem, endDueItem, sweepItems } from "@ducat/db/items";
import type { DropUsage } from "@ducat/entitlements/usage-drops";
import type { Bus } from "@ducat/events/bus";
import type { Queue } from "@ducat/queue/queue";
import type { Log } from "../log.ts";
import type { At } from "../points.ts";
import { safeError } from "../safe-error.ts";
import { toJobs } from "./run-item-job.ts";
import { wakeWaiting } from "./wake-waiting.ts";

const batch = 500;
/** What an outage of the queue may leave unsent in memory; beyond it the database remembers. */
const mostUnsent = 10_000;

export type SweepDeps = {
  db: Db;
  queue: Pick<Queue, "add">;
  /** Who watches an item is told that it ended. */
  bus: Pick<Bus, "publish">;
  log: Log;
  at: At;
  /** What an item took of quotas came back as it ended. */
  dropUsage: DropUsage;
  /** First delay until an item that was swept is looked at again, in seconds. */
  retrySeconds: number;
};

/**
 * Makes one round: adds a job again for every due item that a worker may take, and ends those that
 * can't be saved any more, each in a transaction of its own. The queue is only a wake-up: whatever
 * it loses comes back here. Several workers may sweep at once; the database gives each its rows.
 * Returns how many items were due.
 */
export function createSweep(deps: SweepDeps): (signal: AbortSignal) => Promise<number> {
  const { db, queue, log, at } = deps;
  // Their due times are in the future already; without this they would pay for the outage twice.
  let unsent: DueItem[] = [];

  return async (signal) => {
    let isDown = false;
    const send = async (items: DueItem[]) => {
      if (items.length === 0) return;
      try {
        if (!isDown) return await queue.add("run-item", toJobs(items));
      } catch (error) {
        isDown = true;
        log.warn({ err: safeError(error) }, "the queue takes no jobs");
      }
      unsent = [...unsent, ...items].slice(0, mostUnsent);
    };
    let swept = 0;
    await send(unsent.splice(0));
    for (let full = true; full && !signal.aborted; ) {
      const due = await sweepItems(db, { limit: batch, retrySeconds: deps.retrySeconds });
      swept += due.length;
      if (due.length > 0) await at("after-sweep");
      const [ending, running] = ["end", "run"].map((a) => due.filter(({ action }) => action === a));
      const ended = await endAll(deps, ending ?? [], signal);
      await send(running ?? []);
      // A dead worker's items have kept their slots until now.
      const accounts = new Map(ended.map((item) => [item.accountId, item.itemId]));
      for (const [accountId, by] of isDown ? [] : accounts) {
        await wakeWaiting(deps, { accountId, limit: null, by: `${by}-end` });
      }
      full = due.length >= batch;
    }
    return swept;
  };
}

/** Those that it ended. */
async function endAll(
  { db, bus, log, at, dropUsage }: SweepDeps,
  items: DueItem[],
  signal: AbortSignal,
): Promise<DueItem[]> {
  const ended: DueItem[] = [];
  for (const item of items) {
    if (signal.aborted) break;
    try {
      const reason = await endDueItem(db, item);
      if (reason) log.info({ item: item.itemId, reason }, "ended an item");
      const { accountId, generationId } = item;
      if (reason) bus.publish({ accountId, generationId });
      if (reason) await dropUsage(accountId);
      if (reason) ended.push(item);
      await at("after-end", item.itemId);
    } catch (error) {
      // One that can't be ended must not keep the others from being paid back.
      log.error({ item: item.itemId, err: safeError(error) }, "an item could not be ended");
    }
  }
  return ended;
}
