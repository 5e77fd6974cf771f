import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  json,
  jsonb,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, createdAt, credits, ducat, id } from "./columns.ts";

/** What is sold, as the catalog says it; `key` is its name there. Never deleted, only retired. */
export const products = ducat.table(
  "products",
  {
    id: id().primaryKey(),
    key: text("key").notNull().unique("products_key"),
    kind: text("kind").notNull(),
    /** Text by locale: {en, fa}. */
    name: jsonb("name").$type<Record<string, string>>().notNull(),
    description: jsonb("description").$type<Record<string, string>>().notNull(),
    /** Who may buy it; null: users and vendors. */
    audience: text("audience"),
    /** A plan gives them each period, a pack or pass once. */
    credits: credits("credits").notNull().default(0),
    bonus: credits("bonus").notNull().default(0),
    trial_days: integer("trial_days").notNull().default(0),
    trial_credits: credits("trial_credits").notNull().default(0),
    rollover: text("rollover").notNull().default("none"),
    /** With rollover capped: the most of this plan's credits that outlive a period. */
    rollover_cap: credits("rollover_cap"),
    grace_days: integer("grace_days").notNull().default(7),
    /** A pass's length; how long a pack's credits live (null: for ever). */
    valid_days: integer("valid_days"),
    needs_subject: boolean("needs_subject").notNull().default(false),
    /** {key: {kind: flag|limit|stock, …}} as the catalog has them. */
    features: jsonb("features").$type<Record<string, unknown>>().notNull().default({}),
    /** {feature: n}: stock that a purchase or a period gives. */
    allowances: jsonb("allowances").$type<Record<string, number>>().notNull().default({}),
    rate_limits: jsonb("rate_limits").$type<Record<string, number>>().notNull().default({}),
    /** A plan's {running, open_items, daily_credits, retention_days}, as the catalog has them. */
    limits: jsonb("limits").$type<Record<string, number>>().notNull().default({}),
    /** The plan of accounts that pay for none. */
    is_default: boolean("is_default").notNull().default(false),
    is_active: boolean("is_active").notNull().default(true),
    position: integer("position").notNull().default(0),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [
    check("products_kind", sql`kind IN ('plan', 'pack', 'pass')`),
    check("products_audience", sql`audience IN ('user', 'vendor')`),
    check("products_rollover", sql`rollover IN ('none', 'capped', 'full')`),
    check(
      "products_amounts",
      sql`credits BETWEEN 0 AND 1000000000000 AND bonus BETWEEN 0 AND 1000000000000
        AND trial_credits BETWEEN 0 AND 1000000000000 AND rollover_cap >= 0
        AND trial_days BETWEEN 0 AND 730 AND grace_days BETWEEN 0 AND 90
        AND valid_days BETWEEN 1 AND 3650`,
    ),
  ],
);

/** One price; a changed amount is a new row, so that an order keeps the one it was made with. */
export const prices = ducat.table(
  "prices",
  {
    id: id().primaryKey(),
    product_id: uuid("product_id").notNull(),
    /** Null: any provider that takes the currency. */
    provider: text("provider"),
    currency: text("currency").notNull(),
    interval: text("interval").notNull(),
    /** In the smallest unit that the currency is counted in. */
    amount: bigint("amount", { mode: "number" }).notNull(),
    /** The provider's own price, variant or plan. */
    provider_ref: text("provider_ref"),
    is_active: boolean("is_active").notNull().default(true),
    created_at: createdAt(),
  },
  (t) => [
    index("prices_product").on(t.product_id),
    uniqueIndex("prices_current")
      .on(t.product_id, sql`coalesce(provider, '')`, t.currency, t.interval)
      .where(sql`is_active`),
    index("prices_provider_ref")
      .on(t.provider, t.provider_ref)
      .where(sql`provider_ref IS NOT NULL`),
    check("prices_interval", sql`interval IN ('once', 'month', 'year')`),
    check("prices_amount", sql`amount BETWEEN 0 AND 1000000000000 AND currency ~ '^[A-Z]{3}$'`),
  ],
);

export const promo_codes = ducat.table(
  "promo_codes",
  {
    id: id().primaryKey(),
    /** In capitals. */
    code: text("code").notNull().unique("promo_codes_code"),
    credits: credits("credits").notNull(),
    /** How long the credits live; null: for ever. */
    valid_days: integer("valid_days"),
    subject: text("subject"),
    audience: text("audience"),
    /** Null: any number of accounts, each once. */
    max_redemptions: integer("max_redemptions"),
    redemptions: integer("redemptions").notNull().default(0),
    starts_at: at("starts_at"),
    expires_at: at("expires_at"),
    is_active: boolean("is_active").notNull().default(true),
    created_at: createdAt(),
  },
  () => [
    check("promo_codes_code_check", sql`code ~ '^[A-Z0-9_-]{3,64}$'`),
    check(
      "promo_codes_amounts",
      sql`credits BETWEEN 1 AND 1000000000000 AND redemptions >= 0
        AND redemptions <= coalesce(max_redemptions, redemptions)
        AND max_redemptions >= 1 AND valid_days BETWEEN 1 AND 3650`,
    ),
  ],
);

export const promo_redemptions = ducat.table(
  "promo_redemptions",
  {
    account_id: uuid("account_id").notNull(),
    promo_code_id: uuid("promo_code_id").notNull(),
    grant_id: uuid("grant_id").notNull(),
    created_at: createdAt(),
  },
  (t) => [primaryKey({ name: "promo_redemptions_pkey", columns: [t.account_id, t.promo_code_id] })],
);

/** Stock that was given: e-mails, letters. What is left is what a feature of kind stock spends. */
export const allowance_grants = ducat.table(
  "allowance_grants",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    feature: text("feature").notNull(),
    amount: bigint("amount", { mode: "number" }).notNull(),
    remaining: bigint("remaining", { mode: "number" }).notNull(),
    priority: smallint("priority").notNull().default(100),
    payment_id: uuid("payment_id"),
    subscription_id: uuid("subscription_id"),
    effect_key: text("effect_key").notNull(),
    starts_at: at("starts_at").notNull(),
    expires_at: at("expires_at"),
    /** Its payment was given back. */
    revoked_at: at("revoked_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "allowance_grants_pkey", columns: [t.account_id, t.id] }),
    unique("allowance_grants_effect_key").on(t.account_id, t.effect_key, t.feature),
    index("allowance_grants_payment").on(t.payment_id).where(sql`payment_id IS NOT NULL`),
    check("allowance_grants_amounts", sql`remaining BETWEEN 0 AND amount`),
  ],
);

/** Every catalog that was pushed, as it was then; the last one is in force. */
export const catalog_versions = ducat.table("catalog_versions", {
  version: integer("version").primaryKey(),
  catalog: text("catalog").notNull(),
  /** The catalog's file, its members in their order; null where only its rows are known. */
  document: json("document").$type<Record<string, unknown>>(),
  rows: jsonb("rows").$type<Record<string, unknown>>().notNull(),
  changes: jsonb("changes").$type<unknown[]>().notNull(),
  /** `start`, `command` or the operator who asked the API. */
  pushed_by: text("pushed_by").notNull(),
  pushed_at: at("pushed_at").notNull().default(sql`clock_timestamp()`),
});
