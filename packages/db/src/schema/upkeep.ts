import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  integer,
  jsonb,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { at, ducat } from "./columns.ts";

const count = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);

/** What is done again and again, and when it was last done; see sql/upkeep.sql. */
export const upkeep_tasks = ducat.table(
  "upkeep_tasks",
  {
    name: text("name").primaryKey(),
    about: text("about").notNull(),
    every_s: doublePrecision("every_s").notNull(),
    /** Every worker does it by its own clock; nobody holds a lease. */
    is_parallel: boolean("is_parallel").notNull().default(false),
    /** When a run is to begin, or to go on; infinity of those that are parallel. */
    next_due_at: at("next_due_at").notNull(),
    requested_at: at("requested_at"),
    /** The actor of the audit line of the last request. */
    requested_by: text("requested_by"),
    /** Whose the run is; whoever has another token writes nothing. */
    lease_token: uuid("lease_token"),
    lease_until: at("lease_until"),
    /** A run has begun and has not ended, whether somebody is at it or not. */
    is_open: boolean("is_open").notNull().default(false),
    /** Where an open run goes on. */
    cursor: jsonb("cursor"),
    started_at: at("started_at"),
    finished_at: at("finished_at"),
    ok_at: at("ok_at"),
    /** Of the last run, if it failed. */
    error: text("error"),
    /** What the last run did, or has done by now; and all of them. */
    done: count("done"),
    done_total: count("done_total"),
    runs: count("runs"),
    failures: count("failures"),
    failures_in_row: integer("failures_in_row").notNull().default(0),
    /** When a worker last said that it does this. */
    seen_at: at("seen_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [
    check(
      "upkeep_tasks_limits",
      sql`name ~ '^[a-z0-9][a-z0-9-]{0,63}$' AND length(about) <= 500 AND every_s > 0
        AND length(error) <= 500 AND octet_length(cursor::text) <= 8192`,
    ),
  ],
);
