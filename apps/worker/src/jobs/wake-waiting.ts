import type { Db } from "@ducat/db/connect";
import { listWaitingItems } from "@ducat/db/items";
import type { Queue } from "@ducat/queue/queue";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { toJob } from "./run-item-job.ts";

type WakeDeps = { db: Db; queue: Pick<Queue, "add">; log: Log };

type Freed = {
  accountId: string;
  /** How many slots the account has; null: as many as whoever waits first may have. */
  limit: number | null;
  /** What gave its slot back, in a job's id. */
  by: string;
};

/**
 * Adds the jobs of those items that stand in line for the slots of an account that are free now.
 * They go to the end of the queue, behind what other accounts have there. Never rejects: what is
 * not woken here the sweeper finds when it is due.
 */
export async function wakeWaiting({ db, queue, log }: WakeDeps, freed: Freed): Promise<void> {
  const { accountId, limit, by } = freed;
  try {
    const waiting = await listWaitingItems(db, accountId, limit);
    if (waiting.length === 0) return;
    const jobs = waiting.map((one) => toJob({ ...one, accountId }));
    // The job that was refused may not have ended yet: the queue would take one of its name for it.
    const wakes = jobs.map((job) => ({ ...job, id: `${job.id}-${by}` }));
    await queue.add("run-item", wakes);
  } catch (error) {
    log.warn({ account: accountId, err: safeError(error) }, "who waits is left to the sweeper");
  }
}
