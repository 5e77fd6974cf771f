import { takeLimits } from "@ducat/db/rate-limits";
import { hasBegunLately } from "@ducat/db/sessions";
import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";
import type { LoginDeps } from "./deps.ts";

/** How long somebody who has logged in counts as being there in person. */
const freshSeconds = 10 * 60;

export type SessionOwner = {
  loginId: string;
  sessionId: string;
  password?: string | undefined;
};

/**
 * Lets those pass who have shown again that they are the person whose session it is: by the
 * login's password, or by having logged in within ten minutes (which is what a login without a
 * password does, by a code). A session may be stolen, and what comes next can't be undone.
 * Errors: validation_failed (not the password), forbidden (reason: reauthenticate), rate_limited.
 */
export async function reauthenticate(
  { db, phonePasswords }: Pick<LoginDeps, "db" | "phonePasswords">,
  { loginId, sessionId, password }: SessionOwner,
): Promise<void> {
  if (password !== undefined) {
    const limit = { key: `reauthenticate:${loginId}`, limit: 10, windowSeconds: 15 * 60 };
    const refused = await takeLimits(db, [limit]);
    if (refused) {
      const extra = { retry_after_s: refused.retryAfterSeconds };
      throw new DomainError("rate_limited", { extra });
    }
    const isOwn = await phonePasswords.checkOwn(loginId, password);
    if (isOwn === true) return;
    throw refuseAt("/password", "This is not the password of this login.");
  }
  if (await hasBegunLately(db, loginId, { id: sessionId, seconds: freshSeconds })) return;
  throw mustReauthenticate();
}

/** What whoever has to log in again is told. */
export const mustReauthenticate = (): DomainError =>
  new DomainError("forbidden", {
    detail: "Log in again for this, or give the password.",
    extra: { reason: "reauthenticate" },
  });
