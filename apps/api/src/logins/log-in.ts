import { grantLoginTrial, openLoginAccount } from "@ducat/db/logins";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import { evenOutRefusal } from "./even-out.ts";
import { nameMailbox } from "./login-secrets.ts";
import { type BegunSession, beginSession } from "./sessions.ts";
import { takeLoginLimits } from "./take-limits.ts";

export type Attempt = {
  email: string;
  password: string;
  userAgent?: string | undefined;
  ip?: string | undefined;
};

/** Logs in by e-mail and password. Errors: unauthenticated (whatever is wrong), rate_limited. */
export async function logIn(deps: LoginDeps, attempt: Attempt): Promise<BegunSession> {
  await takeLoginLimits(deps, "login", attempt);
  return await evenOutRefusal(deps.floorMs, () => tryLogIn(deps, attempt));
}

async function tryLogIn(
  deps: LoginDeps,
  { email, password, userAgent, ip }: Attempt,
): Promise<BegunSession> {
  const { db, identity, secrets } = deps;
  const proven = await identity.checkPassword(email, password);
  if (!proven) throw new DomainError("unauthenticated");
  const { loginId, passwordHash } = proven;
  // A sign-up that broke off has none yet.
  const accountId = await openLoginAccount(db, loginId);
  const begun = await beginSession(deps, { loginId, accountId, passwordHash, userAgent, ip });
  // So has a proof of the address that broke off before its trial.
  if (begun.is_email_verified) {
    await grantLoginTrial(db, loginId, secrets.hashIdentity(nameMailbox(email)));
  }
  return begun;
}
