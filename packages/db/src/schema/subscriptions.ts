import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, createdAt, ducat, id } from "./columns.ts";

/**
 * A plan that an account pays for. What the provider says comes by snapshots, which are applied in
 * the order in which their fetches began (`ticket`); credits come by paid invoices only.
 */
export const subscriptions = ducat.table(
  "subscriptions",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    product_id: uuid("product_id").notNull(),
    price_id: uuid("price_id"),
    /** What the provider calls the plan that product and price stand for. */
    plan_ref: text("plan_ref"),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    /** Null: ours, renewed by orders of our own. */
    provider_ref: text("provider_ref"),
    customer_ref: text("customer_ref"),
    status: text("status").notNull(),
    /** While paused: no_access | free. */
    pause: text("pause"),
    interval: text("interval").notNull(),
    started_at: at("started_at").notNull(),
    period_start: at("period_start"),
    period_end: at("period_end"),
    trial_ends_at: at("trial_ends_at"),
    /** When it ends although it runs. */
    cancel_at: at("cancel_at"),
    past_due_at: at("past_due_at"),
    ended_at: at("ended_at"),
    /** The plan from the next period on: a downgrade waits for it. */
    next_product_id: uuid("next_product_id"),
    next_price_id: uuid("next_price_id"),
    /** The plan whose credits this period has had: what an upgrade's difference is counted from. */
    refilled_product_id: uuid("refilled_product_id"),
    /** Of an annual plan: the monthly refills of the paid year, by our clock. */
    refill_payment_id: uuid("refill_payment_id"),
    refill_index: integer("refill_index").notNull().default(0),
    next_refill_at: at("next_refill_at"),
    /** Of ours: the period that a renewal order was made for. */
    renewal_for: at("renewal_for"),
    /** The ticket of the newest snapshot that was applied. */
    ticket: bigint("ticket", { mode: "number" }).notNull().default(0),
    fetched_at: at("fetched_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "subscriptions_pkey", columns: [t.account_id, t.id] }),
    uniqueIndex("subscriptions_provider_ref")
      .on(t.provider, t.mode, t.provider_ref)
      .where(sql`provider_ref IS NOT NULL`),
    index("subscriptions_refill").on(t.next_refill_at).where(sql`next_refill_at IS NOT NULL`),
    index("subscriptions_own")
      .on(t.period_end)
      .where(sql`provider_ref IS NULL AND ended_at IS NULL`),
    check(
      "subscriptions_status",
      sql`status IN ('incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused',
        'canceled')`,
    ),
    check("subscriptions_interval", sql`interval IN ('month', 'year')`),
  ],
);

/** Where the order of fetches comes from. */
export const snapshot_tickets = ducat.sequence("snapshot_tickets");

export const passes = ducat.table(
  "passes",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    product_id: uuid("product_id").notNull(),
    subject: text("subject"),
    starts_at: at("starts_at").notNull(),
    ends_at: at("ends_at").notNull(),
    payment_id: uuid("payment_id").notNull(),
    effect_key: text("effect_key").notNull(),
    /** Its payment was given back whole. */
    revoked_at: at("revoked_at"),
    reminded_at: at("reminded_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "passes_pkey", columns: [t.account_id, t.id] }),
    unique("passes_effect_key").on(t.account_id, t.effect_key),
    index("passes_ends").on(t.ends_at).where(sql`reminded_at IS NULL AND revoked_at IS NULL`),
    check("passes_times", sql`ends_at > starts_at`),
  ],
);
