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
  uuid,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat, id } from "./columns.ts";

export const blobs = ducat.table(
  "blobs",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    key: text("key").notNull().unique("blobs_key"),
    sha256: text("sha256").notNull(),
    type: text("type").notNull(),
    size: bigint("size", { mode: "number" }).notNull(),
    width: integer("width"),
    height: integer("height"),
    purpose: text("purpose").notNull(),
    generation_id: uuid("generation_id"),
    created_at: createdAt(),
    expires_at: at("expires_at"),
  },
  (t) => [
    primaryKey({ name: "blobs_pkey", columns: [t.account_id, t.id] }),
    index("blobs_expires").on(t.expires_at).where(sql`expires_at IS NOT NULL`),
    check("blobs_purpose", sql`purpose IN ('input', 'output', 'avatar', 'gallery', 'thumbnail')`),
    check("blobs_size", sql`size >= 0 AND length(key) <= 300 AND length(type) <= 100`),
  ],
);

/** What happened, written in the same transaction as what it tells. */
export const outbox = ducat.table(
  "outbox",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    type: text("type").notNull(),
    data: jsonb("data").$type<Record<string, unknown>>().notNull(),
    created_at: createdAt(),
    /** Its number among the account's, given after its commit; null: not yet. 0: before numbers. */
    seq: bigint("seq", { mode: "number" }),
  },
  (t) => [primaryKey({ name: "outbox_pkey", columns: [t.account_id, t.id] })],
);

export const audit_logs = ducat.table(
  "audit_logs",
  {
    id: id().primaryKey(),
    account_id: uuid("account_id"),
    actor: text("actor").notNull(),
    action: text("action").notNull(),
    resource: text("resource"),
    resource_id: text("resource_id"),
    metadata: jsonb("metadata").$type<Record<string, unknown>>().notNull(),
    request_id: text("request_id"),
    ip: text("ip"),
    created_at: createdAt(),
  },
  (t) => [index("audit_logs_account").on(t.account_id, t.created_at)],
);

export const admin_config = ducat.table("admin_config", {
  key: text("key").primaryKey(),
  value: jsonb("value").notNull(),
  requires_admin: boolean("requires_admin").notNull().default(true),
  updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  /** The operator who set it; null: it comes from the catalog, or is a row of our own. */
  updated_by: text("updated_by"),
});

/** A browser's way to the queues' dashboard: one ticket, used once, within a minute. */
export const queue_tickets = ducat.table("queue_tickets", {
  hash: bytea("hash").primaryKey(),
  actor: text("actor").notNull(),
  session_id: uuid("session_id"),
  expires_at: at("expires_at").notNull(),
});
