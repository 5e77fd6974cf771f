import { randomUUID } from "node:crypto";
import type { Audit } from "@ducat/db/credits";
import { resetPasswordByCode, useLoginCode } from "@ducat/db/login-codes";
import { grantLoginTrial, sendLoginNotice } from "@ducat/db/logins";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import { namePhone } from "./login-secrets.ts";
import { beginOrChallenge, type Challenge } from "./second-factor.ts";
import { requirePhone } from "./send-code.ts";
import type { BegunSession } from "./sessions.ts";
import { takeLoginLimits } from "./take-limits.ts";

type Caller = { ip?: string | undefined; userAgent?: string | undefined; audit: Audit };

export type ProofOfPhone = Caller & {
  phone: string;
  purpose: "login" | "phone_verify";
  code: string;
  /** For a login that has none yet. */
  password?: string | undefined;
  locale: string;
  /** Of the account to be on; the user's, unless it says otherwise. */
  kind?: "user" | "vendor" | undefined;
};

const wrongCode = () =>
  new DomainError("unauthenticated", { detail: "This code is not valid, or no longer." });

/**
 * Logs in by a code, and signs up who has no login yet: the first proof of a number gives the trial
 * credits. Errors: validation_failed, unauthenticated (whatever is wrong with the code),
 * invalid_state (the code is right, and there is no account of this kind), rate_limited.
 */
export async function useCode(
  deps: LoginDeps,
  { phone: text, purpose, code, password, locale, kind, ...caller }: ProofOfPhone,
): Promise<BegunSession | Challenge> {
  const { db, codes, secrets, phonePasswords } = deps;
  const { ip, userAgent, audit } = caller;
  const phone = requirePhone(deps, text);
  await takeLoginLimits(deps, "code", { ip });
  const hashes = codes.hashCode({ phone, purpose, code });
  const hash = password === undefined ? undefined : await phonePasswords.hash(password);
  const guess = { phone, purpose, hashes };
  const proven = await useLoginCode(db, guess, { locale, password: hash, kind, audit });
  if (!proven) throw wrongCode();
  const { login_id: loginId, account_id: accountId } = proven;
  await grantLoginTrial(db, loginId, secrets.hashIdentity(namePhone(phone)));
  return await beginOrChallenge(deps, { loginId, accountId, phone, userAgent, ip });
}

/**
 * Changes the password by a code; every session of the login ends. Errors: validation_failed,
 * unauthenticated (whatever is wrong with the code), rate_limited.
 */
export async function resetPasswordWithCode(
  deps: LoginDeps,
  given: Caller & { phone: string; code: string; password: string },
): Promise<void> {
  const { db, cache, codes, secrets, phonePasswords } = deps;
  const phone = requirePhone(deps, given.phone);
  await takeLoginLimits(deps, "code", { ip: given.ip });
  const hashes = codes.hashCode({ phone, purpose: "password_reset", code: given.code });
  const password = await phonePasswords.hash(given.password);
  const reset = await resetPasswordByCode(db, { phone, hashes }, { password, audit: given.audit });
  if (!reset) throw wrongCode();
  const { login_id: loginId } = reset;
  await cache.forget([`login:${loginId}`]);
  const mail = { kind: "password_changed", data: secrets.seal({}), key: `login:${randomUUID()}` };
  await sendLoginNotice(db, loginId, mail);
}
