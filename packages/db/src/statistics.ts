import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** See read_statistics in sql/statistics.sql; docs/statistics.md defines each name. */
export type Statistic = {
  part: "flow" | "before" | "total" | "level";
  name: string;
  labels: Record<string, string>;
  value: number;
};

/** The statistics of these days (UTC, both included). For administrators. */
export async function readStatistics(db: Db, from: string, to: string): Promise<Statistic[]> {
  const rows = await ask(db<(Omit<Statistic, "value"> & { value: string })[]>`
    SELECT * FROM ducat.read_statistics(${from}::date, ${to}::date)`);
  return rows.map((row) => ({ ...row, value: Number(row.value) }));
}

/** How many accounts used something in these days. For administrators. */
export async function countActiveAccounts(db: Db, from: string, to: string): Promise<number> {
  const [row] = await ask(db<{ count: number }[]>`
    SELECT ducat.count_active_accounts(${from}::date, ${to}::date) AS count`);
  return row?.count ?? 0;
}

/** Webhook events and messages that wait for a person. */
export async function countDeadLetters(
  db: Db,
): Promise<{ webhook_events: number; messages: number }> {
  const [row] = await ask(db<{ webhook_events: number; messages: number }[]>`
    SELECT * FROM ducat.count_dead_letters()`);
  return row ?? { webhook_events: 0, messages: 0 };
}
