import { index, text, uuid } from "drizzle-orm/pg-core";
import { at, bytea, ducat } from "./columns.ts";

/** A browser's way to a stream: one ticket, used once, within a minute. */
export const stream_tickets = ducat.table(
  "stream_tickets",
  {
    hash: bytea("hash").primaryKey(),
    account_id: uuid("account_id").notNull(),
    /** The only stream that it opens; null: any of the account's. */
    generation_id: uuid("generation_id"),
    /** Who asked for it, as an audit line would name them, and what they might do. */
    actor: text("actor").notNull(),
    session_id: uuid("session_id"),
    scopes: text("scopes").array().notNull(),
    /** When the credential ends that it was asked for with; null: as its owner says. */
    ends_at: at("ends_at"),
    expires_at: at("expires_at").notNull(),
  },
  (t) => [
    index("stream_tickets_account").on(t.account_id),
    index("stream_tickets_expires").on(t.expires_at),
  ],
);
