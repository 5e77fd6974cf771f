import { index, uuid } from "drizzle-orm/pg-core";
import { at, ducat } from "./columns.ts";

/** Who was served lately, as the processes tell now and then: what a new one reads beforehand. */
export const active_accounts = ducat.table(
  "active_accounts",
  { account_id: uuid("account_id").primaryKey(), seen_at: at("seen_at").notNull() },
  (t) => [index("active_accounts_seen").on(t.seen_at)],
);
