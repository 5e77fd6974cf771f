import { sql } from "drizzle-orm";
import { check, index, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat } from "./columns.ts";
import { logins } from "./logins.ts";

/** The address or number that a login wants to have next: one of a channel, not theirs yet. */
export const login_changes = ducat.table(
  "login_changes",
  {
    login_id: uuid("login_id")
      .notNull()
      .references(() => logins.id, { onDelete: "cascade" }),
    channel: text("channel").notNull(),
    /** The session that asked for it, the only one that may show the code. */
    session_id: uuid("session_id").notNull(),
    /** An e-mail address in lower case, or a number in E.164. */
    address: text("address").notNull(),
    /** HMAC-SHA256 of login, channel, address and code. */
    hash: bytea("hash").notNull(),
    /** How many guesses were judged. */
    tries: integer("tries").notNull().default(0),
    expires_at: at("expires_at").notNull(),
    used_at: at("used_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "login_changes_pkey", columns: [t.login_id, t.channel] }),
    index("login_changes_expires_at").on(t.expires_at),
    check("login_changes_channel", sql`channel IN ('email', 'phone')`),
    check(
      "login_changes_length",
      sql`length(address) <= 320 AND length(hash) = 32 AND tries BETWEEN 0 AND 5`,
    ),
  ],
);
