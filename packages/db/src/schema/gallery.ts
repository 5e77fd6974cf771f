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
import { at, createdAt, ducat, id } from "./columns.ts";

/** Pictures that an account keeps: uploads of its own, and results. */
export const images = ducat.table(
  "images",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    /** Whose upload it is, or `result`: the picture of a generation. */
    kind: text("kind").notNull(),
    blob_id: uuid("blob_id").notNull(),
    thumbnail_id: uuid("thumbnail_id").notNull(),
    /** What the caller calls it; no file is named after it. */
    file_name: text("file_name"),
    is_public: boolean("is_public").notNull().default(false),
    tags: text("tags").array().notNull().default([]),
    metadata: jsonb("metadata").$type<Record<string, unknown>>().notNull().default({}),
    album_id: uuid("album_id"),
    /** Where a result comes from; they may be forgotten by now. */
    generation_id: uuid("generation_id"),
    item_id: uuid("item_id"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "images_pkey", columns: [t.account_id, t.id] }),
    unique("images_blob_key").on(t.account_id, t.blob_id),
    index("images_album").on(t.account_id, t.album_id, t.id).where(sql`album_id IS NOT NULL`),
    index("images_public").on(t.account_id, t.id).where(sql`is_public`),
    index("images_tags").using("gin", t.tags),
    check("images_kind", sql`kind IN ('user', 'vendor', 'result')`),
    check(
      "images_size",
      sql`length(file_name) <= 255 AND cardinality(tags) <= 20
        AND octet_length(metadata::text) <= 32768`,
    ),
  ],
);

export const albums = ducat.table(
  "albums",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    name: text("name").notNull(),
    description: text("description"),
    is_public: boolean("is_public").notNull().default(false),
    image_count: integer("image_count").notNull().default(0),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "albums_pkey", columns: [t.account_id, t.id] }),
    unique("albums_name_key").on(t.account_id, t.name),
    check(
      "albums_size",
      sql`length(name) BETWEEN 1 AND 200 AND length(description) <= 2000 AND image_count >= 0`,
    ),
  ],
);
