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
   * Writes down where the run is, as JSON; whoever goes on after a crash begins there. It is
   * forgotten when the run ends. Rejects, as does everything after it, once the lease is lost.
   */
  saveCursor(cursor: unknown): Promise<void>;
};

/**
 * Something that is done again and again, in bounded batches: one call of `run` is one batch (1,000
 * rows and a few seconds at most) and says how much it did and whether there is more to do at once.
 * A batch may be repeated after a crash, so it must be harmless to do twice.
 */
export type Task = {
  /** Words in lower case joined by hyphens; the row of upkeep_tasks and the label of metrics. */
  name: string;
  /** What it does, for operators: one sentence. */
  about?: string;
  /** Between the end of a run and the next, and a little more at random. */
  everyMs: number;
  run(context: TaskContext): Promise<{ done: number; more: boolean }>;
};
