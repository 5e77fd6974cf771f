import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** A task as its workers know it. */
export type RegisteredTask = {
  name: string;
  about: string;
  everySeconds: number;
  isParallel: boolean;
};

/** Says what this worker does; what is new is due within a minute. Errors: validation_failed. */
export async function registerUpkeepTasks(db: Db, tasks: RegisteredTask[]): Promise<void> {
  const rows = tasks.map(({ everySeconds, isParallel, ...task }) => ({
    ...{ ...task, every_s: everySeconds, is_parallel: isParallel },
  }));
  await ask(db`SELECT ducat.register_upkeep_tasks(${db.json(rows)})`);
}

/** `token` is null of a parallel task that was asked for. */
export type UpkeepClaim = { name: string; token: string | null; cursor: unknown };

/** Takes one of these tasks that is due or was asked for; undefined when there is none. */
export async function claimUpkeepTask(
  db: Db,
  names: string[],
  leaseSeconds: number,
): Promise<UpkeepClaim | undefined> {
  const [row] = await ask(db<UpkeepClaim[]>`
    SELECT * FROM ducat.claim_upkeep_task(${names}, ${leaseSeconds})`);
  return row;
}

type Held = Pick<UpkeepClaim, "name" | "token">;

/**
 * Says that a run goes on, what was done since the last word, and where it is, if that is given.
 * False when it is the caller's no more.
 */
export async function extendUpkeepTask(
  db: Db,
  { name, token }: Held,
  more: { leaseSeconds: number; done: number; cursor?: unknown },
): Promise<boolean> {
  const cursor = more.cursor === undefined ? null : JSON.stringify(more.cursor);
  const [row] = await ask(db<{ is_ours: boolean }[]>`
    SELECT ducat.extend_upkeep_task(${name}, ${token}, ${more.leaseSeconds}, ${more.done},
      ${cursor}::text::jsonb) AS is_ours`);
  return row?.is_ours ?? false;
}

export type UpkeepEnd = { done: number; everySeconds: number } & (
  | { outcome: "done" | "paused" }
  | { outcome: "failed"; error: string; keepsCursor: boolean }
);

/** Lets go of a run; see finish_upkeep_task. False when it is the caller's no more. */
export async function finishUpkeepTask(
  db: Db,
  { name, token }: Held,
  end: UpkeepEnd,
): Promise<boolean> {
  const failure = end.outcome === "failed" ? end : { error: null, keepsCursor: true };
  const [row] = await ask(db<{ is_ours: boolean }[]>`
    SELECT ducat.finish_upkeep_task(${name}, ${token}, ${end.outcome}, ${end.done},
      ${end.everySeconds}, ${failure.error}, ${failure.keepsCursor}) AS is_ours`);
  return row?.is_ours ?? false;
}

/** What a worker did of a parallel task since it last said so. */
export type UpkeepNote = {
  name: string;
  runs: number;
  failures: number;
  done: number;
  /** How the last of the runs ended, and why. */
  is_ok: boolean;
  error: string | null;
};

/** Writes down what was done of parallel tasks. Errors: validation_failed (over 200 of them). */
export async function noteUpkeepRuns(db: Db, notes: UpkeepNote[]): Promise<void> {
  await ask(db`SELECT ducat.note_upkeep_runs(${db.json(notes)})`);
}

/** A task as operators see it. Times are RFC 3339 as PostgreSQL writes them. */
export type UpkeepTask = {
  name: string;
  about: string;
  every_seconds: number;
  is_parallel: boolean;
  state: "running" | "waiting" | "idle";
  /** Null of a parallel task. */
  next_due_at: string | null;
  requested_at: string | null;
  requested_by: string | null;
  started_at: string | null;
  finished_at: string | null;
  ok_at: string | null;
  error: string | null;
  done: number;
  done_total: number;
  runs: number;
  failures: number;
  failures_in_row: number;
  ok_age_seconds: number | null;
  overdue_seconds: number;
};

/** All tasks that workers name, by name. */
export async function listUpkeepTasks(db: Db): Promise<UpkeepTask[]> {
  const rows = await ask(db<{ task: UpkeepTask }[]>`
    SELECT task FROM ducat.list_upkeep_tasks() AS task`);
  return rows.map(({ task }) => task);
}

/**
 * Asks for a run as soon as possible, with an audit line. Errors: not_found, invalid_state
 * (reason: running).
 */
export async function requestUpkeepRun(
  db: Db,
  { name, audit }: { name: string; audit: Audit },
): Promise<UpkeepTask> {
  const [row] = await ask(db<{ task: UpkeepTask }[]>`
    SELECT ducat.request_upkeep_run(${name}, ${db.json(audit)}) AS task`);
  if (!row) throw new Error("request_upkeep_run returned no row");
  return row.task;
}
