import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { ByOthers } from "./profiles.ts";
import { withAccount } from "./with-account.ts";

export type VendorProfile = {
  business_name: string;
  profile_info: string | null;
  contact_info: { [name in "email" | "phone" | "website" | "address"]?: string | undefined };
  social_links: Record<string, string>;
};

export type Vendor = Omit<VendorProfile, "contact_info"> & {
  contact_info: Record<string, string>;
  verified_at: Date | null;
  created_at: Date;
  updated_at: Date;
};

/** What the account says of its business; undefined when it has said nothing. */
export async function findVendor(db: Db, accountId: string): Promise<Vendor | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<Vendor[]>`
      SELECT business_name, profile_info, contact_info, social_links, verified_at, created_at,
        updated_at
      FROM ducat.vendors WHERE account_id = ${accountId}`,
  );
  return row;
}

/**
 * Writes the profile of a vendor, all of it; another business name has to be verified again.
 * Errors: not_found, invalid_state (reason: kind, erased).
 */
export async function saveVendor(
  db: Db,
  accountId: string,
  { audit, ...profile }: VendorProfile & ByOthers,
): Promise<Vendor> {
  const [row] = await ask(db<Vendor[]>`
    SELECT business_name, profile_info, contact_info, social_links, verified_at, created_at,
      updated_at
    FROM ducat.save_vendor(${accountId}, ${JSON.stringify(profile)}::text::jsonb,
      ${audit ? JSON.stringify(audit) : null}::text::jsonb)`);
  if (!row) throw new Error("save_vendor returned nothing");
  return row;
}

/**
 * Writes down that a vendor is who it says, or takes that back.
 * Errors: not_found, invalid_state (reason: kind, profile, erased).
 */
export async function verifyVendor(
  db: Db,
  accountId: string,
  { isVerified, audit }: { isVerified: boolean; audit: Audit },
): Promise<Vendor> {
  const [row] = await ask(db<Vendor[]>`
    SELECT business_name, profile_info, contact_info, social_links, verified_at, created_at,
      updated_at
    FROM ducat.verify_vendor(${accountId}, ${isVerified}, ${JSON.stringify(audit)}::text::jsonb)`);
  if (!row) throw new Error("verify_vendor returned nothing");
  return row;
}
