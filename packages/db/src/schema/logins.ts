import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  primaryKey,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat, id } from "./columns.ts";

const updatedAt = () => at("updated_at").notNull().default(sql`clock_timestamp()`);

/** A person's way in; better-auth's "user". What they own is in accounts. */
export const logins = ducat.table(
  "logins",
  {
    id: id().primaryKey(),
    name: text("name").notNull().default(""),
    /** In lower case. Null for a login without one (by phone). */
    email: text("email").unique("logins_email_key"),
    email_verified: boolean("email_verified").notNull().default(false),
    /** E.164, and known to be theirs: nothing else is ever written here. */
    phone: text("phone").unique("logins_phone_key"),
    image: text("image"),
    /** Since when an address or number of theirs is known to be theirs. */
    verified_at: at("verified_at"),
    /** What they may do beside what is their own. */
    role: text("role").notNull().default("user"),
    banned_at: at("banned_at"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  () => [
    check("logins_role", sql`role IN ('user', 'support', 'admin')`),
    check(
      "logins_length",
      sql`length(name) <= 200 AND length(email) <= 320 AND length(phone) <= 32`,
    ),
  ],
);

/** How a login proves itself; better-auth's "account". */
export const login_credentials = ducat.table(
  "login_credentials",
  {
    id: id().primaryKey(),
    login_id: uuid("login_id")
      .notNull()
      .references(() => logins.id, { onDelete: "cascade" }),
    /** "credential": a password. */
    provider_id: text("provider_id").notNull(),
    provider_account_id: text("provider_account_id").notNull(),
    /** argon2id. */
    password: text("password"),
    // What better-auth must find here for logging in by other sites, which it doesn't do here.
    access_token: text("access_token"),
    refresh_token: text("refresh_token"),
    id_token: text("id_token"),
    access_token_expires_at: at("access_token_expires_at"),
    refresh_token_expires_at: at("refresh_token_expires_at"),
    scope: text("scope"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  (t) => [
    unique("login_credentials_once").on(t.login_id, t.provider_id),
    check(
      "login_credentials_no_tokens",
      sql`access_token IS NULL AND refresh_token IS NULL AND id_token IS NULL`,
    ),
  ],
);

/** Links that were sent, by the hash of their token; better-auth's "verification". */
export const verifications = ducat.table(
  "verifications",
  {
    id: id().primaryKey(),
    /** base64url of SHA-256 over "<purpose>:<token>". */
    identifier: text("identifier").notNull(),
    /** The login's id. */
    value: text("value").notNull(),
    /** The password that its link brings into force: that of the sign-up it was sent for. */
    password: text("password"),
    expires_at: at("expires_at").notNull(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  (t) => [
    index("verifications_identifier").on(t.identifier),
    index("verifications_value").on(t.value),
    index("verifications_expires_at").on(t.expires_at),
  ],
);

/** Whose account it is. One login may own a user and a vendor account. */
export const account_logins = ducat.table(
  "account_logins",
  {
    account_id: uuid("account_id").notNull(),
    login_id: uuid("login_id").notNull(),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "account_logins_pkey", columns: [t.account_id] }),
    index("account_logins_login").on(t.login_id),
  ],
);

/** Identities that had their trial, as an HMAC: kept when the account is erased. */
export const trial_identities = ducat.table("trial_identities", {
  hmac: bytea("hmac").primaryKey(),
  created_at: createdAt(),
});

/** A device that is logged in, bound to one account. */
export const sessions = ducat.table(
  "sessions",
  {
    id: uuid("id").primaryKey(),
    login_id: uuid("login_id").notNull(),
    account_id: uuid("account_id").notNull(),
    /** The session of the same login that it was begun from, and ends with. */
    parent_id: uuid("parent_id"),
    /** Of its newest tokens, from 1. */
    generation: integer("generation").notNull().default(1),
    user_agent: text("user_agent"),
    ip: text("ip"),
    created_at: createdAt(),
    /** When its tokens were made or refreshed. */
    refreshed_at: at("refreshed_at").notNull().default(sql`clock_timestamp()`),
    expires_at: at("expires_at").notNull(),
    ended_at: at("ended_at"),
    end_reason: text("end_reason"),
  },
  (t) => [
    index("sessions_login").on(t.login_id),
    index("sessions_account").on(t.account_id),
    check("sessions_length", sql`length(user_agent) <= 300 AND length(ip) <= 64`),
  ],
);

/** What recognises a session's tokens, SHA-256 each; the tokens themselves are nowhere. */
export const session_tokens = ducat.table(
  "session_tokens",
  {
    session_id: uuid("session_id")
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    generation: integer("generation").notNull(),
    access_hash: bytea("access_hash").notNull(),
    refresh_hash: bytea("refresh_hash").notNull(),
    access_expires_at: at("access_expires_at").notNull(),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "session_tokens_pkey", columns: [t.session_id, t.generation] }),
    check("session_tokens_hash", sql`length(access_hash) = 32 AND length(refresh_hash) = 32`),
  ],
);

/** How often something was done lately, by machine time. Keys name nobody: addresses are hashed. */
export const rate_limits = ducat.table(
  "rate_limits",
  {
    key: text("key").primaryKey(),
    taken: integer("taken").notNull(),
    /** When the window ends, which began with the first use. */
    resets_at: at("resets_at").notNull(),
  },
  (t) => [
    index("rate_limits_resets_at").on(t.resets_at),
    check("rate_limits_key", sql`length(key) BETWEEN 1 AND 200 AND taken >= 0`),
  ],
);
