import type postgres from "postgres";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

export type AccountSql = postgres.TransactionSql<{ bigint: number }>;

/**
 * Runs reads (and the few plain writes) as one account: row security shows only its rows. The
 * setting is local to the transaction, so that it can't stay behind on a pooled connection.
 */
export async function withAccount<T>(
  db: Db,
  accountId: string,
  run: (sql: AccountSql) => Promise<T>,
): Promise<T> {
  const result = await ask(
    db.begin(async (sql) => {
      // On its way before the first query of `run`, which goes with it in one round trip. A query
      // that isn't executed here would only start when awaited, after those of an async reader.
      const set = sql`SELECT set_config('ducat.account_id', ${accountId}, true)`.execute();
      const [, value] = await Promise.all([set, Promise.resolve(sql).then(run)]);
      return { value };
    }),
  );
  return result.value as T;
}
