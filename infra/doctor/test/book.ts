import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Db } from "../../../packages/db/src/connect.ts";

/** How many ledger lines an account of the book has beside its single uses. */
export const linesBeside = 12;

/** Writes a clean book of so many accounts with so many ledger lines each. `admin`: a superuser. */
export async function fillBook(
  admin: Db,
  { accounts, lines }: { accounts: number; lines: number },
): Promise<void> {
  const text = await readFile(join(import.meta.dirname, "book.sql"), "utf8");
  await admin.begin(async (tx) => {
    await tx`SELECT set_config('book.accounts', ${String(accounts)}, true),
      set_config('book.usages', ${String(lines - linesBeside)}, true)`;
    await tx.unsafe(text).simple();
  });
  await admin.unsafe("ANALYZE");
}

/** Gives the accounts of the book rows in the other tables that grow, for the planner to weigh. */
export async function fillBeside(admin: Db): Promise<void> {
  await admin
    .unsafe(`
    SET search_path = ducat, pg_temp;
    INSERT INTO blobs (account_id, key, sha256, type, size, purpose)
    SELECT id, id || '/inputs/' || n || '.webp', 'ab', 'image/webp', 1, 'gallery'
    FROM accounts CROSS JOIN generate_series(1, 4) AS n;
    INSERT INTO images (account_id, kind, blob_id, thumbnail_id)
    SELECT account_id, 'user', id, id FROM blobs;
    INSERT INTO usage_logs (account_id, event_id, feature, amount)
    SELECT account_id, id, 'letters', 1 FROM blobs;
    INSERT INTO usage_counters (account_id, feature, period_start)
    SELECT id, 'letters', now() + n * interval '1 day'
    FROM accounts CROSS JOIN generate_series(1, 4) AS n;
    INSERT INTO idempotency_keys (account_id, scope, key, fingerprint)
    SELECT account_id, 'hold', id::text, 'f' FROM blobs;
    INSERT INTO outbox (account_id, type, data) SELECT account_id, 'credits.low', '{}' FROM blobs;
    ANALYZE`)
    .simple();
}
