import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Notes that these accounts were served just now, 1,000 at most. Errors: validation_failed. */
export async function noteActiveAccounts(db: Db, accountIds: string[]): Promise<void> {
  await ask(db`SELECT ducat.note_active_accounts(${accountIds}::uuid[])`);
}

/** Who was served last, the latest first, 10,000 at most. */
export async function listActiveAccounts(db: Db, limit: number): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT ducat.list_active_accounts(${limit}) AS id`);
  return rows.map(({ id }) => id);
}
