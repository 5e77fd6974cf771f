import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  numeric,
  primaryKey,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { at, createdAt, ducat, id } from "./columns.ts";

const count = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);
/** 0 to 23, while the day is not final; 24: the whole day. */
const hour = () => smallint("hour").notNull();

/**
 * What was used, summed up by account and hour (UTC), and by day once the day is final. Made from
 * the raw rows by sql/rollups.sql and from nothing else, so that it may be thrown away.
 */
export const usage_rollups = ducat.table(
  "usage_rollups",
  {
    account_id: uuid("account_id").notNull(),
    day: date("day").notNull(),
    hour: hour(),
    /** generation: items that ended; feature: what was tracked; spend: credits without an item. */
    source: text("source").notNull(),
    style_id: text("style_id").notNull(),
    style_version: integer("style_version").notNull(),
    model: text("model").notNull(),
    feature: text("feature").notNull(),
    language: text("language").notNull(),
    category: text("category").notNull(),
    is_batch: boolean("is_batch").notNull(),
    completed: count("completed"),
    failed: count("failed"),
    canceled: count("canceled"),
    /** Of a feature: how much; of a spend: how many. */
    amount: count("amount"),
    charged: count("charged"),
    paid_back: count("paid_back"),
    input_tokens: count("input_tokens"),
    output_tokens: count("output_tokens"),
    response_count: count("response_count"),
    response_ms: count("response_ms"),
    response_ms_max: count("response_ms_max"),
    /** How many response times fell into each of response_bounds(). */
    response_buckets: bigint("response_buckets", { mode: "number" }).array().notNull(),
    /** Items whose cost the provider told, and what these cost together. */
    costed: count("costed"),
    provider_cost_micros: count("provider_cost_micros"),
  },
  (t) => [
    primaryKey({
      name: "usage_rollups_pkey",
      columns: [
        t.account_id,
        t.day,
        t.hour,
        t.source,
        t.style_id,
        t.style_version,
        t.model,
        t.feature,
        t.language,
        t.category,
        t.is_batch,
      ],
    }),
    index("usage_rollups_day").on(t.day, t.hour, t.account_id),
    check("usage_rollups_hour", sql`hour BETWEEN 0 AND 24`),
  ],
);

/** What the credits that items took had cost, by style and currency. Beside usage_rollups. */
export const revenue_rollups = ducat.table(
  "revenue_rollups",
  {
    account_id: uuid("account_id").notNull(),
    day: date("day").notNull(),
    hour: hour(),
    style_id: text("style_id").notNull(),
    style_version: integer("style_version").notNull(),
    model: text("model").notNull(),
    currency: text("currency").notNull(),
    /** Millionths of the currency's smallest unit. */
    amount_micros: numeric("amount_micros").notNull(),
  },
  (t) => [
    primaryKey({
      name: "revenue_rollups_pkey",
      columns: [t.account_id, t.day, t.hour, t.style_id, t.style_version, t.model, t.currency],
    }),
    index("revenue_rollups_day").on(t.day, t.hour),
    check("revenue_rollups_hour", sql`hour BETWEEN 0 AND 24`),
  ],
);

/** Numbers of the whole deployment by hour or day: flows are added up, levels are the last ones. */
export const stat_rollups = ducat.table(
  "stat_rollups",
  {
    day: date("day").notNull(),
    hour: hour(),
    name: text("name").notNull(),
    labels: jsonb("labels").$type<Record<string, string>>().notNull(),
    value: numeric("value").notNull(),
  },
  (t) => [
    primaryKey({ name: "stat_rollups_pkey", columns: [t.day, t.hour, t.name, t.labels] }),
    index("stat_rollups_name").on(t.name, t.day),
    check("stat_rollups_hour", sql`hour BETWEEN 0 AND 24`),
  ],
);

/** Hours of days that are not final yet: when they were summed up, and how many are still open. */
export const rollup_hours = ducat.table("rollup_hours", {
  hour: at("hour").primaryKey(),
  computed_at: at("computed_at").notNull(),
  /** Generations of this hour that had not ended. */
  open: bigint("open", { mode: "number" }).notNull(),
});

/** Every day since the first, and when the numbers that are told by the day were made. */
export const rollup_days = ducat.table("rollup_days", {
  day: date("day").primaryKey(),
  computed_at: at("computed_at").notNull().default(sql`'-infinity'`),
  /** Three days have passed since its end; only what is marked is computed anew. */
  is_final: boolean("is_final").notNull().default(false),
});

/** What has changed in days that were summed up. Only added and taken away, so nobody waits. */
export const rollup_dirty_days = ducat.table(
  "rollup_dirty_days",
  {
    id: id().primaryKey(),
    /** usage: what this account used; day: the day's own numbers; all: everything, of everybody. */
    scope: text("scope").notNull(),
    account_id: uuid("account_id"),
    from_day: date("from_day").notNull(),
    /** Null: until today. */
    to_day: date("to_day"),
    reason: text("reason").notNull(),
    created_at: createdAt(),
  },
  (t) => [
    index("rollup_dirty_days_account").on(t.account_id),
    check(
      "rollup_dirty_days_scope",
      sql`scope IN ('usage', 'day', 'all') AND (scope = 'usage') = (account_id IS NOT NULL)`,
    ),
  ],
);
