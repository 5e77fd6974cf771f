import { toBinary } from "./binary.ts";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** A secret as it is encrypted now and as it shall be, both in hex. */
export type Relocked = { from: string; to: string };

/** What was shown as the second factor: the step of a right code, or a backup code's hashes. */
export type TotpProof = { step: number; relocked?: Relocked } | { codes: string[] };

const jsonOf = (proof: TotpProof) => JSON.stringify(proof);

/**
 * Offers a login a secret (encrypted) and backup codes (hashed), and tells what to show beside the
 * codes; undefined when a second factor is in force.
 */
export async function offerTotp(
  db: Db,
  loginId: string,
  offer: { secret: Buffer; codes: readonly Buffer[] },
): Promise<{ name: string } | undefined> {
  const [row] = await ask(db<{ offered: { name: string } | null }[]>`
    SELECT ducat.offer_totp(${loginId}, ${offer.secret}, ${toBinary(db, offer.codes)}) AS offered`);
  return row?.offered ?? undefined;
}

/** The secret is encrypted, in hex. */
export type FoundTotp = { secret: string; is_active: boolean };

/** A login's second factor, offered or in force. Take from a limit first. */
export async function findTotp(db: Db, loginId: string): Promise<FoundTotp | undefined> {
  const [row] = await ask(db<{ totp: FoundTotp | null }[]>`
    SELECT ducat.find_totp(${loginId}) AS totp`);
  return row?.totp ?? undefined;
}

/** Puts the offered secret in force; false when it was replaced or is in force already. */
export async function activateTotp(
  db: Db,
  loginId: string,
  { secret, step, audit }: { secret: string; step: number; audit: Audit },
): Promise<boolean> {
  const [row] = await ask(db<{ activated: boolean }[]>`
    SELECT ducat.activate_totp(${loginId}, ${Buffer.from(secret, "hex")}, ${step},
      ${JSON.stringify(audit)}::text::jsonb) AS activated`);
  return row?.activated ?? false;
}

/** Uses up what was shown of a login's second factor; whether it was accepted. */
export async function proveTotp(db: Db, loginId: string, proof: TotpProof): Promise<boolean> {
  const [row] = await ask(db<{ proven: boolean }[]>`
    SELECT ducat.prove_totp(${loginId}, ${jsonOf(proof)}::text::jsonb) AS proven`);
  return row?.proven ?? false;
}

/** Does without the second factor again; whether the proof was accepted. */
export async function disableTotp(
  db: Db,
  loginId: string,
  { proof, audit }: { proof: TotpProof; audit: Audit },
): Promise<boolean> {
  const [row] = await ask(db<{ disabled: boolean }[]>`
    SELECT ducat.disable_totp(${loginId}, ${jsonOf(proof)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb) AS disabled`);
  return row?.disabled ?? false;
}

export type FirstFactor = {
  loginId: string;
  accountId: string;
  /** The hash of the password that was verified; left out where something else was. */
  password?: string | undefined;
};

/** Asks for the second factor; whether this login has one. `hash` recognises the challenge. */
export async function challengeTotp(db: Db, hash: Buffer, first: FirstFactor): Promise<boolean> {
  const [row] = await ask(db<{ challenged: boolean }[]>`
    SELECT ducat.challenge_totp(${hash}, ${first.loginId}, ${first.accountId},
      ${first.password ?? null}) AS challenged`);
  return row?.challenged ?? false;
}

/** What judging a guess takes. The secret is encrypted, in hex. */
export type CountedGuess = {
  login_id: string;
  account_id: string;
  password: string | null;
  secret: string;
};

/** Counts a guess at a challenge; undefined for the sixth, and for what is none any more. */
export async function tryTotp(db: Db, hash: Buffer): Promise<CountedGuess | undefined> {
  const [row] = await ask(db<{ counted: CountedGuess | null }[]>`
    SELECT ducat.try_totp(${hash}) AS counted`);
  return row?.counted ?? undefined;
}

/** Passes a challenge; whether the proof was accepted now. */
export async function passTotp(db: Db, hash: Buffer, proof: TotpProof): Promise<boolean> {
  const [row] = await ask(db<{ passed: boolean }[]>`
    SELECT ducat.pass_totp(${hash}, ${jsonOf(proof)}::text::jsonb) AS passed`);
  return row?.passed ?? false;
}

/** Takes a login's second factor away; false when it had none. Errors: not_found (what: login). */
export async function removeTotp(db: Db, loginId: string, audit: Audit): Promise<boolean> {
  const [row] = await ask(db<{ removed: boolean }[]>`
    SELECT ducat.remove_totp(${loginId}, ${JSON.stringify(audit)}::text::jsonb) AS removed`);
  return row?.removed ?? false;
}
