import { sql } from "drizzle-orm";
import { check, index, integer, text, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat } from "./columns.ts";

/** Keys of servers. The key itself is shown once; here is what recognises it. */
export const api_keys = ducat.table(
  "api_keys",
  {
    /** The part of the key that is no secret. */
    id: text("id").primaryKey(),
    /** Null: the product's own, which acts for any account. */
    account_id: uuid("account_id"),
    name: text("name").notNull(),
    /** SHA-256 of the whole key, which holds 190 random bits: nothing slower is needed. */
    hash: bytea("hash").notNull(),
    scopes: text("scopes").array().notNull(),
    created_by: text("created_by").notNull(),
    /** The key that this one replaces. */
    replaces: text("replaces"),
    /** Requests; null: as many as there are. */
    limit_per_minute: integer("limit_per_minute"),
    expires_at: at("expires_at"),
    last_used_at: at("last_used_at"),
    revoked_at: at("revoked_at"),
    created_at: createdAt(),
  },
  (t) => [
    index("api_keys_account").on(t.account_id),
    check("api_keys_id", sql`id ~ '^[0-9a-z]{8}$'`),
    check("api_keys_scopes", sql`cardinality(scopes) BETWEEN 1 AND 32`),
    check("api_keys_limit", sql`limit_per_minute BETWEEN 1 AND 1000000`),
    check("api_keys_length", sql`length(name) BETWEEN 1 AND 100 AND length(created_by) <= 200`),
  ],
);
