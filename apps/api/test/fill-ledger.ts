import type { TestDatabase } from "../../../packages/db/test/clone.ts";

/** So many more lines in an account's ledger, in pairs that take a credit and give it back. */
export async function fillLedger(
  { admin }: TestDatabase,
  accountId: string,
  pairs: number,
): Promise<void> {
  await admin.begin(async (sql) => {
    const [account] = await sql<{ seq: number; available: number }[]>`
      UPDATE ducat.credit_accounts SET seq = seq + ${2 * pairs} WHERE account_id = ${accountId}
      RETURNING seq - ${2 * pairs} AS seq, available`;
    if (!account) throw new Error("there is no such account");
    await sql`
      INSERT INTO ducat.credit_entries (account_id, seq, type, amount, available_after, allocations,
        description)
      SELECT ${accountId}, ${account.seq}::bigint + n,
        CASE n % 2 WHEN 1 THEN 'usage' ELSE 'adjustment' END::ducat.entry_type,
        CASE n % 2 WHEN 1 THEN -1 ELSE 1 END,
        ${account.available}::bigint - n % 2, '[]', 'line ' || n
      FROM generate_series(1, ${2 * pairs}::int) n`;
  });
}
