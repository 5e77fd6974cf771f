import { sql } from "drizzle-orm";
import { bigint, check, date, primaryKey, text } from "drizzle-orm/pg-core";
import { ducat } from "./columns.ts";

const micros = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);

/** What may still be spent at a provider on a day (UTC); see sql/provider-budgets.sql. */
export const provider_budgets = ducat.table(
  "provider_budgets",
  {
    provider: text("provider").notNull(),
    day: date("day").notNull(),
    /** What workers hold or have spent, in millionths of a US dollar. */
    taken_micros: micros("taken_micros"),
    /** … and what of it is known to be spent. */
    spent_micros: micros("spent_micros"),
  },
  (t) => [
    primaryKey({ columns: [t.provider, t.day] }),
    check(
      "provider_budgets_limits",
      sql`provider ~ '^[a-z][a-z0-9_-]{0,39}$' AND spent_micros >= 0
        AND taken_micros >= spent_micros`,
    ),
  ],
);
