import { sql } from "drizzle-orm";
import { check, jsonb, text, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, ducat } from "./columns.ts";

/** What a vendor account says of its business, and whether an admin has verified it. */
export const vendors = ducat.table(
  "vendors",
  {
    account_id: uuid("account_id").primaryKey(),
    business_name: text("business_name").notNull(),
    profile_info: text("profile_info"),
    contact_info: jsonb("contact_info").$type<Record<string, string>>().notNull().default({}),
    social_links: jsonb("social_links").$type<Record<string, string>>().notNull().default({}),
    verified_at: at("verified_at"),
    /** The actor of the audit line. */
    verified_by: text("verified_by"),
    created_at: createdAt(),
    updated_at: at("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [
    check(
      "vendors_length",
      sql`length(business_name) BETWEEN 1 AND 200 AND length(profile_info) <= 4000
        AND octet_length(contact_info::text) <= 16384
        AND octet_length(social_links::text) <= 65536`,
    ),
  ],
);
