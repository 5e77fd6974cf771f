import { sql } from "drizzle-orm";
import { bigint, boolean, check, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, credits, ducat, id } from "./columns.ts";

/** What an account wants to be told of; without a row: quotas and what expires. */
export const alert_settings = ducat.table(
  "alert_settings",
  {
    account_id: uuid("account_id").primaryKey(),
    /** Told when fewer credits than this are left; null: never. */
    low_balance: credits("low_balance"),
    quota: boolean("quota").notNull().default(true),
    expiring: boolean("expiring").notNull().default(true),
    /** Whether the account itself hears of it, or only the product by its events. */
    messages: boolean("messages").notNull().default(true),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [check("alert_settings_low", sql`low_balance BETWEEN 1 AND 1000000000000`)],
);

/** What was told, so that each crossing is told once; see sql/alerts.sql for the names. */
export const alert_states = ducat.table(
  "alert_states",
  {
    account_id: uuid("account_id").notNull(),
    /** balance | quota:<feature> | grant:<id> | checked */
    alert: text("alert").notNull(),
    /** Of a quota: the percentage that was told. */
    level: integer("level").notNull().default(0),
    /** The ledger line, the limit or the sum of grants that it was told at. */
    mark: bigint("mark", { mode: "number" }),
    seq: bigint("seq", { mode: "number" }),
    /** The period that it was told in, the end of the grant, or when to look again. */
    at: at("at"),
  },
  (t) => [primaryKey({ name: "alert_states_pkey", columns: [t.account_id, t.alert] })],
);

/** Accounts that have come near a quota and were not looked at since. */
export const alert_dues = ducat.table(
  "alert_dues",
  { account_id: uuid("account_id").notNull(), id: id(), created_at: createdAt() },
  (t) => [primaryKey({ name: "alert_dues_pkey", columns: [t.account_id, t.id] })],
);
