import { toBinary } from "./binary.ts";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Somebody whom an issuer calls so. Name and address count only when they are verified. */
export type ExternalPerson = {
  issuer: string;
  subject: string;
  isVerified: boolean;
  name?: string | undefined;
  email?: string | undefined;
};

/**
 * The account of somebody who is signed in elsewhere, made when they are first seen; the trial is
 * given when their issuer first vouches for them, once for all of these identities (HMACs).
 */
export async function openExternalAccount(
  db: Db,
  { issuer, subject, isVerified, name, email }: ExternalPerson,
  identities: readonly Buffer[] = [],
): Promise<{ accountId: string; isActive: boolean }> {
  type Opened = { account_id: string; is_active: boolean };
  const [row] = await ask(db<{ opened: Opened }[]>`
    SELECT ducat.open_external_account(${issuer}, ${subject},
      ${isVerified ? JSON.stringify({ name, email }) : null}::text::jsonb,
      ${toBinary(db, identities)}) AS opened`);
  if (!row) throw new Error("open_external_account returned nothing");
  return { accountId: row.opened.account_id, isActive: row.opened.is_active };
}
