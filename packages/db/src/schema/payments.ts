import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, credits, ducat, id } from "./columns.ts";

const money = (name: string) => bigint(name, { mode: "number" });

/**
 * One order, invoice or reload, and what became of its money. Written before anybody is asked to
 * pay; `reference` is the only thing a provider hears of it.
 */
export const payments = ducat.table(
  "payments",
  {
    id: id().primaryKey(),
    account_id: uuid("account_id").notNull(),
    reference: text("reference").notNull().unique("payments_reference"),
    purpose: text("purpose").notNull(),
    status: text("status").notNull().default("created"),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    product_id: uuid("product_id"),
    price_id: uuid("price_id"),
    subscription_id: uuid("subscription_id"),
    subject: text("subject"),
    /** What we ask for. */
    amount: money("amount").notNull(),
    currency: text("currency").notNull(),
    /** All that was charged, taxes included; a reversal is a part of this. */
    charged: money("charged"),
    /** The credits it stands for, as they were promised when it was made. */
    credits: credits("credits").notNull().default(0),
    credits_granted: credits("credits_granted").notNull().default(0),
    /** The provider's payment (refunds name it), invoice, and customer. */
    provider_ref: text("provider_ref"),
    invoice_ref: text("invoice_ref"),
    customer_ref: text("customer_ref"),
    receipt_ref: text("receipt_ref"),
    card_mask: text("card_mask"),
    /** What made its credits happen once. */
    effect_key: text("effect_key").unique("payments_effect_key"),
    /** Σ refunds, as of refunded_at; Σ disputes that were lost; what both come to. */
    refunded: money("refunded").notNull().default(0),
    refunded_at: at("refunded_at"),
    disputed: money("disputed").notNull().default(0),
    reversed: money("reversed").notNull().default(0),
    /** Credits that were taken back for them. */
    clawed: credits("clawed").notNull().default(0),
    /** Of a subscription's: what was paid, and the period of it. */
    reason: text("reason"),
    period_start: at("period_start"),
    period_end: at("period_end"),
    failure_code: text("failure_code"),
    saves_method: boolean("saves_method").notNull().default(false),
    return_url: text("return_url"),
    metadata: jsonb("metadata").$type<Record<string, unknown>>().notNull().default({}),
    /** Of the checkout request that made it. */
    idempotency_key: text("idempotency_key"),
    fingerprint: bytea("fingerprint"),
    /** While somebody asks the provider for the page: nobody else does. */
    opening_until: at("opening_until"),
    checkout_url: text("checkout_url"),
    paid_at: at("paid_at"),
    expires_at: at("expires_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    index("payments_account").on(t.account_id, t.id),
    unique("payments_idempotency_key").on(t.account_id, t.idempotency_key),
    uniqueIndex("payments_provider_ref")
      .on(t.provider, t.mode, t.provider_ref)
      .where(sql`provider_ref IS NOT NULL`),
    uniqueIndex("payments_invoice_ref")
      .on(t.provider, t.mode, t.invoice_ref)
      .where(sql`invoice_ref IS NOT NULL`),
    index("payments_subscription").on(t.subscription_id).where(sql`subscription_id IS NOT NULL`),
    index("payments_open")
      .on(t.provider, t.created_at)
      .where(sql`status IN ('created', 'pending')`),
    index("payments_paid").on(t.provider, t.paid_at).where(sql`paid_at IS NOT NULL`),
    check(
      "payments_purpose",
      sql`purpose IN ('pack', 'pass', 'subscription', 'renewal', 'reload', 'invoice')`,
    ),
    check(
      "payments_reason",
      sql`reason IN ('initial', 'trial', 'renewal', 'restart', 'update', 'other')`,
    ),
    check(
      "payments_status",
      sql`status IN ('created', 'pending', 'succeeded', 'failed', 'expired', 'quarantined')`,
    ),
    check(
      "payments_amounts",
      sql`amount BETWEEN 0 AND 1000000000000 AND charged BETWEEN 0 AND 1000000000000
        AND least(refunded, disputed, reversed, clawed, credits, credits_granted) >= 0
        AND reversed <= coalesce(charged, 0) AND clawed <= credits_granted`,
    ),
    check("payments_paid_check", sql`(status = 'succeeded') = (paid_at IS NOT NULL)`),
    check(
      "payments_length",
      sql`length(reference) <= 64 AND length(return_url) <= 2048 AND length(subject) <= 255
        AND length(effect_key) <= 300 AND length(checkout_url) <= 4096`,
    ),
  ],
);

/**
 * One try to have a payment paid: a page that was opened (ZarinPal may open several for one
 * order), or a charge of a saved card, whose id is the key that the provider hears.
 */
export const payment_attempts = ducat.table(
  "payment_attempts",
  {
    account_id: uuid("account_id").notNull(),
    id: id().primaryKey(),
    payment_id: uuid("payment_id").notNull(),
    kind: text("kind").notNull(),
    status: text("status").notNull(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    /** The page's id at the provider (settle takes it), or the charge. */
    provider_ref: text("provider_ref"),
    /** The saved card that is charged: a repeat must name the same. */
    method_ref: text("method_ref"),
    amount: money("amount").notNull(),
    currency: text("currency").notNull(),
    code: text("code"),
    /** A charge whose sender is gone is looked up after this. */
    due_at: at("due_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    index("payment_attempts_payment").on(t.payment_id),
    uniqueIndex("payment_attempts_provider_ref")
      .on(t.provider, t.mode, t.provider_ref)
      .where(sql`provider_ref IS NOT NULL`),
    uniqueIndex("payment_attempts_one_open")
      .on(t.account_id)
      .where(sql`kind = 'charge' AND status IN ('reserved', 'sent', 'processing', 'unknown')`),
    index("payment_attempts_waiting")
      .on(t.provider, t.mode, t.id)
      .where(sql`kind = 'checkout' AND status = 'sent'`),
    index("payment_attempts_due").on(t.due_at).where(sql`due_at IS NOT NULL`),
    check("payment_attempts_kind", sql`kind IN ('checkout', 'charge')`),
    check(
      "payment_attempts_status",
      sql`status IN ('reserved', 'sent', 'succeeded', 'processing', 'needs_customer',
        'failed_final', 'unknown', 'expired')`,
    ),
  ],
);

/** A refund that we ask for; its id is the key that the provider hears. */
export const payment_refunds = ducat.table(
  "payment_refunds",
  {
    account_id: uuid("account_id").notNull(),
    id: id().primaryKey(),
    payment_id: uuid("payment_id").notNull(),
    status: text("status").notNull().default("reserved"),
    amount: money("amount").notNull(),
    /** What had been paid back when it was reserved: the adapter tells a repeat by it. */
    reversed_before: money("reversed_before").notNull(),
    reason: text("reason"),
    idempotency_key: text("idempotency_key").notNull(),
    fingerprint: bytea("fingerprint").notNull(),
    actor: text("actor").notNull(),
    error: text("error"),
    due_at: at("due_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    unique("payment_refunds_key").on(t.payment_id, t.idempotency_key),
    uniqueIndex("payment_refunds_one_open")
      .on(t.payment_id)
      .where(sql`status IN ('reserved', 'unknown')`),
    index("payment_refunds_due").on(t.due_at).where(sql`due_at IS NOT NULL`),
    check("payment_refunds_status", sql`status IN ('reserved', 'unknown', 'succeeded', 'failed')`),
    check("payment_refunds_amount", sql`amount >= 1 AND reversed_before >= 0`),
  ],
);

export const payment_disputes = ducat.table(
  "payment_disputes",
  {
    account_id: uuid("account_id").notNull(),
    id: id().primaryKey(),
    payment_id: uuid("payment_id").notNull(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    provider_ref: text("provider_ref").notNull(),
    status: text("status").notNull(),
    amount: money("amount").notNull(),
    /** When the provider's books said so: a later word holds, whatever comes last. */
    told_at: at("told_at").notNull(),
    created_at: createdAt(),
  },
  (t) => [
    unique("payment_disputes_provider_ref").on(t.provider, t.mode, t.provider_ref),
    index("payment_disputes_payment").on(t.payment_id),
    check("payment_disputes_status", sql`status IN ('opened', 'won', 'lost')`),
  ],
);

/** An account at a provider; two accounts may be one customer there. */
export const provider_customers = ducat.table(
  "provider_customers",
  {
    account_id: uuid("account_id").notNull(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    customer_ref: text("customer_ref").notNull(),
    /** The saved card that may be charged while the customer is away. */
    method_ref: text("method_ref"),
    /** When the provider's books last said something of its cards. */
    method_told_at: at("method_told_at"),
    /** The provider has deleted it; the next checkout makes another. */
    removed_at: at("removed_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "provider_customers_pkey", columns: [t.account_id, t.provider, t.mode] }),
    index("provider_customers_ref").on(t.provider, t.mode, t.customer_ref),
  ],
);

/** Auto-reload as its account set it; the spend path reads only credit_accounts.reload_below. */
export const auto_reloads = ducat.table(
  "auto_reloads",
  {
    account_id: uuid("account_id").primaryKey(),
    enabled: boolean("enabled").notNull(),
    threshold: integer("threshold").notNull(),
    /** The pack that is bought. */
    price_id: uuid("price_id").notNull(),
    provider: text("provider").notNull(),
    amount: credits("amount").notNull(),
    /** The most money in a calendar month (UTC), in the price's currency; null: no cap. */
    monthly_cap: money("monthly_cap"),
    failures: integer("failures").notNull().default(0),
    /** Why it was switched off by us. */
    disabled_reason: text("disabled_reason"),
    last_attempt_at: at("last_attempt_at"),
    consented_at: at("consented_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [
    check(
      "auto_reloads_amounts",
      sql`threshold BETWEEN 1 AND 100 AND amount >= 10 AND monthly_cap >= 1 AND failures >= 0`,
    ),
  ],
);

/** Money or a message that could not be trusted or placed: for a person to look at. */
export const payment_anomalies = ducat.table(
  "payment_anomalies",
  {
    id: id().primaryKey(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    kind: text("kind").notNull(),
    /** What it is about, as the provider names it. */
    about: text("about").notNull(),
    data: jsonb("data").$type<Record<string, unknown>>().notNull(),
    payment_id: uuid("payment_id"),
    resolved_at: at("resolved_at"),
    resolved_by: text("resolved_by"),
    created_at: createdAt(),
  },
  (t) => [
    unique("payment_anomalies_once").on(t.provider, t.mode, t.kind, t.about),
    index("payment_anomalies_open").on(t.created_at).where(sql`resolved_at IS NULL`),
  ],
);

/** One run of reconciliation for a provider, asked for or begun, and what it found. */
export const reconciliations = ducat.table(
  "reconciliations",
  {
    id: id().primaryKey(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    since: at("since").notNull(),
    /** Nothing before it is left unlooked at: the next run may begin where it began. */
    is_gapless: boolean("is_gapless").notNull(),
    status: text("status").notNull(),
    facts: integer("facts").notNull().default(0),
    differences: jsonb("differences").$type<Record<string, unknown>[]>().notNull().default([]),
    error: text("error"),
    started_at: at("started_at"),
    /** While it runs: whoever does not extend it is gone. */
    lease_until: at("lease_until"),
    finished_at: at("finished_at"),
    created_at: createdAt(),
  },
  (t) => [
    index("reconciliations_last").on(t.provider, t.mode, t.started_at),
    uniqueIndex("reconciliations_one_running")
      .on(t.provider, t.mode)
      .where(sql`status = 'running'`),
    uniqueIndex("reconciliations_one_waiting")
      .on(t.provider, t.mode)
      .where(sql`status = 'waiting'`),
    check(
      "reconciliations_status",
      sql`status IN ('waiting', 'running', 'clean', 'differs', 'failed')`,
    ),
  ],
);

/** The sandbox's own books, in test mode; see @ducat/billing. */
export const sandbox_documents = ducat.table(
  "sandbox_documents",
  {
    id: text("id").primaryKey(),
    document: jsonb("document").$type<Record<string, unknown>>().notNull(),
    version: integer("version").notNull(),
    due_at: at("due_at"),
    changed_at: at("changed_at").notNull(),
  },
  (t) => [
    index("sandbox_documents_due").on(t.due_at).where(sql`due_at IS NOT NULL`),
    index("sandbox_documents_changed").on(t.changed_at, t.id),
  ],
);
