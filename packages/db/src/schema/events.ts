import { sql } from "drizzle-orm";
import { bigint, integer, primaryKey, real, text, uuid } from "drizzle-orm/pg-core";
import { at, ducat } from "./columns.ts";

/** The last number that an event of the account was given. */
export const event_heads = ducat.table("event_heads", {
  account_id: uuid("account_id").primaryKey(),
  seq: bigint("seq", { mode: "number" }).notNull(),
});

/**
 * How far the work on items is, for those who watch. UNLOGGED: a crash may empty it, the next
 * report fills it again. What counts is the row whose attempt is the item's.
 */
export const item_progress = ducat.table(
  "item_progress",
  {
    account_id: uuid("account_id").notNull(),
    item_id: uuid("item_id").notNull(),
    generation_id: uuid("generation_id").notNull(),
    attempt: integer("attempt").notNull(),
    fraction: real("fraction"),
    /** All of what is written so far. */
    text: text("text").notNull().default(""),
    /** Its length: a reader who has as many needs none of it. */
    chars: integer("chars").notNull().default(0),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ name: "item_progress_pkey", columns: [t.account_id, t.item_id] })],
);
