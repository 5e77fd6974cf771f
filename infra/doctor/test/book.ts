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
