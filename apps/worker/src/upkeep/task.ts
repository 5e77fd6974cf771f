import type { Db } from "@ducat/db/connect";
import type { Log } from "../log.ts";

export type TaskContext = {
  db: Db;
  log: Log;
  /** Aborted when the worker closes, and when the lease of the run is lost. */
  signal: AbortSignal;
  /** What was last saved in this run, or in one that was cut short before it; else null. */
  cursor: unknown;
  /**
   * Writes down where the run is, as JSON of 8 KiB at most; whoever goes on, after a crash too,
   * begins there. It is forgotten when the run ends. Rejects once the lease is lost.
   */
  saveCursor(cursor: unknown): Promise<void>;
};

export type Batch = {
  /** How much was done: rows, files, accounts. */
  done: number;
  /** Whether there is more to do at once; the runner calls again. */
  more: boolean;
};

/**
 * Something that is done again and again, in bounded batches: one call of `run` is one batch (1,000
 * rows and a few seconds at most). A batch may be repeated after a crash, so it must be harmless
 * to do twice.
 */
export type Task = {
  /** Words in lower case joined by hyphens; the row of upkeep_tasks and the label of metrics. */
  name: string;
  /** What it does, for operators: one sentence. */
  about?: string;
  /** Between the end of a run and the next, and a little more at random. */
  everyMs: number;
  /**
   * Every worker does it by its own clock, without a lease and a cursor: for rounds whose rows the
   * database gives to one worker each, and that must go on at once when a worker is gone.
   */
  isParallel?: boolean;
  run(context: TaskContext): Promise<Batch>;
};
