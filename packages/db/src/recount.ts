import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { AccountSql } from "./with-account.ts";

/** A line of the roll-ups that is not what its raw rows come to. */
export type RecountDifference = {
  what: "usage" | "revenue" | "statistic";
  /** Null of a statistic: those are of all accounts. */
  account_id: string | null;
  /** Which line: its day, hour (24: the whole day) and labels. */
  key: Record<string, unknown>;
  /** What the roll-up says; null when it has no such line. */
  rolled: Record<string, unknown> | null;
  /** What the raw rows come to; null when there are none behind the line. */
  raw: Record<string, unknown> | null;
};

export type Recount = {
  day: string;
  /** final: all of it was compared; open: those hours that have settled; none: not rolled up. */
  state: "final" | "open" | "none";
  /** Accounts whose lines are about to be computed anew, and were not compared. */
  skipped: number;
  /** 1,000 at most. */
  differences: RecountDifference[];
};

/**
 * Compares the roll-ups of a day (UTC, as in 2026-11-21) with the rows that they were made of. Only
 * reads; for ducat_worker or ducat_owner, also inside a read-only transaction (then of its
 * snapshot). Takes about as long as rolling the day up.
 */
export async function recountDay(db: Db | AccountSql, day: string): Promise<Recount> {
  const [row] = await ask(db<{ recount: Recount }[]>`
    SELECT ducat.recount_day(${day}::date) AS recount`);
  if (!row) throw new Error("recount_day returned no row");
  return row.recount;
}
