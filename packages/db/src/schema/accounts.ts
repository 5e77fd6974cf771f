import { sql } from "drizzle-orm";
import { boolean, check, jsonb, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat, id } from "./columns.ts";

export const accounts = ducat.table(
  "accounts",
  {
    id: id().primaryKey(),
    kind: text("kind").notNull(),
    external_id: text("external_id").unique("accounts_external_id_key"),
    name: text("name"),
    email: text("email"),
    phone: text("phone"),
    /** The id of a blob of the account's. */
    avatar: text("avatar"),
    bio: text("bio"),
    locale: text("locale").notNull().default("en"),
    is_active: boolean("is_active").notNull().default(true),
    last_login_at: at("last_login_at"),
    /** Its person's data are gone; the row stays, for the ledger. */
    erased_at: at("erased_at"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    unique("accounts_kind_email_key").on(t.kind, t.email),
    unique("accounts_kind_phone_key").on(t.kind, t.phone),
    check("accounts_kind_check", sql`kind IN ('user', 'vendor')`),
    check(
      "accounts_length_check",
      sql`length(external_id) <= 255 AND length(name) <= 200 AND length(email) <= 320
        AND length(phone) <= 32 AND length(bio) <= 2000 AND length(locale) <= 16`,
    ),
  ],
);

/** First answers of requests that carry an Idempotency-Key; generations keep theirs themselves. */
export const idempotency_keys = ducat.table(
  "idempotency_keys",
  {
    account_id: uuid("account_id").notNull(),
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    fingerprint: bytea("fingerprint").notNull(),
    /** Null only while the transaction that took the key is still open. */
    result: jsonb("result").$type<Record<string, unknown>>(),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "idempotency_keys_pkey", columns: [t.account_id, t.scope, t.key] }),
    check("idempotency_keys_key_check", sql`length(key) BETWEEN 1 AND 255`),
  ],
);
