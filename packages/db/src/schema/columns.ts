import { sql } from "drizzle-orm";
import { bigint, customType, pgSchema, timestamp, uuid } from "drizzle-orm/pg-core";

export const ducat = pgSchema("ducat");

/** An id made by the database: time-ordered, so that a primary key also sorts by creation. */
export const id = () => uuid("id").notNull().default(sql`ducat.uuid_v7()`);

export const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
export const createdAt = () => at("created_at").notNull().default(sql`clock_timestamp()`);

/** Credits are whole numbers; they stay below 2^53 (amounts are at most 10^12). */
export const credits = (name: string) => bigint(name, { mode: "number" });

export const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });
export const interval = customType<{ data: string }>({ dataType: () => "interval" });
