import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

export type UsageGroup =
  | "day"
  | "account"
  | "style"
  | "model"
  | "feature"
  | "language"
  | "category";

/** Days are UTC, as in 2026-11-21, both included. */
export type UsageSpan = {
  from: string;
  to: string;
  /** The last two name nothing: the total of features, and of items alone. */
  groupBy: readonly (UsageGroup | "all_features" | "all_items")[];
};

/** What a line is about; null where it is not asked for. */
export type UsageKey = Record<UsageGroup, string | null>;

/** Sums of use. Credits and counts are whole numbers, times milliseconds. */
export type UsageSums = {
  completed: number;
  failed: number;
  canceled: number;
  /** Items that were rows of a batch. */
  batch_items: number;
  /** Of features: how much was used. */
  amount: number;
  /** Credits that items took, that they gave back, and that were spent without an item. */
  charged: number;
  paid_back: number;
  consumed: number;
  input_tokens: number;
  output_tokens: number;
  response_count: number;
  response_ms: number;
  response_ms_max: number;
  response_buckets: number[];
  /** Items whose cost is known, and what they cost, in millionths of a dollar. */
  costed: number;
  provider_cost_micros: number;
};

export type UsageLine = UsageKey & UsageSums;

/** What credits that items took had cost, in millionths of the currency's smallest unit. */
export type RevenueLine = Pick<UsageKey, "day" | "account" | "style" | "model"> & {
  currency: string;
  amount_micros: bigint;
};

type Row = Record<keyof UsageSums, number | string | number[] | null> & UsageKey;

/** What an account used: `limit` lines at most (5,001), largest first by day. Errors: not_found. */
export async function summarizeUsage(
  db: Db,
  accountId: string,
  { from, to, groupBy, limit }: UsageSpan & { limit: number },
): Promise<UsageLine[]> {
  const rows = await ask(db<Row[]>`
    SELECT u.*, u.day::text FROM ducat.summarize_usage(${accountId}, ${from}::date, ${to}::date,
      ${[...groupBy]}, ${limit}) AS u`);
  return rows.map(toLine);
}

/** What all accounts used, or one of them: for administrators. */
export async function summarizeAllUsage(
  db: Db,
  { accountId, from, to, groupBy, limit }: UsageSpan & { accountId?: string; limit: number },
): Promise<UsageLine[]> {
  const rows = await ask(db<Row[]>`
    SELECT u.*, u.day::text FROM ducat.summarize_all_usage(${accountId ?? null}, ${from}::date,
      ${to}::date, ${[...groupBy]}, ${limit}) AS u`);
  return rows.map(toLine);
}

type RevenueKey = Pick<UsageKey, "day" | "account" | "style" | "model">;

/**
 * What items brought: for administrators. Of the groups only day, account, style and model; of the
 * lines only those that are named, where they are: there may be as many as accounts and days.
 */
export async function summarizeRevenue(
  db: Db,
  {
    accountId,
    from,
    to,
    groupBy,
    lines,
  }: UsageSpan & { accountId?: string; lines?: readonly RevenueKey[] },
): Promise<RevenueLine[]> {
  const keys = lines?.map(({ day, account, style, model }) => [day, account, style, model]);
  const rows = await ask(db<(Omit<RevenueLine, "amount_micros"> & { amount_micros: string })[]>`
    SELECT r.*, r.day::text FROM ducat.summarize_revenue(${accountId ?? null}, ${from}::date,
      ${to}::date, ${[...groupBy]}, ${keys ? JSON.stringify(keys) : null}::text::jsonb) AS r`);
  return rows.map((row) => ({ ...row, amount_micros: BigInt(row.amount_micros) }));
}

export type RollupAge = {
  /** When the newest day was last told; null before the first time. */
  computed_at: Date | null;
  /** Days of the span that are still to be summed up. */
  pending_days: number;
};

/** How fresh the sums of these days are. */
export async function readRollupAge(db: Db, from: string, to: string): Promise<RollupAge> {
  const [row] = await ask(db<RollupAge[]>`
    SELECT * FROM ducat.read_rollup_age(${from}::date, ${to}::date)`);
  return row ?? { computed_at: null, pending_days: 0 };
}

function toLine(row: Row): UsageLine {
  const { day, account, style, model, feature, language, category, ...sums } = row;
  const buckets = (row.response_buckets as (number | string)[] | null) ?? [];
  const numbers = Object.entries(sums).map(([name, value]) => [name, Number(value ?? 0)]);
  return {
    ...{ day, account, style, model, feature, language, category },
    ...(Object.fromEntries(numbers) as Omit<UsageSums, "response_buckets">),
    response_buckets: buckets.map(Number),
  };
}
