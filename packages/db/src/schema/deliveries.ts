import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat, id } from "./columns.ts";

/** What providers sent, as they sent it: stored and answered before anything is done about it. */
export const webhook_events = ducat.table(
  "webhook_events",
  {
    id: id().primaryKey(),
    provider: text("provider").notNull(),
    mode: text("mode").notNull(),
    dedupe: text("dedupe").notNull(),
    delivery_id: text("delivery_id").notNull(),
    event_type: text("event_type").notNull(),
    occurred_at: at("occurred_at").notNull(),
    /** The raw bytes; emptied when they are too old, the row stays. */
    body: bytea("body"),
    status: text("status").notNull().default("received"),
    retry_count: integer("retry_count").notNull().default(0),
    last_error: text("last_error"),
    /** When a worker looks at it (again); while one does: when its lease ends. */
    due_at: at("due_at"),
    lease_token: uuid("lease_token"),
    /** What it is about isn't in our books: since when, and by which name of the provider's. */
    unknown_since: at("unknown_since"),
    waits_for: text("waits_for"),
    processed_at: at("processed_at"),
    retried_at: at("retried_at"),
    resolved_at: at("resolved_at"),
    resolved_by: text("resolved_by"),
    created_at: createdAt(),
  },
  (t) => [
    unique("webhook_events_once").on(t.provider, t.mode, t.dedupe),
    index("webhook_events_due").on(t.due_at).where(sql`due_at IS NOT NULL`),
    index("webhook_events_status").on(t.status, t.id),
    index("webhook_events_waiting")
      .on(t.provider, t.mode, t.waits_for)
      .where(sql`waits_for IS NOT NULL`),
    index("webhook_events_body")
      .on(t.created_at)
      .where(sql`body IS NOT NULL AND status IN ('processed', 'ignored')`),
    check(
      "webhook_events_status_check",
      sql`status IN ('received', 'processed', 'ignored', 'dead')`,
    ),
    check(
      "webhook_events_length",
      sql`length(dedupe) <= 300 AND length(delivery_id) <= 300 AND length(event_type) <= 100
        AND length(last_error) <= 2000 AND length(waits_for) <= 300`,
    ),
  ],
);

/** A mail or text message to an account, written with what it tells and sent by a job. */
export const messages = ducat.table(
  "messages",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    /** The template, for example receipt or reload_link. */
    kind: text("kind").notNull(),
    channel: text("channel").notNull(),
    /** Null: the account's own address or number, as it is when it is sent. */
    recipient: text("recipient"),
    /** Its data is sealed, and emptied when the message has ended. */
    has_secret: boolean("has_secret").notNull().default(false),
    data: jsonb("data").$type<Record<string, unknown>>().notNull(),
    effect_key: text("effect_key").notNull(),
    status: text("status").notNull().default("pending"),
    attempts: integer("attempts").notNull().default(0),
    last_error: text("last_error"),
    due_at: at("due_at"),
    sent_at: at("sent_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "messages_pkey", columns: [t.account_id, t.id] }),
    unique("messages_effect_key").on(t.account_id, t.effect_key),
    index("messages_due").on(t.channel, t.due_at).where(sql`due_at IS NOT NULL`),
    check("messages_channel", sql`channel IN ('email', 'sms')`),
    check("messages_status", sql`status IN ('pending', 'sent', 'skipped', 'failed')`),
    check("messages_length", sql`length(kind) <= 64 AND length(effect_key) <= 300`),
  ],
);
