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
} from "drizzle-orm/pg-core";
import { at, createdAt, ducat, id } from "./columns.ts";

/** Who was moved in from a former system: a row of it is moved in once. */
export const import_rows = ducat.table(
  "import_rows",
  {
    /** What the mapping file calls the former system. */
    source: text("source").notNull(),
    /** `<table>:<id>` there. */
    row_key: text("row_key").notNull(),
    account_id: uuid("account_id").notNull(),
    /** SHA-256 of what there was of it, by part; null when the account is erased. */
    checksums: jsonb("checksums").$type<Record<string, string>>(),
    /** Credits that were carried, by their source here. */
    credits: jsonb("credits").$type<Record<string, number>>().notNull(),
    /** Rows that were counted and not carried, by table and state. */
    history: jsonb("history").$type<Record<string, Record<string, number>>>().notNull(),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "import_rows_pkey", columns: [t.source, t.row_key] }),
    index("import_rows_account").on(t.account_id),
    check("import_rows_length", sql`length(source) <= 30 AND length(row_key) <= 260`),
  ],
);

/** Pictures of a former system that are still to be fetched; the rest of its rows is here. */
export const import_files = ducat.table(
  "import_files",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    source: text("source").notNull(),
    row_key: text("row_key").notNull(),
    purpose: text("purpose").notNull(),
    url: text("url").notNull(),
    /** What the gallery says of it. */
    details: jsonb("details").$type<Record<string, unknown>>().notNull(),
    status: text("status").notNull().default("waiting"),
    tries: integer("tries").notNull().default(0),
    error: text("error"),
    /** Not before this: somebody is at it, or it failed a moment ago. */
    due_at: at("due_at").notNull().default(sql`clock_timestamp()`),
    /** The upload that was made of it. */
    blob_id: uuid("blob_id"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "import_files_pkey", columns: [t.account_id, t.id] }),
    unique("import_files_row").on(t.source, t.row_key),
    index("import_files_due").on(t.source, t.due_at).where(sql`status = 'waiting'`),
    uniqueIndex("import_files_avatar").on(t.account_id).where(sql`purpose = 'avatar'`),
    check("import_files_purpose", sql`purpose IN ('image', 'avatar')`),
    check("import_files_status", sql`status IN ('waiting', 'done', 'failed')`),
    check("import_files_length", sql`length(url) <= 2048 AND length(row_key) <= 260`),
  ],
);
