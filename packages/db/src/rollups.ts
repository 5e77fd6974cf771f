import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** What one step of the roll-ups was about. */
export type RollUpStep = "hour" | "marks" | "final" | "day";

/**
 * Does the next step of the roll-ups that is due, in one transaction; undefined when none is, or
 * somebody else is at it. What may still change is summed up again once it is older than
 * `maxAgeSeconds`. May be repeated and killed at any time. For ducat_worker.
 */
export async function rollUp(
  db: Db,
  { maxAgeSeconds = 240 }: { maxAgeSeconds?: number } = {},
): Promise<RollUpStep | undefined> {
  const [row] = await ask(db<{ did: RollUpStep | null }[]>`
    SELECT ducat.roll_up(make_interval(secs => ${maxAgeSeconds})) AS did`);
  return row?.did ?? undefined;
}

/**
 * Has these days (UTC, as in 2026-11-21, both included) summed up anew: rows came with times of
 * the past. For ducat_worker. Errors: validation_failed (no span until today, or over 4,000 days).
 */
export async function markDays(
  db: Db,
  { from, to, reason }: { from: string; to: string; reason: string },
): Promise<void> {
  await ask(db`SELECT ducat.mark_days(${from}::date, ${to}::date, ${reason})`);
}
