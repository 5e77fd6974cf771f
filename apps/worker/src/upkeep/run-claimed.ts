import type { Db } from "@ducat/db/connect";
import { finishUpkeepTask, type UpkeepClaim, type UpkeepEnd } from "@ducat/db/upkeep";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { holdLease, type Lease, LeaseLost } from "./lease.ts";
import type { UpkeepMeter } from "./meter.ts";
import { nameFailure } from "./name-failure.ts";
import type { Batch, Task } from "./task.ts";

export type ClaimedDeps = {
  db: Db;
  log: Log;
  meter: UpkeepMeter;
  /** How long a run stays with a worker of which nothing is heard. */
  leaseMs: number;
  /** A run that takes longer lets others have their turn, and goes on behind them. */
  sliceMs: number;
  /** Aborted when the worker closes. */
  closing: AbortSignal;
};

/**
 * Does batches of a claimed run until there is no more to do, its turn is over, or the worker
 * closes, and lets go of it. Never rejects. `settled` is when the task itself came to rest: one
 * that is deaf to its signal may be at work for longer than the run is ours.
 */
export function runClaimed(
  deps: ClaimedDeps,
  task: Task,
  claim: UpkeepClaim,
): { ended: Promise<void>; settled: Promise<void> } {
  const lease = holdLease(deps.db, claim, deps);
  const work: Work = {
    deps,
    task,
    claim,
    lease,
    batches: 0,
    unsaid: 0,
    running: Promise.resolve(),
  };
  const ended = finish(work).finally(() => lease.release());
  return { ended, settled: ended.then(() => work.running) };
}

type Work = {
  deps: ClaimedDeps;
  task: Task;
  claim: UpkeepClaim;
  lease: Lease;
  /** How many came to their end. */
  batches: number;
  /** What was done and is not written down. */
  unsaid: number;
  /** The last batch; it never rejects. */
  running: Promise<void>;
};

async function finish(work: Work): Promise<void> {
  const { deps, task, claim, lease } = work;
  const { db, log, meter } = deps;
  const startedAt = performance.now();
  let end: "done" | "paused" | "failed" | "lost";
  let error: unknown;
  try {
    end = await runSlice(work, startedAt);
  } catch (thrown) {
    error = thrown;
    // A task that is asked to end may do so by throwing.
    end = lease.isLost() ? "lost" : deps.closing.aborted ? "paused" : "failed";
  }
  meter.ran(task.name, { outcome: end, ms: performance.now() - startedAt });
  if (end === "lost") return log.warn({ task: task.name }, "another worker may have this run now");
  if (end === "failed") log.warn({ task: task.name, err: safeError(error) }, "upkeep failed");
  const counts = { done: work.unsaid, everySeconds: task.everyMs / 1_000 };
  const how: UpkeepEnd =
    end === "failed"
      ? { ...counts, outcome: end, error: nameFailure(error), keepsCursor: work.batches > 0 }
      : { ...counts, outcome: end };
  try {
    const isOurs = await finishUpkeepTask(db, claim, how);
    if (isOurs && end === "done") log.info({ task: task.name }, "upkeep is done");
  } catch (thrown) {
    log.warn({ task: task.name, err: safeError(thrown) }, "the end of upkeep was not written down");
  }
}

async function runSlice(work: Work, startedAt: number): Promise<"done" | "paused"> {
  const { deps, lease } = work;
  let { cursor } = work.claim;
  const saveCursor = async (at: unknown) => {
    cursor = at;
    await lease.extend({ done: 0, cursor: at });
  };
  for (;;) {
    const { done, more } = await runBatch(work, { cursor, saveCursor });
    work.batches += 1;
    work.unsaid += done;
    deps.meter.did(work.task.name, done);
    if (!more) return "done";
    if (deps.closing.aborted || performance.now() - startedAt > deps.sliceMs) return "paused";
    await lease.extend({ done: work.unsaid });
    work.unsaid = 0;
  }
}

type Place = { cursor: unknown; saveCursor(cursor: unknown): Promise<void> };

/** One batch; rejects when the lease is lost meanwhile, whatever the task does about that. */
async function runBatch(work: Work, place: Place): Promise<Batch> {
  const { db, log } = work.deps;
  const { signal } = work.lease;
  const batch = work.task.run({ db, log, signal, ...place });
  work.running = batch.then(
    () => undefined,
    () => undefined,
  );
  return await new Promise<Batch>((resolve, reject) => {
    const stop = () => {
      if (signal.reason instanceof LeaseLost) reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    batch.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
