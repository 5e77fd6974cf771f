import type { Db } from "./connect.ts";
import type { Audit, RequestKey } from "./credits.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

/** What fell due, when by the account's own time, and of what. */
export type Ran = { at: string; what: string; id?: string };

/**
 * A move of an account's clock; `done_at` is the account's time at its end, null until then.
 * `ticks`: how many steps of the account's moves are done.
 */
export type ClockRun = { run_id: string; ran: Ran[]; done_at: string | null; ticks: number };

/** A moment that the clock has been moved to; `at` is null in the last one. */
export type ClockStep = {
  run_id: string;
  step: number;
  at: string | null;
  ran: Ran[];
  is_last: boolean;
};

/**
 * Begins a move of the account's clock, once per key; a repeat returns the run as it is now.
 * Errors: idempotency_conflict, not_found, validation_failed (over ten years).
 */
export async function beginClockRun(
  db: Db,
  accountId: string,
  move: RequestKey & { seconds: number; audit: Audit },
): Promise<ClockRun> {
  const [row] = await ask(db<{ run: ClockRun }[]>`
    SELECT ducat.begin_clock_run(${accountId}, ${move.seconds}, ${move.key}, ${move.fingerprint},
      ${JSON.stringify(move.audit)}::text::jsonb) AS run`);
  if (!row) throw new Error("begin_clock_run returned no row");
  return row.run;
}

/**
 * Moves the account's clock to the next moment of its oldest open run and returns what is to be
 * done there. `also` is what falls due in books of others, read when `ticks` steps were done.
 * Undefined when no run is open or more steps are done by now: then read both again. A step that
 * was not recorded is returned again.
 */
export async function tickClock(
  db: Db,
  accountId: string,
  { ticks, also = [] }: { ticks: number; also?: readonly Ran[] },
): Promise<ClockStep | undefined> {
  const [row] = await ask(db<{ step: ClockStep | null }[]>`
    SELECT ducat.tick_clock(${accountId}, ${ticks}, ${JSON.stringify(also)}::text::jsonb) AS step`);
  return row?.step ?? undefined;
}

/** Writes down that a step was done; returns its run. Safe to repeat. */
export async function recordTick(
  db: Db,
  accountId: string,
  { run_id, step }: Pick<ClockStep, "run_id" | "step">,
): Promise<ClockRun> {
  const [row] = await ask(db<{ run: ClockRun }[]>`
    SELECT ducat.record_tick(${accountId}, ${run_id}, ${step}) AS run`);
  if (!row) throw new Error("record_tick returned no row");
  return row.run;
}

/**
 * Does everything in our own books that is due for an account by now, each part in a transaction
 * of its own, as the workers' rounds do. Does nothing twice. Errors: not_found.
 */
export async function runAccountDue(db: Db, accountId: string): Promise<void> {
  const run = (part: string, subscriptionId: string | null = null) =>
    ask(db`SELECT ducat.run_account_due(${accountId}, ${part}, ${subscriptionId})`);
  await run("expiry");
  const subscriptions = await withAccount(
    db,
    accountId,
    (sql) => sql<{ id: string }[]>`
      SELECT id FROM ducat.subscriptions
      WHERE account_id = ${accountId} AND (ended_at IS NULL OR next_refill_at IS NOT NULL)
      ORDER BY id LIMIT 100`,
  );
  for (const { id } of subscriptions) {
    await run("period", id);
    await run("month", id);
  }
  await run("base");
  await run("passes");
}
