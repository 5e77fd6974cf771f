import { toBinary } from "./binary.ts";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Somebody whom an issuer calls so. Name and address count only when they are verified. */
export type ExternalPerson = {
  issuer: string;
  subject: string;
  isVerified: boolean;
  /** When they signed in there, as far as the issuer tells, by its clock. */
  signedInAt?: Date | undefined;
  name?: string | undefined;
  email?: string | undefined;
};

/** HMACs of what is known of somebody; each list by our secrets, the newest first. */
export type PersonHashes = {
  /** The issuer's name for them. */
  names: readonly Buffer[];
  /** All that has one trial, the names too. */
  identities: readonly Buffer[];
};

/**
 * The account of somebody who is signed in elsewhere, made when they are first seen; the trial is
 * given when their issuer first vouches for them, once for all of their identities. Undefined for
 * who has erased theirs and not signed in again since.
 */
export async function openExternalAccount(
  db: Db,
  { issuer, subject, isVerified, signedInAt, name, email }: ExternalPerson,
  { names, identities }: PersonHashes = { names: [], identities: [] },
): Promise<{ accountId: string; isActive: boolean } | undefined> {
  type Opened = { account_id: string | null; is_active: boolean };
  const [row] = await ask(db<{ opened: Opened }[]>`
    SELECT ducat.open_external_account(${issuer}, ${subject},
      ${isVerified ? JSON.stringify({ name, email }) : null}::text::jsonb,
      ${toBinary(db, identities)}, ${toBinary(db, names)}, ${signedInAt ?? null}) AS opened`);
  if (!row) throw new Error("open_external_account returned nothing");
  const { account_id: accountId, is_active: isActive } = row.opened;
  return accountId === null ? undefined : { accountId, isActive };
}
