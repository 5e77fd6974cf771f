import type { Account } from "./accounts.ts";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

/** An account as its own person sees it. */
export type Profile = Account & {
  bio: string | null;
  /** The blob of its picture, and that blob's key. */
  avatar: string | null;
  avatar_key: string | null;
  last_login_at: Date | null;
};

/** Errors: none; undefined when there is no such account. */
export async function findProfile(db: Db, accountId: string): Promise<Profile | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<Profile[]>`
      SELECT a.id, a.kind, a.external_id, a.name, a.email, a.phone, a.locale, a.is_active,
        a.created_at, a.bio, a.avatar, b.key AS avatar_key, a.last_login_at
      FROM ducat.accounts a
      LEFT JOIN ducat.blobs b ON b.account_id = a.id AND b.id = a.avatar::uuid
      WHERE a.id = ${accountId}`,
  );
  return row;
}

/** Who does it for the account, when it isn't the account itself: that leaves an audit line. */
export type ByOthers = { audit?: Audit | undefined };

/** What is to change; null takes a value away. */
export type ProfileChange = {
  name?: string | null | undefined;
  avatar?: string | null | undefined;
  bio?: string | null | undefined;
  locale?: "en" | "fa" | undefined;
};

/**
 * Changes what an account says of itself; the upload that becomes its picture stays.
 * Errors: not_found (what: account, upload), invalid_state (reason: erased).
 */
export async function updateProfile(
  db: Db,
  accountId: string,
  { audit, ...change }: ProfileChange & ByOthers,
): Promise<void> {
  await ask(db`
    SELECT FROM ducat.update_profile(${accountId}, ${JSON.stringify(change)}::text::jsonb,
      ${audit ? JSON.stringify(audit) : null}::text::jsonb)`);
}
