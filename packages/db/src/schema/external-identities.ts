import { sql } from "drizzle-orm";
import { check, index, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, bytea, createdAt, ducat } from "./columns.ts";

/** People who are signed in elsewhere: whom an issuer calls so, and the account they have here. */
export const external_identities = ducat.table(
  "external_identities",
  {
    /** `iss` of their tokens. */
    issuer: text("issuer").notNull(),
    /** `sub` of their tokens. */
    subject: text("subject").notNull(),
    account_id: uuid("account_id").notNull(),
    /** What is remembered of them when the account is erased; null until they come again. */
    hmac: bytea("hmac"),
    /** When their issuer first vouched for who they are; the trial was decided then. */
    verified_at: at("verified_at"),
    created_at: createdAt(),
  },
  (t) => [
    primaryKey({ name: "external_identities_pkey", columns: [t.issuer, t.subject] }),
    index("external_identities_account").on(t.account_id),
    check(
      "external_identities_length",
      sql`length(issuer) BETWEEN 1 AND 255 AND length(subject) BETWEEN 1 AND 255`,
    ),
  ],
);

/** Whose account was erased, as an HMAC: what they signed in with before makes no new one. */
export const erased_identities = ducat.table("erased_identities", {
  hmac: bytea("hmac").primaryKey(),
  erased_at: at("erased_at").notNull(),
});
