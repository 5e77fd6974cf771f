import { sql } from "drizzle-orm";
import {
  check,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { at, createdAt, ducat, id } from "./columns.ts";

/** A signing secret as it is stored: sealed, and until when it signs; null: for ever. */
export type StoredSecret = { sealed: string; expires_at: string | null };

/** One try to deliver: `status` is the HTTP status that came, `error` why none or not this one. */
export type DeliveryTry = { at: string; status: number | null; ms: number; error: string | null };

/**
 * Where events are sent. account_id is the owner; the deployment's own, which hear of all
 * accounts, belong to the nil uuid. An `origin` stands for the host of generations' webhook_url:
 * it has no secrets of its own, is never disabled and nobody sees it.
 */
export const webhook_endpoints = ducat.table(
  "webhook_endpoints",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    kind: text("kind").notNull().default("endpoint"),
    url: varchar("url", { length: 2048 }).notNull(),
    description: varchar("description", { length: 500 }),
    /** Which types; null: all but item.*. */
    events: text("events").array(),
    status: text("status").notNull().default("enabled"),
    disabled_reason: text("disabled_reason"),
    disabled_at: at("disabled_at"),
    /** The newest first. */
    secrets: jsonb("secrets").$type<StoredSecret[]>().notNull().default([]),
    /** Since when nothing has been delivered to it, and how many tries that were. */
    failing_since: at("failing_since"),
    failures: integer("failures").notNull().default(0),
    /** It has asked to be left alone until then. */
    retry_at: at("retry_at"),
    /** Its place in the line of those that have something due; null: nothing is open. */
    due_at: at("due_at"),
    served_at: at("served_at").notNull().default(sql`clock_timestamp()`),
    last_success_at: at("last_success_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "webhook_endpoints_pkey", columns: [t.account_id, t.id] }),
    uniqueIndex("webhook_endpoints_origin").on(t.account_id, t.url).where(sql`kind = 'origin'`),
    index("webhook_endpoints_enabled")
      .on(t.account_id, t.id)
      .where(sql`kind = 'endpoint' AND status = 'enabled'`),
    index("webhook_endpoints_due")
      .on(t.due_at)
      .where(sql`due_at IS NOT NULL AND failing_since IS NULL`),
    index("webhook_endpoints_due_failing")
      .on(t.due_at)
      .where(sql`due_at IS NOT NULL AND failing_since IS NOT NULL`),
    index("webhook_endpoints_idle")
      .on(t.served_at)
      .where(sql`kind = 'origin' OR status <> 'enabled'`),
    check("webhook_endpoints_kind", sql`kind IN ('endpoint', 'origin')`),
    check("webhook_endpoints_status", sql`status IN ('enabled', 'disabled', 'deleted')`),
    check(
      "webhook_endpoints_reason",
      sql`(status = 'enabled') = (disabled_reason IS NULL)
        AND disabled_reason IN ('manual', 'gone', 'failing', 'deleted')
        AND (status = 'enabled' OR due_at IS NULL)`,
    ),
    check(
      "webhook_endpoints_limits",
      sql`cardinality(events) <= 100 AND jsonb_array_length(secrets) <= 5 AND failures >= 0`,
    ),
  ],
);

/** An event on its way to an endpoint. What is sent is made from the outbox, each time alike. */
export const webhook_deliveries = ducat.table(
  "webhook_deliveries",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    endpoint_id: uuid("endpoint_id").notNull(),
    /** Whose event it is: the deployment's endpoints hear of all accounts. */
    event_account_id: uuid("event_account_id").notNull(),
    event_id: uuid("event_id").notNull(),
    event_type: varchar("event_type", { length: 100 }).notNull(),
    /** A generation's webhook_url; null: the endpoint's. */
    url: varchar("url", { length: 2048 }),
    status: text("status").notNull().default("pending"),
    /** How often it was taken since it was planned or replayed. */
    attempts: integer("attempts").notNull().default(0),
    /** When it is tried (again); while it is being sent: when its lease ends. */
    due_at: at("due_at"),
    token: uuid("token"),
    log: jsonb("log").$type<DeliveryTry[]>().notNull().default([]),
    created_at: createdAt(),
    ended_at: at("ended_at"),
  },
  (t) => [
    primaryKey({ name: "webhook_deliveries_pkey", columns: [t.account_id, t.id] }),
    unique("webhook_deliveries_once").on(t.account_id, t.endpoint_id, t.event_id),
    index("webhook_deliveries_endpoint").on(t.account_id, t.endpoint_id, t.id),
    index("webhook_deliveries_id").on(t.id),
    index("webhook_deliveries_failed")
      .on(t.account_id, t.endpoint_id, t.id)
      .where(sql`status = 'failed'`),
    index("webhook_deliveries_open")
      .on(t.account_id, t.endpoint_id, t.due_at)
      .where(sql`due_at IS NOT NULL`),
    index("webhook_deliveries_sending")
      .on(t.account_id, t.endpoint_id)
      .where(sql`status = 'sending'`),
    check(
      "webhook_deliveries_status",
      sql`status IN ('pending', 'sending', 'delivered', 'failed')`,
    ),
    check(
      "webhook_deliveries_open_check",
      sql`(status IN ('pending', 'sending')) = (due_at IS NOT NULL)
        AND (due_at IS NULL) = (ended_at IS NOT NULL)
        AND (status = 'sending') = (token IS NOT NULL)`,
    ),
    check("webhook_deliveries_log", sql`jsonb_array_length(log) <= 20`),
  ],
);

/** What signs deliveries to the webhook_url of an account's generations. */
export const webhook_secrets = ducat.table(
  "webhook_secrets",
  {
    account_id: uuid("account_id").primaryKey(),
    /** The newest first. */
    secrets: jsonb("secrets").$type<StoredSecret[]>().notNull(),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [check("webhook_secrets_count", sql`jsonb_array_length(secrets) BETWEEN 1 AND 5`)],
);
