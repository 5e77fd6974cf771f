import { sql } from "drizzle-orm";
import { bigint, check, index, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat } from "./columns.ts";
import { logins } from "./logins.ts";

const loginId = () =>
  uuid("login_id")
    .notNull()
    .references(() => logins.id, { onDelete: "cascade" });

/** The second factor of a login (RFC 6238): in force once a first code of it was right. */
export const login_totps = ducat.table(
  "login_totps",
  {
    login_id: loginId(),
    /** Encrypted with a key that isn't in the database. */
    secret: bytea("secret").notNull(),
    active_at: at("active_at"),
    /** Of the last code that was accepted: none of it or before is accepted again. */
    last_step: bigint("last_step", { mode: "number" }).notNull().default(0),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "login_totps_pkey", columns: [t.login_id] }),
    check("login_totps_length", sql`length(secret) BETWEEN 32 AND 200`),
  ],
);

/** Codes for who has lost the device; each works once and is then gone. */
export const totp_backup_codes = ducat.table(
  "totp_backup_codes",
  {
    login_id: loginId(),
    /** HMAC-SHA256. */
    hash: bytea("hash").notNull(),
  },
  (t) => [
    primaryKey({ name: "totp_backup_codes_pkey", columns: [t.login_id, t.hash] }),
    check("totp_backup_codes_hash", sql`length(hash) = 32`),
  ],
);

/** People who have shown their first factor and are asked for the second. */
export const totp_challenges = ducat.table(
  "totp_challenges",
  {
    /** SHA-256. */
    hash: bytea("hash").primaryKey(),
    login_id: loginId(),
    account_id: uuid("account_id").notNull(),
    /** The hash of the password that was verified; null where something else was. */
    password: text("password"),
    tries: integer("tries").notNull().default(0),
    /** When the second factor was right; what comes next is one session. */
    passed_at: at("passed_at"),
    expires_at: at("expires_at").notNull(),
    created_at: createdAt(),
  },
  (t) => [
    index("totp_challenges_login").on(t.login_id),
    index("totp_challenges_expires_at").on(t.expires_at),
    check("totp_challenges_tries", sql`length(hash) = 32 AND tries BETWEEN 0 AND 5`),
  ],
);
