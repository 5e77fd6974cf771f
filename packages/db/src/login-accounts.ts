import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

export type AccountKind = "user" | "vendor";

/** Times are as PostgreSQL writes them in JSON. */
export type LoginAccount = {
  id: string;
  kind: AccountKind;
  name: string | null;
  business_name: string | null;
  is_active: boolean;
  last_login_at: string | null;
  created_at: string;
};

/** The accounts that a login has, the first first. */
export async function listLoginAccounts(db: Db, loginId: string): Promise<LoginAccount[]> {
  const rows = await ask(db<{ account: LoginAccount }[]>`
    SELECT ducat.list_login_accounts(${loginId}) AS account`);
  return rows.map(({ account }) => account);
}

/**
 * The vendor account of a login, made now if it has none; one that there is stays as it is. Errors:
 * not_found, invalid_state (reason: not_verified).
 */
export async function openVendorAccount(
  db: Db,
  loginId: string,
  { businessName, audit }: { businessName: string; audit: Audit },
): Promise<{ accountId: string; created: boolean }> {
  const [row] = await ask(db<{ made: { account_id: string; created: boolean } }[]>`
    SELECT ducat.open_vendor_account(${loginId}, ${businessName},
      ${JSON.stringify(audit)}::text::jsonb) AS made`);
  if (!row) throw new Error("open_vendor_account returned nothing");
  return { accountId: row.made.account_id, created: row.made.created };
}
