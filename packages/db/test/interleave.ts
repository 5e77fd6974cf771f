import { connectDatabase } from "../src/connect.ts";
import { withAccount } from "../src/with-account.ts";
import type { TestDatabase } from "./clone.ts";
import { makeAccount } from "./factories.ts";
import { makeRandom } from "./parallel.ts";

/**
 * Reads as many accounts in turn over two connections, with transactions that fail, are refused or
 * name no account among them. Returns every row that was seen by an account that it isn't of, and
 * how many rows the right ones saw.
 */
export async function readInterleaved(
  database: Omit<TestDatabase, "close">,
  count: number,
): Promise<{ leaks: unknown[]; seen: number }> {
  const accounts = await Promise.all(Array.from({ length: 7 }, () => makeAccount(database.app)));
  const pool = connectDatabase({ url: database.url, role: "ducat_app", max: 2 });
  const random = makeRandom(count);
  const leaks: unknown[] = [];
  let seen = 0;
  const readOwn = async (accountId: string) => {
    const rows = await withAccount(
      pool,
      accountId,
      (sql) => sql<{ account_id: string }[]>`SELECT account_id FROM ducat.credit_entries`,
    );
    leaks.push(...rows.filter((row) => row.account_id !== accountId));
    seen += rows.length;
  };
  const readNothing = async () => {
    leaks.push(...(await pool`SELECT account_id FROM ducat.credit_entries`));
  };
  const breakOff = (accountId: string, statement: string) =>
    withAccount(pool, accountId, (sql) => sql.unsafe(statement)).catch(() => undefined);
  const throwInside = (accountId: string) =>
    withAccount(pool, accountId, () => Promise.reject(new Error("changed its mind"))).catch(
      () => undefined,
    );
  await Promise.all(
    Array.from({ length: count }, () => {
      const { id } = accounts[random(accounts.length)] ?? { id: "" };
      const kind = random(10);
      if (kind === 0) return readNothing();
      if (kind === 1) return breakOff(id, "SELECT 1 / 0");
      if (kind === 2) return breakOff(id, "INSERT INTO ducat.outbox DEFAULT VALUES");
      if (kind === 3) return throwInside(id);
      return readOwn(id);
    }),
  ).finally(() => pool.end({ timeout: 5 }));
  return { leaks, seen };
}
