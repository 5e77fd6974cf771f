import { toUSVString } from "node:util";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** How far the work on an item is. */
export type Progress = {
  accountId: string;
  generationId: string;
  itemId: string;
  /** Of the claim: what an earlier one says later is not heard. */
  attempt: number;
  /** From 0 to 1; left out: as it was. */
  fraction?: number | undefined;
  /** All that is written so far, whole characters; left out: as it was. */
  text?: string | undefined;
};

/** Of a text as many characters (code points) are kept while its item is worked on. */
export const progressTextLimit = 100_000;

/**
 * Says how far items are, 500 at most in one call; returns how many of them that was news of.
 * Nothing is checked against the items: readers look at the running attempt's row alone.
 */
export async function saveProgress(db: Db, rows: readonly Progress[]): Promise<number> {
  if (rows.length === 0) return 0;
  const list = rows.map((row) => ({
    account_id: row.accountId,
    generation_id: row.generationId,
    item_id: row.itemId,
    attempt: row.attempt,
    fraction: row.fraction,
    text: row.text === undefined ? undefined : toUSVString(row.text.replaceAll("\0", "")),
  }));
  const [row] = await ask(db<{ count: number }[]>`
    SELECT ducat.save_progress(${JSON.stringify(list)}::text::jsonb) AS count`);
  return row?.count ?? 0;
}
