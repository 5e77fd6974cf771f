import { toBinary } from "./binary.ts";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { Limit, Refused } from "./rate-limits.ts";
import { toLimitRows } from "./rate-limits.ts";

export type CodePurpose = "phone_verify" | "login" | "password_reset";

/** A number in E.164, what a code was sent for, and the code's HMAC by each of our secrets. */
export type CodeGuess = { phone: string; purpose: CodePurpose; hashes: readonly Buffer[] };

export type NewCode = {
  phone: string;
  purpose: CodePurpose;
  hash: Buffer;
  /** The message's data, of which the code is a sealed part, and the language it speaks. */
  message: { sealed: string; locale: string };
};

/**
 * Keeps a code, the older one of its number and purpose is void, and queues the message that brings
 * it; or tells which limit refused.
 */
export async function sendLoginCode(
  db: Db,
  code: NewCode,
  limits: readonly Limit[],
): Promise<Refused | undefined> {
  const { phone, purpose, hash, message } = code;
  const [row] = await ask(db<{ refused: { key: string; retry_after_s: number } | null }[]>`
    SELECT ducat.send_login_code(${phone}, ${purpose}, ${hash},
      ${JSON.stringify(message)}::text::jsonb,
      ${JSON.stringify(toLimitRows(limits))}::text::jsonb) AS refused`);
  const refused = row?.refused;
  return refused ? { key: refused.key, retryAfterSeconds: refused.retry_after_s } : undefined;
}

export type ProvenPhone = { login_id: string; account_id: string };

export type CodeUse = {
  locale: string;
  /** A password's hash. */
  password?: string | undefined;
  /** Of the account to act on. */
  kind?: "user" | "vendor" | undefined;
  audit: Audit;
};

/**
 * Uses up a code that proves a number, and makes its login if there is none; a password hash comes
 * into force where there is no password. Undefined when the code doesn't do. Errors: invalid_state
 * (reason: no_account, it has no vendor account; the code may be used for another kind).
 */
export async function useLoginCode(
  db: Db,
  guess: CodeGuess,
  more: CodeUse,
): Promise<ProvenPhone | undefined> {
  const { audit, ...rest } = more;
  const [row] = await ask(db<{ proven: ProvenPhone | null }[]>`
    SELECT ducat.use_login_code(${guess.phone}, ${guess.purpose}, ${toBinary(db, guess.hashes)},
      ${JSON.stringify(rest)}::text::jsonb, ${JSON.stringify(audit)}::text::jsonb) AS proven`);
  return row?.proven ?? undefined;
}

/** Uses up a code for a new password, given as its hash. Undefined when the code doesn't do. */
export async function resetPasswordByCode(
  db: Db,
  guess: Omit<CodeGuess, "purpose">,
  { password, audit }: { password: string; audit: Audit },
): Promise<{ login_id: string } | undefined> {
  const [row] = await ask(db<{ reset: { login_id: string } | null }[]>`
    SELECT ducat.reset_password_by_code(${guess.phone}, ${toBinary(db, guess.hashes)},
      ${password}, ${JSON.stringify(audit)}::text::jsonb) AS reset`);
  return row?.reset ?? undefined;
}
