import { sql } from "drizzle-orm";
import { bigint, check, index, jsonb, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, ducat, id } from "./columns.ts";

/** What one account may do instead of what its plan says; an administrator's word. */
export const feature_overrides = ducat.table(
  "feature_overrides",
  {
    account_id: uuid("account_id").notNull(),
    feature: text("feature").notNull(),
    /** true or false of a flag; a number, or JSON's null for no end, of a limit or places. */
    value: jsonb("value").$type<boolean | number | null>().notNull(),
    expires_at: at("expires_at"),
    reason: text("reason"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "feature_overrides_pkey", columns: [t.account_id, t.feature] }),
    check("feature_overrides_length", sql`length(feature) <= 50 AND length(reason) <= 500`),
  ],
);

/** Use of a feature that the product reported, once per event. */
export const usage_logs = ducat.table(
  "usage_logs",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    event_id: text("event_id").notNull(),
    feature: text("feature").notNull(),
    amount: bigint("amount", { mode: "number" }).notNull(),
    subject: text("subject"),
    /** The counter that was taken; null of a stock that is spent. */
    period_start: at("period_start"),
    /** Of a stock that is spent: [[allowance_grants.id, n], …]. */
    slices: jsonb("slices").$type<[string, number][]>(),
    /** The first answer, for its repetitions. */
    result: jsonb("result").$type<Record<string, unknown>>(),
    released_at: at("released_at"),
    release_result: jsonb("release_result").$type<Record<string, unknown>>(),
    /** The account's own time. */
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "usage_logs_pkey", columns: [t.account_id, t.id] }),
    unique("usage_logs_event").on(t.account_id, t.event_id),
    check(
      "usage_logs_bounds",
      sql`amount BETWEEN 1 AND 1000000000 AND length(event_id) BETWEEN 1 AND 255
        AND length(subject) <= 255`,
    ),
  ],
);

/** When an account gets what its default plan gives each month. */
export const base_refills = ducat.table(
  "base_refills",
  {
    account_id: uuid("account_id").primaryKey(),
    /** The plan that gave last; null before the first time. */
    product_id: uuid("product_id"),
    /** The month that was given last. */
    period_start: at("period_start"),
    /** When to look again, by the account's own time. */
    next_at: at("next_at").notNull(),
  },
  (t) => [index("base_refills_due").on(t.next_at)],
);
