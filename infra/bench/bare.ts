import type { Db } from "../../packages/db/src/connect.ts";

/** One prepared call that does one UPDATE and one INSERT. */
export const spend = (db: Db, accountId: string) =>
  db<{ balance: number }[]>`SELECT bare.spend(${accountId}, 1) AS balance`;

/** One prepared SELECT of the newest rows that one index finds. */
export const listWorks = (db: Db, accountId: string, limit: number) => db`
  SELECT id, style, status, input, output, cost, created_at FROM bare.works
  WHERE account_id = ${accountId} ORDER BY id DESC LIMIT ${limit}`;

export const listTransactions = (db: Db, accountId: string, limit: number) => db`
  SELECT seq, type, amount, balance_after, created_at FROM bare.transactions
  WHERE account_id = ${accountId} ORDER BY seq DESC LIMIT ${limit}`;
