import { randomUUID } from "node:crypto";
import type { Db } from "../src/connect.ts";

/**
 * Rows as statistics find them, drawn from a seed and written past the functions: together they
 * are no book that adds up, but every shape that a sum has to tell apart is among them.
 */
export type RawRows = {
  /** The older of the two days: it and what is before it become final. */
  final: string;
};

export type Random = ReturnType<typeof createRandom>;

/** Numbers from a seed (mulberry32), the same on every machine. */
export function createRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  const pick = <const L extends readonly unknown[]>(list: L): L[number] =>
    list[int(0, list.length - 1)];
  return { int, pick, chance: (part: number) => next() < part };
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
export const toDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

type Draw = Random & {
  /** A moment of one of the two days, seldom of the one before the first. */
  at(): Date;
  days: [string, string];
};

function createDraw(seed: number): Draw {
  const random = createRandom(seed);
  const today = Date.parse(toDay(Date.now()));
  const days: [string, string] = [toDay(today - 5 * dayMs), toDay(today - dayMs)];
  // Few hours, so that much falls together; their ends are among them.
  const at = () => {
    const day = random.chance(0.1) ? Date.parse(days[0]) - dayMs : Date.parse(random.pick(days));
    const hour = random.pick([0, 1, 13, 23]) * hourMs;
    return new Date(day + hour + random.pick([0, random.int(1, hourMs - 2), hourMs - 1]));
  };
  return { ...random, at, days };
}

/** Empties what a draw before has left. */
export async function clearRawRows(admin: Db): Promise<void> {
  await admin.unsafe(`
    TRUNCATE ducat.accounts, ducat.credit_accounts, ducat.credit_grants, ducat.credit_entries,
      ducat.generations, ducat.generation_items, ducat.usage_logs, ducat.payments,
      ducat.subscriptions, ducat.usage_rollups, ducat.revenue_rollups, ducat.stat_rollups,
      ducat.rollup_hours, ducat.rollup_days, ducat.rollup_dirty_days;
    DELETE FROM ducat.prices WHERE provider = 'raw';
    DELETE FROM ducat.products WHERE key LIKE 'raw-%';
    DELETE FROM ducat.styles WHERE id LIKE 'raw-%'`);
}

/** Writes the rows of a seed; the roll-ups are to know of its two days and of today only. */
export async function writeRawRows(admin: Db, seed: number): Promise<RawRows> {
  const draw = createDraw(seed);
  const tables = drawTables(draw);
  for (const [table, rows] of Object.entries(tables)) {
    const columns = Object.keys(rows[0] ?? {}).map((name) => `"${name}"`);
    if (columns.length === 0) continue;
    await admin.unsafe(
      `INSERT INTO ducat.${table} (${columns}) SELECT ${columns}
       FROM json_populate_recordset(NULL::ducat.${table}, $1::text::json)`,
      [JSON.stringify(rows)],
    );
  }
  await admin`INSERT INTO ducat.rollup_days (day) SELECT unnest(${draw.days}::date[])`;
  return { final: draw.days[0] };
}

type Row = Record<string, unknown>;
type Tables = Record<string, Row[]>;
const times = <T>(n: number, make: (at: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));

function drawTables(draw: Draw): Tables {
  const accounts = times(4, () => drawAccount(draw));
  const styles = drawStyles(draw);
  const offers = drawOffers(draw);
  const ids = accounts.map(({ id }) => id as string) as [string, ...string[]];
  const payments = times(8, () => drawPayment(draw, draw.pick(ids), offers));
  const grants = ids.flatMap((id) => drawGrants(draw, id, payments));
  const work = ids.map((id) => drawWork(draw, id, { styles, grants }));
  return {
    accounts,
    credit_accounts: ids.map((account_id) => drawBalance(draw, account_id)),
    styles,
    products: offers.products,
    prices: offers.prices,
    payments,
    credit_grants: grants,
    generations: work.flatMap((one) => one.generations),
    generation_items: work.flatMap((one) => one.items),
    credit_entries: work.flatMap((one) => one.entries),
    usage_logs: times(12, () => drawUsage(draw, draw.pick(ids))),
    subscriptions: times(8, () => drawSubscription(draw, draw.pick(ids), offers)),
  };
}

function drawAccount({ pick, chance, at }: Draw): Row {
  return {
    id: randomUUID(),
    kind: pick(["user", "user", "vendor"]),
    ...{ locale: "en", is_active: true, created_at: at(), updated_at: at() },
    erased_at: chance(0.3) ? at() : null,
  };
}

function drawBalance({ int }: Draw, account_id: string): Row {
  const [trial, bound] = [int(0, 5), int(0, 5)];
  return {
    ...{ account_id, trial, bound, available: trial + bound + int(0, 50), held: int(0, 9) },
    ...{ debt: int(0, 3), seq: 0, head_remaining: 0, head_trial: false },
    ...{ next_expiry_at: "infinity", clock_offset: "0", frozen: "{}" },
    ...{ lifetime_granted: 0, lifetime_used: 0, lifetime_expired: 0, created_at: new Date() },
  };
}

const drawStyles = ({ pick }: Draw) =>
  times(3, (n) => ({
    ...{ id: `raw-${n % 2}`, version: n + 1, is_current: false, is_active: true, name: "Raw" },
    ...{ description: "", category: "raw", kind: "image", generator: pick(["local", "fal"]) },
    ...{ prompt: "", params: pick([{}, { model: "flux" }, { model: "" }, { model: "sdxl" }]) },
    ...{ cost: 1, deadline_s: 900, max_attempts: 3, created_at: new Date() },
  }));

type Offers = { products: Row[]; prices: Row[] };

function drawOffers({ int, pick }: Draw): Offers {
  const texts = { name: { en: "Raw" }, description: {}, features: {}, allowances: {} };
  const products = times(2, (n) => ({
    ...{ id: randomUUID(), key: `raw-${n}-${randomUUID()}`, kind: "plan", ...texts },
    ...{ credits: 10, bonus: 0, trial_days: 0, trial_credits: 0, rollover: "none" },
    ...{ grace_days: int(0, 7), needs_subject: false, rate_limits: {}, limits: {}, position: 0 },
    ...{ is_default: false, is_active: true, created_at: new Date(), updated_at: new Date() },
  }));
  const prices = times(4, (n) => ({
    ...{ id: randomUUID(), product_id: products[n % 2]?.id, provider: "raw" },
    ...{ currency: pick(["USD", "EUR"]), interval: pick(["month", "year", "once"]) },
    ...{ amount: int(0, 10_000), is_active: false, created_at: new Date() },
  }));
  return { products, prices };
}

function drawPayment({ int, pick, chance, at }: Draw, account_id: string, offers: Offers): Row {
  const isPaid = chance(0.8);
  const charged = chance(0.1) ? 0 : int(1, 5_000);
  const refunded = chance(0.3) ? int(0, charged) : 0;
  const disputed = chance(0.1) ? int(0, charged) : 0;
  return {
    ...{ id: randomUUID(), account_id, reference: randomUUID(), purpose: "pack", mode: "test" },
    ...{ provider: pick(["stripe", "zarinpal"]), currency: pick(["USD", "EUR"]) },
    status: isPaid ? "succeeded" : pick(["failed", "quarantined", "created"]),
    price_id: chance(0.8) ? offers.prices[int(0, 3)]?.id : null,
    ...{ amount: charged, charged: isPaid || chance(0.5) ? charged : null },
    ...{ refunded: isPaid ? refunded : 0, disputed: isPaid ? disputed : 0 },
    reversed: isPaid ? Math.min(charged, refunded + disputed) : 0,
    ...{ credits: int(0, 100), credits_granted: int(0, 150), clawed: 0 },
    reason: pick([null, null, "initial", "update", "renewal"]),
    ...{ saves_method: false, metadata: {}, paid_at: isPaid ? at() : null },
    ...{ created_at: new Date(), updated_at: new Date() },
  };
}

function drawGrants({ pick, chance, at }: Draw, account_id: string, payments: Row[]): Row[] {
  const own = payments.filter((payment) => payment.account_id === account_id);
  const grant = (source: string, payment_id: unknown) => ({
    ...{ account_id, id: randomUUID(), source, payment_id, amount: 1_000, remaining: 0 },
    ...{ expired: 0, clawed: 0, priority: 100, starts_at: at(), effect_key: randomUUID() },
    ...{ reversed: 0, taken: 0, created_at: at() },
  });
  return [
    grant("promo", null),
    ...(chance(0.6) ? [grant("trial", null)] : []),
    ...own.map(({ id }) => grant(pick(["purchase", "subscription"]), id)),
  ];
}

type Book = { styles: Row[]; grants: Row[] };

function drawWork(draw: Draw, account_id: string, { styles, grants }: Book) {
  const { int, pick, chance, at } = draw;
  const own = grants.filter((grant) => grant.account_id === account_id);
  const entries: Row[] = [];
  const addEntry = (more: Row) => {
    const seq = entries.length + 1;
    entries.push({
      ...{ account_id, seq, available_after: 0, debt_change: chance(0.2) ? int(-5, 5) : 0 },
      ...{ generation_id: null, hold_id: null, allocations: [], created_at: at(), ...more },
    });
    return seq;
  };
  const flows = ["trial", "purchase", "promo", "expiry", "clawback", "adjustment"] as const;
  for (const _ of times(10, String)) addEntry({ type: pick(flows), amount: int(-20, 20) });
  for (const _ of times(6, String)) {
    const hold_id = chance(0.5) ? randomUUID() : null;
    addEntry(
      chance(0.6)
        ? { type: "usage", amount: -int(1, 9), hold_id }
        : { type: "refund", amount: int(1, 9), hold_id },
    );
  }
  const generations = times(int(2, 7), () => drawGeneration(draw, account_id, styles));
  const items = generations.flatMap((generation) => drawItems(draw, generation));
  for (const generation of generations) {
    const cost = generation.cost as number;
    if (cost === 0) continue;
    const first = int(0, cost);
    const parts = [first, cost - first].filter((n) => n > 0);
    const allocations = parts.map((n) => [own[int(0, own.length - 1)]?.id, n]);
    generation.entry_seq = addEntry({
      ...{ type: "generation", amount: -cost, generation_id: generation.id, allocations },
    });
  }
  return { generations, items, entries };
}

const params = [
  {},
  { language: "en" },
  { language: " fa ", category: "mugs" },
  { category: "x".repeat(70) },
  { language: 7, category: { language: "no" } },
  { other: "language" },
] as const;

function drawGeneration(
  { int, pick, chance, at, days }: Draw,
  account_id: string,
  styles: Row[],
): Row {
  const style = styles[int(0, 2)];
  const created_at = at();
  // What runs is of the younger day: the older would not become final.
  const isOpen = created_at >= new Date(days[1]) && chance(0.3);
  const item_count = int(1, 4);
  const unit = int(0, 5);
  const taken = [
    { feature: "letters", amount: int(1, 3), period_start: created_at },
    { feature: "_running", amount: 0, period_start: created_at },
  ];
  return {
    ...{ account_id, id: randomUUID(), idempotency_key: randomUUID(), fingerprint: "\\x00" },
    ...{ style_id: style?.id, style_version: style?.version, kind: "image", input: {} },
    ...{ params: pick(params), metadata: {}, item_count, open_items: isOpen ? 1 : 0 },
    status: isOpen ? pick(["pending", "processing"]) : pick(["completed", "failed", "canceled"]),
    ...{ failed_items: 0, canceled_items: 0, cost: unit * item_count, trial_cost: 0, captured: 0 },
    ...{ refunded: 0, balance_after: 0, entry_seq: null, usage: chance(0.3) ? taken : null },
    ...{ created_at, deadline_at: created_at },
  };
}

function drawItems({ int, pick, chance, at }: Draw, generation: Row): Row[] {
  const { account_id, id: generation_id } = generation;
  const count = generation.item_count as number;
  const cost = (generation.cost as number) / count;
  return times(count, (position) => {
    const isOpen = position === 0 && generation.open_items === 1;
    const status = isOpen ? "pending" : pick(["completed", "completed", "failed", "canceled"]);
    const captured = status === "completed" ? int(0, cost) : 0;
    const isDone = status === "completed";
    return {
      ...{ account_id, id: randomUUID(), generation_id, position, status, due_at: at() },
      ...{
        readds: 0,
        attempt: isOpen ? int(0, 1) : 1,
        failures: 0,
        cost,
        cost_from: cost * position,
        captured,
      },
      ...{ refunded: isOpen ? 0 : cost - captured, completed_at: isOpen ? null : at() },
      input: pick([null, null, {}, { params: { size: 1 } }, { params: { language: "de" } }]),
      error_code: status === "failed" ? pick(["provider_error", "deadline_exceeded"]) : null,
      usage: isDone
        ? pick([{}, { input_tokens: int(0, 900), output_tokens: 7 }, { input_tokens: "7" }])
        : null,
      response_time_ms:
        isDone && chance(0.8) ? pick([0, 99, 100, 299_999, 300_000, int(0, 9_000)]) : null,
      provider_cost_micros: isDone && chance(0.5) ? int(0, 100_000) : null,
    };
  });
}

function drawUsage({ int, pick, chance, at }: Draw, account_id: string): Row {
  return {
    ...{ account_id, id: randomUUID(), event_id: randomUUID() },
    ...{ feature: pick(["letters", "emails"]), amount: int(1, 9), created_at: at() },
    ...{ period_start: chance(0.5) ? "-infinity" : at(), released_at: chance(0.3) ? at() : null },
  };
}

function drawSubscription(
  { int, pick, chance, at }: Draw,
  account_id: string,
  offers: Offers,
): Row {
  const statuses = ["incomplete", "trialing", "active", "active", "past_due", "canceled"] as const;
  const status = pick(statuses);
  return {
    ...{ account_id, id: randomUUID(), product_id: offers.products[int(0, 1)]?.id },
    price_id: chance(0.9) ? offers.prices[int(0, 3)]?.id : null,
    ...{ provider: pick(["stripe", "stripe", "manual"]), mode: "test", status, interval: "month" },
    ...{ started_at: at(), period_start: chance(0.9) ? at() : null, refill_index: 0, ticket: 0 },
    ended_at: status === "canceled" ? at() : null,
    past_due_at: status === "past_due" && chance(0.8) ? at() : null,
    ...{ created_at: new Date(), updated_at: new Date() },
  };
}
