import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** The ids of generations that have not ended, 1,000 at most. */
export async function listRunning(db: Db, accountId: string): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.list_running(${accountId}, 1000) AS id`);
  return rows.map(({ id }) => id);
}

/**
 * Takes all that is personal out of an account, for ever; its ledger and payments stay. Returns
 * the keys of the files to remove. `isConfirmed`: a subscription that is canceled and only runs
 * until its end is no obstacle.
 * Errors: not_found, invalid_state (reason: erased, generations with `open`, subscription).
 */
export async function eraseAccount(
  db: Db,
  accountId: string,
  { isConfirmed, audit }: { isConfirmed: boolean; audit: Audit },
): Promise<string[]> {
  const rows = await ask(
    db.begin(async (sql) => {
      // One account may have a million items: they go at once, and nobody else waits for them.
      await sql`SET LOCAL statement_timeout = '10min'`;
      return await sql<{ key: string }[]>`
        SELECT key FROM ducat.erase_account(${accountId}, ${isConfirmed},
          ${JSON.stringify(audit)}::text::jsonb) AS key`;
    }),
  );
  return rows.map(({ key }) => key);
}
