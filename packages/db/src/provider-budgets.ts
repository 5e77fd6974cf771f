import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** A slice of a day (UTC), in millionths of a US dollar; 0: nothing is left. */
export type BudgetSlice = { day: string; granted: number; holdSeconds: number };

/**
 * Takes a slice of a provider's day for this worker, at least `least`. Not to be repeated when the
 * answer was lost: that slice stays taken. Errors: validation_failed.
 */
export async function takeProviderBudget(
  db: Db,
  provider: string,
  want: { cap: number; least: number; holdSeconds: number },
): Promise<BudgetSlice> {
  const [row] = await ask(db<{ day: string; granted: string; hold_s: number }[]>`
    SELECT day::text, granted::text, hold_s
    FROM ducat.take_provider_budget(${provider}, ${want.cap}, ${want.least},
      ${want.holdSeconds})`);
  if (!row) throw new Error("take_provider_budget returned nothing");
  return { day: row.day, granted: Number(row.granted), holdSeconds: row.hold_s };
}

/** Lets go of a slice or a part of one. Not to be repeated either. Errors: validation_failed. */
export async function returnProviderBudget(
  db: Db,
  provider: string,
  slice: { day: string; granted: number; spent: number },
): Promise<void> {
  await ask(db`SELECT ducat.return_provider_budget(${provider}, ${slice.day}::date,
    ${slice.granted}, ${slice.spent})`);
}
