import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, credits, ducat, id } from "./columns.ts";

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
    idempotency_key: text("idempotency_key").notNull(),
    fingerprint: bytea("fingerprint").notNull(),
    style_id: text("style_id").notNull(),
    style_version: integer("style_version").notNull(),
    kind: text("kind").notNull(),
    input: jsonb("input").$type<Record<string, unknown>>().notNull(),
    params: jsonb("params").$type<Record<string, unknown>>().notNull(),
    subject: text("subject"),
    reference: text("reference"),
    metadata: jsonb("metadata").$type<Record<string, unknown>>().notNull(),
    webhook_url: text("webhook_url"),
    retry_of: uuid("retry_of"),
    status: text("status").notNull().default("pending"),
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
    /** Quotas that each item took: [{feature, amount, period_start}]; given back on fail, cancel. */
    usage: jsonb("usage").$type<{ feature: string; amount: number; period_start: string }[]>(),
    created_at: createdAt(),
    deadline_at: at("deadline_at").notNull(),
    completed_at: at("completed_at"),
    deleted_at: at("deleted_at"),
  },
  (t) => [
    primaryKey({ name: "generations_pkey", columns: [t.account_id, t.id] }),
    unique("generations_idempotency_key").on(t.account_id, t.idempotency_key),
    check(
      "generations_status",
      sql`status IN ('pending', 'processing', 'completed', 'failed', 'canceled')
        AND (open_items > 0) = (status IN ('pending', 'processing'))
        AND (open_items > 0) = (completed_at IS NULL)`,
    ),
    check(
      "generations_counts",
      sql`item_count BETWEEN 1 AND 10000 AND open_items >= 0 AND failed_items >= 0
        AND canceled_items >= 0 AND open_items + failed_items + canceled_items <= item_count`,
    ),
    check(
      "generations_amounts",
      sql`cost >= 0 AND trial_cost BETWEEN 0 AND cost AND captured >= 0 AND refunded >= 0
        AND captured + refunded <= cost AND (open_items > 0 OR captured + refunded = cost)`,
    ),
    check(
      "generations_length",
      sql`length(idempotency_key) BETWEEN 1 AND 255 AND length(subject) <= 255
        AND length(reference) <= 255 AND length(webhook_url) <= 2048`,
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
    label: text("label"),
    /** Overrides the generation's input (a row of a batch); null when it is the same. */
    input: jsonb("input").$type<Record<string, unknown>>(),
    status: text("status").notNull().default("pending"),
    due_at: at("due_at").notNull(),
    readds: smallint("readds").notNull().default(0),
    attempt: integer("attempt").notNull().default(0),
    failures: smallint("failures").notNull().default(0),
    attempt_token: uuid("attempt_token"),
    lease_until: at("lease_until"),
    cancel_requested_at: at("cancel_requested_at"),
    provider_request_id: text("provider_request_id"),
    output: jsonb("output").$type<Record<string, unknown>>(),
    error_code: text("error_code"),
    error_message: text("error_message"),
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
  },
  (t) => [
    primaryKey({ name: "generation_items_pkey", columns: [t.account_id, t.id] }),
    index("generation_items_generation").on(t.account_id, t.generation_id),
    index("generation_items_due").on(t.due_at).where(sql`status IN ('pending', 'processing')`),
    check(
      "generation_items_status",
      sql`status IN ('pending', 'processing', 'completed', 'failed', 'canceled')
        AND (status IN ('pending', 'processing')) = (completed_at IS NULL)`,
    ),
    check("generation_items_lease", sql`(status = 'processing') = (lease_until IS NOT NULL)`),
    check(
      "generation_items_amounts",
      sql`cost >= 0 AND cost_from >= 0 AND captured >= 0 AND refunded >= 0
        AND CASE WHEN status IN ('pending', 'processing') THEN captured + refunded = 0
                 WHEN status IN ('failed', 'canceled') THEN refunded = cost
                 ELSE captured + refunded = cost END`,
    ),
    check("generation_items_length", sql`length(label) <= 200 AND length(error_message) <= 500`),
  ],
);
