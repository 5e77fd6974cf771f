import { takeLimits } from "@ducat/db/rate-limits";
import { hasBegunLately } from "@ducat/db/sessions";
import { findTotp, proveTotp } from "@ducat/db/totp";
import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";
import type { LoginDeps } from "./deps.ts";
import { readTotpProof, takeTotpGuess } from "./read-totp.ts";

/** How long somebody who has logged in counts as being there in person. */
const freshSeconds = 10 * 60;

export type SessionOwner = {
  loginId: string;
  sessionId: string;
  password?: string | undefined;
  /** Of the second factor, where the login has one. */
  totpCode?: string | undefined;
};

/**
 * Lets those pass who have shown again that they are the person whose session it is: by all that a
 * log-in takes (the login's password, and a code of its second factor), or by having logged in
 * within ten minutes (which is what a login without a password does, by a code). A session may be
 * stolen, and what comes next can't be undone. Errors: validation_failed (not the password, no
 * right code), forbidden (reason: reauthenticate), rate_limited.
 */
export async function reauthenticate(
  deps: Pick<LoginDeps, "db" | "phonePasswords" | "codes" | "now">,
  { loginId, sessionId, password, totpCode }: SessionOwner,
): Promise<void> {
  const { db, phonePasswords } = deps;
  if (password !== undefined) {
    const limit = { key: `reauthenticate:${loginId}`, limit: 10, windowSeconds: 15 * 60 };
    const refused = await takeLimits(db, [limit]);
    if (refused) {
      const extra = { retry_after_s: refused.retryAfterSeconds };
      throw new DomainError("rate_limited", { extra });
    }
    const totp = await findTotp(db, loginId);
    if (totp?.is_active && totpCode === undefined) throw refuseCode();
    const isOwn = await phonePasswords.checkOwn(loginId, password);
    if (isOwn !== true) throw refuseAt("/password", "This is not the password of this login.");
    if (totp?.is_active) {
      await showCode(deps, { loginId, secret: totp.secret, code: totpCode ?? "" });
    }
    return;
  }
  if (await hasBegunLately(db, loginId, { id: sessionId, seconds: freshSeconds })) return;
  throw mustReauthenticate();
}

type Shown = { loginId: string; secret: string; code: string };

/** Errors: validation_failed, rate_limited. */
async function showCode(
  deps: Pick<LoginDeps, "db" | "codes" | "now">,
  { loginId, secret, code }: Shown,
): Promise<void> {
  await takeTotpGuess(deps, loginId);
  const proof = readTotpProof(deps, { loginId, secret, code });
  if (!proof || !(await proveTotp(deps.db, loginId, proof))) throw refuseCode();
}

const refuseCode = () => refuseAt("/totp_code", "It takes a code of this login's second factor.");

/** What whoever has to log in again is told. */
export const mustReauthenticate = (): DomainError =>
  new DomainError("forbidden", {
    detail: "Log in again for this, or give the password.",
    extra: { reason: "reauthenticate" },
  });
