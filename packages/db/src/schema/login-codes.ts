import { sql } from "drizzle-orm";
import { check, index, integer, primaryKey, text } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat } from "./columns.ts";

/** The one code of a number and purpose that may still be used; the code itself is nowhere. */
export const login_codes = ducat.table(
  "login_codes",
  {
    /** E.164. */
    phone: text("phone").notNull(),
    purpose: text("purpose").notNull(),
    /** HMAC-SHA256 of purpose, number and code. */
    hash: bytea("hash").notNull(),
    /** How many guesses were judged. */
    tries: integer("tries").notNull().default(0),
    expires_at: at("expires_at").notNull(),
    used_at: at("used_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "login_codes_pkey", columns: [t.phone, t.purpose] }),
    index("login_codes_expires_at").on(t.expires_at),
    check("login_codes_purpose", sql`purpose IN ('phone_verify', 'login', 'password_reset')`),
    check(
      "login_codes_length",
      sql`length(phone) <= 32 AND length(hash) = 32 AND tries BETWEEN 0 AND 5`,
    ),
  ],
);
