import type { Db } from "../src/connect.ts";
import { toDay } from "./raw-rows.ts";
import { type Begun, type RawGeneration, readState } from "./read-state.ts";

/** A line of a roll-up under its name, for comparing. */
export type Lines = Record<string, unknown>;
export type Folded = { usage: Lines; revenue: Lines; stats: Lines };

type Of = { account_id: string };
type Raw = {
  accounts: { id: string; kind: string; created_at: Date; erased_at: Date | null }[];
  credit_grants: (Of & { id: string; source: string; payment_id: string; created_at: Date })[];
  credit_entries: (Of & {
    seq: number;
    type: string;
    amount: number;
    debt_change: number;
    hold_id: string | null;
    allocations: [string, number][];
    created_at: Date;
  })[];
  generations: (Of & RawGeneration)[];
  generation_items: (Of & Item & Begun)[];
  styles: { id: string; version: number; generator: string; params: { model?: string } }[];
  payments: (Of & Payment)[];
  prices: { id: string; interval: string }[];
  subscriptions: {
    provider: string;
    status: string;
    started_at: Date;
    period_start: Date | null;
    ended_at: Date | null;
  }[];
  usage_logs: (Of & {
    feature: string;
    amount: number;
    created_at: Date;
    released_at: Date | null;
  })[];
};

type Item = {
  generation_id: string;
  status: "completed" | "failed" | "canceled";
  input: { params?: Record<string, unknown> } | null;
  captured: number;
  refunded: number;
  cost_from: number;
  error_code: string | null;
  usage: Record<string, unknown> | null;
  response_time_ms: number | null;
  provider_cost_micros: number | null;
  completed_at: Date | null;
};

type Payment = {
  id: string;
  provider: string;
  currency: string;
  price_id: string | null;
  reason: string | null;
  charged: number | null;
  refunded: number;
  disputed: number;
  reversed: number;
  credits: number;
  credits_granted: number;
  paid_at: Date | null;
};

const hourMs = 3_600_000;
const bounds = [
  100, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000,
  300_000,
];

/**
 * What the raw rows come to, as docs/statistics.md says it and by no query: every line of the
 * roll-ups of these days, by the hour, or of a final day as hour 24.
 */
export async function foldRollups(
  admin: Db,
  days: string[],
  isFinal: (day: string) => boolean,
): Promise<Folded> {
  const raw = await readRaw(admin);
  const folded: Folded = { usage: {}, revenue: {}, stats: {} };
  const hourOf = (at: Date) => {
    const day = toDay(at.getTime());
    if (!days.includes(day)) return undefined;
    return { day, hour: isFinal(day) ? 24 : at.getUTCHours() };
  };
  foldItems(raw, folded, hourOf);
  foldUse(raw, folded, hourOf);
  foldEntries(raw, folded, hourOf);
  for (const generation of raw.generations) {
    const status = readState(generation, raw.generation_items);
    addStat(folded, hourOf(generation.created_at), "generations", { status });
  }
  for (const day of days) foldDay(raw, folded, day);
  return { ...folded, stats: withoutZeros(folded.stats) };
}

async function readRaw(admin: Db): Promise<Raw> {
  const names = ["accounts", "credit_grants", "credit_entries", "generations", "generation_items"];
  names.push("styles", "payments", "prices", "subscriptions", "usage_logs");
  const read = async (name: string) => [name, await admin.unsafe(`SELECT * FROM ducat.${name}`)];
  return Object.fromEntries(await Promise.all(names.map(read))) as Raw;
}

type HourOf = (at: Date) => { day: string; hour: number } | undefined;

function addStat(
  { stats }: Folded,
  at: { day: string; hour: number } | undefined,
  name: string,
  labels: Record<string, unknown> = {},
  value = 1,
): void {
  if (!at) return;
  const key = JSON.stringify([at.day, at.hour, name, sortKeys(labels)]);
  stats[key] = ((stats[key] as number | undefined) ?? 0) + value;
}

/** A sum of nothing and one that comes to nothing say the same. */
export const withoutZeros = <T>(sums: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(sums).filter(([, value]) => value !== 0));

export const sortKeys = (labels: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

const usageKey = (line: Record<string, unknown>) =>
  JSON.stringify(
    ["account_id", "day", "hour", "source", "style_id", "style_version", "model", "feature"]
      .concat(["language", "category", "is_batch"])
      .map((name) => line[name]),
  );

const noKey = {
  style_id: "",
  style_version: 0,
  model: "",
  feature: "",
  language: "",
  category: "",
};

type Line = Record<string, number> & { response_buckets: number[] };

function lineOf({ usage }: Folded, key: Record<string, unknown>): Line {
  const name = usageKey({ ...noKey, is_batch: false, ...key });
  usage[name] ??= {
    ...{ completed: 0, failed: 0, canceled: 0, amount: 0, charged: 0, paid_back: 0 },
    ...{ input_tokens: 0, output_tokens: 0, response_count: 0, response_ms: 0 },
    ...{ response_ms_max: 0, response_buckets: bounds.map(() => 0).concat(0) },
    ...{ costed: 0, provider_cost_micros: 0 },
  };
  return usage[name] as Line;
}

const add = (line: Line, name: string, value: number) => {
  line[name] = (line[name] ?? 0) + value;
};

const readParam = (params: Record<string, unknown>, name: string) => {
  const value = params[name];
  return typeof value === "string" ? value.trim().slice(0, 64).trim() : "";
};
const readCount = (value: unknown) => (typeof value === "number" ? value : 0);

function foldItems(raw: Raw, folded: Folded, hourOf: HourOf): void {
  for (const item of raw.generation_items) {
    const generation = raw.generations.find(({ id }) => id === item.generation_id);
    const at = item.completed_at === null ? undefined : hourOf(item.completed_at);
    if (!at || !generation) continue;
    const { account_id, style_id, style_version } = generation;
    const style = raw.styles.find(
      ({ id, version }) => id === style_id && version === style_version,
    );
    const named = style?.params.model ? `:${style.params.model}` : "";
    const key = { account_id, ...at, style_id, style_version, model: style?.generator + named };
    const params = { ...generation.params, ...item.input?.params };
    const line = lineOf(folded, {
      ...{ ...key, source: "generation", is_batch: item.input !== null },
      language: readParam(params, "language"),
      category: readParam(params, "category"),
    });
    foldItem(item, line);
    const labels = { status: item.status, ...(item.error_code && { error_code: item.error_code }) };
    addStat(folded, at, "items", labels);
    for (const { feature, amount } of (item.status === "completed" && generation.usage) || []) {
      if (amount === 0 || feature.startsWith("_")) continue;
      add(lineOf(folded, { account_id, ...at, source: "feature", feature }), "amount", amount);
    }
    foldRevenue(raw, folded, { item, generation, key });
  }
}

function foldItem(item: Item, line: Line): void {
  add(line, item.status, 1);
  add(line, "charged", item.captured);
  add(line, "paid_back", item.refunded);
  add(line, "input_tokens", readCount(item.usage?.input_tokens));
  add(line, "output_tokens", readCount(item.usage?.output_tokens));
  const ms = item.response_time_ms;
  if (ms !== null) {
    add(line, "response_count", 1);
    add(line, "response_ms", ms);
    line.response_ms_max = Math.max(line.response_ms_max ?? 0, ms);
    const bucket = bounds.filter((bound) => bound <= ms).length;
    line.response_buckets[bucket] = (line.response_buckets[bucket] ?? 0) + 1;
  }
  if (item.provider_cost_micros !== null) {
    add(line, "costed", 1);
    add(line, "provider_cost_micros", item.provider_cost_micros);
  }
}

type Worked = {
  item: Item;
  generation: Of & RawGeneration;
  key: Record<"account_id" | "day" | "style_id" | "model", string> &
    Record<"hour" | "style_version", number>;
};

function foldRevenue(raw: Raw, { revenue }: Folded, { item, generation, key }: Worked): void {
  const entry = raw.credit_entries.find(
    ({ account_id, seq }) => account_id === generation.account_id && seq === generation.entry_seq,
  );
  let at = 0;
  for (const [grantId, n] of entry?.allocations ?? []) {
    const from = Math.max(at, item.cost_from);
    const to = Math.min(at + n, item.cost_from + item.captured);
    at += n;
    const grant = raw.credit_grants.find(({ id }) => id === grantId);
    const payment = raw.payments.find(({ id }) => id === grant?.payment_id);
    const worth = payment && findWorth(raw, payment);
    if (to <= from || !payment || !worth || worth.net <= 0) continue;
    const { account_id, day, hour, style_id, style_version, model } = key;
    const name = JSON.stringify(
      [account_id, day, hour, style_id, style_version, model].concat(payment.currency),
    );
    const micros = (BigInt(to - from) * BigInt(worth.net) * 1_000_000n) / BigInt(worth.credits);
    revenue[name] = ((revenue[name] as bigint | undefined) ?? 0n) + micros;
  }
}

function findWorth(raw: Raw, payment: Payment) {
  const interval = raw.prices.find(({ id }) => id === payment.price_id)?.interval;
  const { credits, credits_granted, charged, reversed, reason } = payment;
  const promised = credits * (interval === "year" ? 12 : 1);
  return {
    net: (charged ?? 0) - reversed,
    credits: Math.max(1, credits_granted, reason === "update" ? 0 : promised),
  };
}

function foldUse(raw: Raw, folded: Folded, hourOf: HourOf): void {
  for (const { account_id, feature, amount, created_at, released_at } of raw.usage_logs) {
    const at = hourOf(created_at);
    if (!at || released_at !== null) continue;
    add(lineOf(folded, { account_id, ...at, source: "feature", feature }), "amount", amount);
  }
}

function foldEntries(raw: Raw, folded: Folded, hourOf: HourOf): void {
  for (const { account_id, type, amount, debt_change, hold_id, created_at } of raw.credit_entries) {
    const at = hourOf(created_at);
    if (!at) continue;
    const direction = amount > 0 ? "in" : "out";
    if (amount !== 0) addStat(folded, at, "credits", { type, direction }, Math.abs(amount));
    if (debt_change !== 0) addStat(folded, at, "debt", {}, debt_change);
    if (type === "trial") addStat(folded, at, "trials_granted");
    if (type !== "usage" && !(type === "refund" && hold_id !== null)) continue;
    const line = lineOf(folded, { account_id, ...at, source: "spend" });
    add(line, amount > 0 ? "paid_back" : "charged", Math.abs(amount));
    if (amount < 0) add(line, "amount", 1);
  }
}

function foldDay(raw: Raw, folded: Folded, day: string): void {
  const at = { day, hour: 24 };
  const isOn = (moment: Date | null) => moment !== null && toDay(moment.getTime()) === day;
  for (const { kind, created_at, erased_at } of raw.accounts) {
    if (isOn(created_at)) addStat(folded, at, "accounts_created", { kind });
    if (isOn(erased_at)) addStat(folded, at, "accounts_erased", { kind });
  }
  const paid = raw.payments.filter(({ paid_at, charged }) => paid_at && charged);
  for (const payment of paid.filter(({ paid_at }) => isOn(paid_at))) {
    const { provider, currency, charged, refunded, disputed, reversed } = payment;
    const measures = { count: 1, gross: charged ?? 0, refunded, disputed, reversed };
    for (const [measure, value] of Object.entries(measures)) {
      addStat(folded, at, "payments", { provider, currency, measure }, value);
    }
  }
  const counted = raw.subscriptions.filter(
    ({ provider, status, period_start }) =>
      provider !== "manual" && status !== "incomplete" && period_start !== null,
  );
  for (const { provider, started_at, ended_at } of counted) {
    if (isOn(started_at)) addStat(folded, at, "subscriptions_started", { provider });
    if (isOn(ended_at)) addStat(folded, at, "subscriptions_ended", { provider });
  }
  const end = new Date(Date.parse(day) + 24 * hourMs);
  const converted = raw.accounts.filter(({ id }) => {
    const own = paid.filter(({ account_id }) => account_id === id).map(({ paid_at }) => paid_at);
    const first = own.sort((a, b) => Number(a) - Number(b))[0];
    const hasTrial = raw.credit_grants.some(
      ({ account_id, source, created_at }) =>
        account_id === id && source === "trial" && created_at < end,
    );
    return hasTrial && isOn(first ?? null);
  });
  if (converted.length > 0) addStat(folded, at, "trials_converted", {}, converted.length);
  const lines = Object.keys(folded.usage).map((key) => JSON.parse(key) as [string, string]);
  const active = new Set(lines.filter(([, on]) => on === day).map(([id]) => id)).size;
  if (active > 0) addStat(folded, at, "active_accounts", {}, active);
}

/** The roll-ups of these days in the form of a fold. */
export async function readFolded(admin: Db, days: string[]): Promise<Folded> {
  const folded: Folded = { usage: {}, revenue: {}, stats: {} };
  const uses = await admin<Record<string, number>[]>`
    SELECT *, day::text, response_buckets::text[] AS buckets FROM ducat.usage_rollups
    WHERE day = ANY (${days})`;
  for (const row of uses) {
    const { account_id, day, hour, source, is_batch, buckets, ...sums } = row;
    for (const name of Object.keys(noKey)) delete sums[name];
    const response_buckets = (buckets as unknown as string[]).map(Number);
    folded.usage[usageKey(row)] = { ...sums, response_buckets };
  }
  const revenues = await admin<Record<string, string>[]>`
    SELECT account_id, day::text, hour, style_id, style_version, model, currency, amount_micros
    FROM ducat.revenue_rollups WHERE day = ANY (${days})`;
  for (const { amount_micros, ...key } of revenues) {
    folded.revenue[JSON.stringify(Object.values(key))] = BigInt(amount_micros ?? 0);
  }
  const levels = ["subscriptions", "mrr", "subscriptions_unpriced", "balances", "levels_read"];
  const stats = await admin`
    SELECT *, day::text FROM ducat.stat_rollups
    WHERE day = ANY (${days}) AND name <> ALL (${levels})`;
  for (const { day, hour, name, labels, value } of stats) {
    folded.stats[JSON.stringify([day, hour, name, sortKeys(labels)])] = Number(value);
  }
  return { ...folded, stats: withoutZeros(folded.stats) };
}

/** The levels as they are now, under their names and labels. */
export async function foldLevels(admin: Db): Promise<Record<string, number>> {
  const levels: Record<string, number> = {};
  const add = (name: string, labels: Record<string, unknown>, value = 1) => {
    const key = JSON.stringify([name, sortKeys(labels)]);
    levels[key] = (levels[key] ?? 0) + value;
  };
  const rows = await admin<Subscribed[]>`
    SELECT s.*, p.key, p.grace_days, r.amount, r.currency, r.interval AS price_interval
    FROM ducat.subscriptions s JOIN ducat.products p ON p.id = s.product_id
    LEFT JOIN ducat.prices r ON r.id = s.price_id`;
  const twelfths: Record<string, number> = {};
  for (const { key, status, provider, ...row } of rows) {
    if (status === "incomplete" || status === "canceled") continue;
    const isManual = provider === "manual";
    add("subscriptions", { plan: key, status, is_manual: String(isManual) });
    if (isManual) continue;
    const graceEnds = Number(row.past_due_at ?? 0) + row.grace_days * 24 * hourMs;
    const counts = status === "active" || (status === "past_due" && Date.now() < graceEnds);
    if (status === "active" && row.amount === null) add("subscriptions_unpriced", {});
    if (!counts || row.amount === null || row.currency === null) continue;
    const parts = row.price_interval === "year" ? 1 : 12;
    twelfths[row.currency] = (twelfths[row.currency] ?? 0) + row.amount * parts;
  }
  for (const [currency, n] of Object.entries(twelfths)) {
    add("mrr", { currency }, Math.floor(n / 12));
  }
  const balances = await admin<Record<string, number>[]>`
    SELECT available, trial, bound, held, debt FROM ducat.credit_accounts`;
  for (const [part, n] of balances.flatMap((row) => Object.entries(row))) {
    if (n > 0) add("balances", { part }, n);
  }
  add("levels_read", {});
  return levels;
}

type Subscribed = {
  key: string;
  status: string;
  provider: string;
  past_due_at: Date | null;
  grace_days: number;
  amount: number | null;
  currency: string | null;
  price_interval: string | null;
};
