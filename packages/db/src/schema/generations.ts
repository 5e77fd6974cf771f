import type { Fallback, PriceLine, Pricing, Terms } from "@ducat/types/pricing";
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
  varchar,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, credits, ducat, id } from "./columns.ts";

/** Of a generation and of its items. A type, because a CHECK is parsed anew by each statement. */
export const item_status = ducat.enum("item_status", [
  "pending",
  "processing",
  "completed",
  "failed",
  "canceled",
]);

/** Presets. A change is a new version; generations keep the version that they were made with. */
export const styles = ducat.table(
  "styles",
  {
    id: text("id").notNull(),
    version: integer("version").notNull(),
    is_current: boolean("is_current").notNull().default(true),
    is_active: boolean("is_active").notNull().default(true),
    name: text("name").notNull(),
    description: text("description").notNull(),
    category: text("category").notNull(),
    kind: text("kind").notNull(),
    generator: text("generator").notNull(),
    prompt: text("prompt").notNull(),
    params: jsonb("params").$type<Record<string, unknown>>().notNull(),
    cost: credits("cost").notNull(),
    deadline_s: integer("deadline_s").notNull().default(900),
    max_attempts: smallint("max_attempts").notNull().default(3),
    created_at: createdAt(),
    /** The operator whose word it is; null: it comes with the release. */
    published_by: text("published_by"),
    /** What an item costs by what is asked for, see `Pricing`; null: `cost`. */
    pricing: jsonb("pricing").$type<Pricing>(),
    /** Asked in turn when the generator is away: [{generator, params, pricing?}]. */
    fallbacks: jsonb("fallbacks").$type<Fallback[]>().notNull().default([]),
    /** How long a result answers the same request of its account; 0: not at all. */
    cache_days: integer("cache_days").notNull().default(0),
  },
  (t) => [
    primaryKey({ name: "styles_pkey", columns: [t.id, t.version] }),
    uniqueIndex("styles_current").on(t.id).where(sql`is_current`),
    check("styles_kind", sql`kind IN ('image', 'text')`),
    check(
      "styles_bounds",
      sql`cost BETWEEN 0 AND 1000000 AND deadline_s BETWEEN 1 AND 86400
        AND max_attempts BETWEEN 1 AND 20`,
    ),
  ],
);

export const generations = ducat.table(
  "generations",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    idempotency_key: varchar("idempotency_key", { length: 255 }).notNull(),
    fingerprint: bytea("fingerprint").notNull(),
    style_id: text("style_id").notNull(),
    style_version: integer("style_version").notNull(),
    kind: text("kind").notNull(),
    // json, not jsonb: a repeat of the request is answered with the very bytes that were sent.
    input: json("input").$type<Record<string, unknown>>().notNull(),
    params: json("params").$type<Record<string, unknown>>().notNull(),
    subject: varchar("subject", { length: 255 }),
    reference: varchar("reference", { length: 255 }),
    metadata: json("metadata").$type<Record<string, unknown>>().notNull(),
    webhook_url: varchar("webhook_url", { length: 2048 }),
    retry_of: uuid("retry_of"),
    status: item_status("status").notNull().default("pending"),
    item_count: integer("item_count").notNull(),
    open_items: integer("open_items").notNull(),
    failed_items: integer("failed_items").notNull().default(0),
    canceled_items: integer("canceled_items").notNull().default(0),
    cost: credits("cost").notNull(),
    trial_cost: credits("trial_cost").notNull(),
    captured: credits("captured").notNull().default(0),
    refunded: credits("refunded").notNull().default(0),
    entry_seq: bigint("entry_seq", { mode: "number" }),
    balance_after: credits("balance_after").notNull(),
    /**
     * Quotas that each item took: [{feature, amount, period_start}]; given back on fail, cancel.
     */
    usage: jsonb("usage").$type<{ feature: string; amount: number; period_start: string }[]>(),
    created_at: createdAt(),
    deadline_at: at("deadline_at").notNull(),
    completed_at: at("completed_at"),
    deleted_at: at("deleted_at"),
    // json, as above. What an item costs at most and why, as it was told: {unit, n?, lines}.
    terms: json("terms").$type<Terms>(),
    /** Of a generation whose items came as rows. */
    batch: json("batch").$type<Record<string, unknown>>(),
  },
  (t) => [
    primaryKey({ name: "generations_pkey", columns: [t.account_id, t.id] }),
    unique("generations_idempotency_key").on(t.account_id, t.idempotency_key),
    // Short on purpose: each statement on a hot table parses its CHECKs. The rest is invariants.
    check(
      "generations_amounts",
      sql`least(captured, refunded, trial_cost, cost - trial_cost, open_items) >= 0
        AND captured + refunded <= cost`,
    ),
  ],
);

export const generation_items = ducat.table(
  "generation_items",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    generation_id: uuid("generation_id").notNull(),
    position: integer("position").notNull(),
    label: varchar("label", { length: 200 }),
    /** Overrides the generation's input (a row of a batch); null when it is the same. */
    input: jsonb("input").$type<Record<string, unknown>>(),
    status: item_status("status").notNull().default("pending"),
    due_at: at("due_at").notNull(),
    readds: smallint("readds").notNull().default(0),
    attempt: integer("attempt").notNull().default(0),
    failures: smallint("failures").notNull().default(0),
    attempt_token: uuid("attempt_token"),
    lease_until: at("lease_until"),
    cancel_requested_at: at("cancel_requested_at"),
    provider_request_id: text("provider_request_id"),
    output: jsonb("output").$type<Record<string, unknown>>(),
    /** When a result went because of its age; see sql/retention.sql. */
    output_removed_at: at("output_removed_at"),
    error_code: text("error_code"),
    error_message: varchar("error_message", { length: 500 }),
    cost: credits("cost").notNull(),
    /** The item owns [cost_from, cost_from + cost) of the generation's ordered allocations. */
    cost_from: credits("cost_from").notNull(),
    captured: credits("captured").notNull().default(0),
    refunded: credits("refunded").notNull().default(0),
    usage: jsonb("usage").$type<Record<string, unknown>>(),
    response_time_ms: integer("response_time_ms"),
    provider_cost_micros: bigint("provider_cost_micros", { mode: "number" }),
    started_at: at("started_at"),
    completed_at: at("completed_at"),
    /** Why it cost what it did in the end: lines, as in the generation's terms. */
    charge: jsonb("charge").$type<PriceLine[]>(),
    /** Hash of all that its result was made of, while that may answer others; see the index. */
    result_key: bytea("result_key"),
    /** The how-manieth of its generation to end; null: it has not, or did before there were any. */
    ended_no: integer("ended_no"),
  },
  (t) => [
    primaryKey({ name: "generation_items_pkey", columns: [t.account_id, t.id] }),
    index("generation_items_generation").on(t.account_id, t.generation_id),
    index("generation_items_due").on(t.due_at).where(sql`status IN ('pending', 'processing')`),
    check(
      "generation_items_amounts",
      sql`least(captured, refunded) >= 0 AND captured + refunded <= cost`,
    ),
  ],
);

/**
 * Items of accounts that may have only so many worked on at once: those that were claimed, and
 * those that stand in line. Candidates: what holds a slot is said by the item's own row.
 */
export const item_slots = ducat.table(
  "item_slots",
  {
    account_id: uuid("account_id").notNull(),
    item_id: uuid("item_id").notNull(),
    generation_id: uuid("generation_id").notNull(),
    is_waiting: boolean("is_waiting").notNull(),
  },
  (t) => [
    primaryKey({ name: "item_slots_pkey", columns: [t.account_id, t.item_id] }),
    index("item_slots_line").on(t.account_id, t.is_waiting, t.item_id),
  ],
);
