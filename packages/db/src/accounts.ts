import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

export type Account = {
  id: string;
  kind: "user" | "vendor";
  external_id: string | null;
  name: string | null;
  email: string | null;
  phone: string | null;
  locale: string;
  is_active: boolean;
  created_at: Date;
};

export type NewAccount = {
  external_id: string;
  kind: "user" | "vendor";
  name?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
  locale?: string | undefined;
};

const jsonOf = (audit: Audit | undefined) => (audit ? JSON.stringify(audit) : null);

/**
 * Makes an account with its trial credits; a known external id returns the one that exists.
 * Errors: already_exists (the e-mail address or phone number belongs to another account).
 */
export async function createAccount(
  db: Db,
  account: NewAccount,
  audit?: Audit,
): Promise<{ account: Account; created: boolean }> {
  const [row] = await ask(db<(Account & { created: boolean })[]>`
    SELECT (account).id, (account).kind, (account).external_id, (account).name,
      (account).email, (account).phone, (account).locale, (account).is_active,
      (account).created_at, created
    FROM ducat.create_account(${account.external_id}, ${account.kind}, ${account.name ?? null},
      ${account.email ?? null}, ${account.phone ?? null}, ${account.locale ?? "en"},
      p_audit => ${jsonOf(audit)}::text::jsonb)`);
  if (!row) throw new Error("create_account returned nothing");
  const { created, ...made } = row;
  return { account: made, created };
}

/** The account that has this id or external id; undefined when there is none. */
export async function findAccount(
  db: Db,
  reference: string,
): Promise<{ id: string; is_active: boolean } | undefined> {
  const [row] = await ask(db<{ id: string; is_active: boolean }[]>`
    SELECT id, is_active FROM ducat.find_account(${reference})`);
  return row;
}

/** Writes down that a token for the account's browser was made. */
export async function noteAccountToken(
  db: Db,
  accountId: string,
  { scopes, expiresAt, audit }: { scopes: readonly string[]; expiresAt: Date; audit: Audit },
): Promise<void> {
  const token = JSON.stringify({ scopes, expires_at: expiresAt });
  await ask(db`
    SELECT ducat.note_account_token(${accountId}, ${token}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb)`);
}
