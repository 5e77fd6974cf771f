import { sql } from "drizzle-orm";
import { bigint, check, integer, jsonb, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat, id, interval } from "./columns.ts";

/** Test mode: moves of an account's clock, done one after the other, moment by moment. */
export const clock_runs = ducat.table(
  "clock_runs",
  {
    account_id: uuid("account_id").notNull(),
    id: id(),
    key: text("key").notNull(),
    fingerprint: bytea("fingerprint").notNull(),
    seconds: bigint("seconds", { mode: "number" }).notNull(),
    /** Where the account's clock_offset goes to, and its time when the run began to move it. */
    until_offset: interval("until_offset"),
    started_at: at("started_at"),
    /** The moment that was done last: everything that was due up to it has been looked at. */
    reached_at: at("reached_at"),
    step: integer("step").notNull().default(0),
    /** The step that the clock has moved to and that is not known to be done. */
    pending: jsonb("pending").$type<Record<string, unknown>>(),
    ran: jsonb("ran").$type<Record<string, unknown>[]>().notNull().default([]),
    done_at: at("done_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "clock_runs_pkey", columns: [t.account_id, t.id] }),
    unique("clock_runs_key").on(t.account_id, t.key),
    check(
      "clock_runs_limits",
      sql`seconds BETWEEN 0 AND 315360000 AND length(key) BETWEEN 1 AND 255`,
    ),
  ],
);
