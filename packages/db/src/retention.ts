import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Accounts with results that are kept too long; `lastId` is where to go on, null at the end. */
export type OutdatedAccounts = { lastId: string | null; due: string[] };

/** Looks at the next accounts, 500 at most. For workers: sees every account. */
export async function findOutdatedAccounts(
  db: Db,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<OutdatedAccounts> {
  const [row] = await ask(db<OutdatedAccounts[]>`
    SELECT last_id AS "lastId", due
    FROM ducat.find_outdated_accounts(${after ?? null}::uuid, ${limit})`);
  return row ?? { lastId: null, due: [] };
}

/**
 * Forgets an account's oldest results that are kept longer than its plan says, `limit` at most.
 * Returns how many, and the keys of the files to remove. Errors: not_found.
 */
export async function removeOutdatedResults(
  db: Db,
  accountId: string,
  limit: number,
): Promise<{ items: number; keys: string[] }> {
  const [row] = await ask(db<{ items: number; keys: string[] }[]>`
    SELECT * FROM ducat.remove_outdated_results(${accountId}, ${limit})`);
  return row ?? { items: 0, keys: [] };
}
