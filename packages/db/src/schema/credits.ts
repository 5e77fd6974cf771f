import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  jsonb,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { at, createdAt, credits, ducat, id, interval } from "./columns.ts";

/**
 * One fixed row per account and the only hot one. `head_*` caches the unbound grant that burns
 * first, so that a spend is one UPDATE of this row; read what is left of a grant through the view
 * `credit_grant_balances`, never from `credit_grants.remaining`.
 */
export const credit_accounts = ducat.table(
  "credit_accounts",
  {
    account_id: uuid("account_id").primaryKey(),
    available: credits("available").notNull().default(0),
    trial: credits("trial").notNull().default(0),
    bound: credits("bound").notNull().default(0),
    held: credits("held").notNull().default(0),
    debt: credits("debt").notNull().default(0),
    seq: bigint("seq", { mode: "number" }).notNull().default(0),
    head_grant_id: uuid("head_grant_id"),
    head_remaining: credits("head_remaining").notNull().default(0),
    head_trial: boolean("head_trial").notNull().default(false),
    next_expiry_at: at("next_expiry_at").notNull().default(sql`'infinity'`),
    clock_offset: interval("clock_offset").notNull().default("0"),
    frozen: text("frozen").array().notNull().default(sql`'{}'`),
    /** Auto-reload is on below this many paid, unbound credits; null: off. See auto_reloads. */
    reload_below: credits("reload_below"),
    /** Since when a reload is due; set by the spend that fell below. */
    reload_due_at: at("reload_due_at"),
    lifetime_granted: credits("lifetime_granted").notNull().default(0),
    lifetime_used: credits("lifetime_used").notNull().default(0),
    lifetime_expired: credits("lifetime_expired").notNull().default(0),
    created_at: createdAt(),
  },
  (t) => [
    check(
      "credit_accounts_not_negative",
      sql`least(trial, bound, available - trial - bound, held, debt, head_remaining) >= 0`,
    ),
    index("credit_accounts_next_expiry")
      .on(t.next_expiry_at)
      .where(sql`next_expiry_at < 'infinity'`),
  ],
);

export const credit_grants = ducat.table(
  "credit_grants",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    source: text("source").notNull(),
    amount: credits("amount").notNull(),
    remaining: credits("remaining").notNull(),
    expired: credits("expired").notNull().default(0),
    clawed: credits("clawed").notNull().default(0),
    priority: smallint("priority").notNull().default(100),
    subject: text("subject"),
    starts_at: at("starts_at").notNull(),
    expires_at: at("expires_at"),
    closed_at: at("closed_at"),
    payment_id: uuid("payment_id"),
    subscription_id: uuid("subscription_id"),
    effect_key: text("effect_key").notNull(),
    /** How much of this grant the payment's reversals ask back, and how much was taken for them. */
    reversed: credits("reversed").notNull().default(0),
    taken: credits("taken").notNull().default(0),
    taken_at: at("taken_at"),
    /** The grant whose claw-back was given back with this one. */
    restores: uuid("restores"),
    /** The answer of the call that made it, for its repetitions. */
    result: jsonb("result").$type<Record<string, unknown>>(),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "credit_grants_pkey", columns: [t.account_id, t.id] }),
    unique("credit_grants_effect_key").on(t.account_id, t.effect_key),
    index("credit_grants_open").on(t.account_id).where(sql`closed_at IS NULL`),
    check(
      "credit_grants_source",
      sql`source IN ('trial', 'purchase', 'subscription', 'auto_reload', 'promo', 'adjustment')`,
    ),
    check(
      "credit_grants_amounts",
      sql`amount BETWEEN 1 AND 1000000000000 AND remaining >= 0 AND expired >= 0 AND clawed >= 0
        AND remaining + expired + clawed <= amount`,
    ),
    check("credit_grants_taken", sql`reversed >= 0 AND taken BETWEEN 0 AND amount`),
    check("credit_grants_trial", sql`source <> 'trial' OR subject IS NULL`),
    check("credit_grants_length", sql`length(effect_key) <= 300 AND length(subject) <= 255`),
  ],
);

/** A type, because a CHECK is parsed anew by each statement. */
export const entry_type = ducat.enum("entry_type", [
  "trial",
  "purchase",
  "subscription",
  "auto_reload",
  "promo",
  "generation",
  "usage",
  "refund",
  "expiry",
  "clawback",
  "adjustment",
]);

/** The ledger: append-only, one immutable line per change of `available` (or of the debt). */
export const credit_entries = ducat.table(
  "credit_entries",
  {
    account_id: uuid("account_id").notNull(),
    seq: bigint("seq", { mode: "number" }).notNull(),
    type: entry_type("type").notNull(),
    amount: credits("amount").notNull(),
    available_after: credits("available_after").notNull(),
    debt_change: credits("debt_change").notNull().default(0),
    allocations: jsonb("allocations").$type<[string, number][]>().notNull(),
    generation_id: uuid("generation_id"),
    item_id: uuid("item_id"),
    hold_id: uuid("hold_id"),
    payment_id: uuid("payment_id"),
    cause: text("cause"),
    description: varchar("description", { length: 500 }),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "credit_entries_pkey", columns: [t.account_id, t.seq] }),
    uniqueIndex("credit_entries_item_cause")
      .on(t.account_id, t.item_id, t.cause)
      .where(sql`cause IS NOT NULL`),
  ],
);

/** What callers set aside. A generation is its own hold: its row has cost, captured, refunded. */
export const credit_holds = ducat.table(
  "credit_holds",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    amount: credits("amount").notNull(),
    captured: credits("captured").notNull().default(0),
    released: credits("released").notNull().default(0),
    allocations: jsonb("allocations").$type<[string, number][]>().notNull(),
    status: text("status").notNull().default("open"),
    subject: text("subject"),
    description: text("description"),
    entry_seq: bigint("entry_seq", { mode: "number" }).notNull(),
    expires_at: at("expires_at").notNull(),
    closed_at: at("closed_at"),
    /** The answer of the call that closed it, for its repetitions. */
    result: jsonb("result"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "credit_holds_pkey", columns: [t.account_id, t.id] }),
    index("credit_holds_open").on(t.account_id).where(sql`status = 'open'`),
    check(
      "credit_holds_status",
      sql`status IN ('open', 'captured', 'released', 'expired')
        AND (status = 'open') = (closed_at IS NULL)`,
    ),
    check(
      "credit_holds_amounts",
      sql`amount BETWEEN 1 AND 1000000000000 AND captured >= 0 AND released >= 0
        AND CASE status WHEN 'open' THEN captured + released = 0
                        ELSE captured + released = amount END`,
    ),
  ],
);

/** Quotas taken per feature and period; `p_usage` of create_generation writes here. */
export const usage_counters = ducat.table(
  "usage_counters",
  {
    account_id: uuid("account_id").notNull(),
    feature: text("feature").notNull(),
    period_start: at("period_start").notNull(),
    used: bigint("used", { mode: "number" }).notNull().default(0),
  },
  (t) => [
    primaryKey({
      name: "usage_counters_pkey",
      columns: [t.account_id, t.feature, t.period_start],
    }),
    check("usage_counters_used", sql`used >= 0`),
  ],
);
