import { grantLoginTrial, openLoginAccount } from "@ducat/db/logins";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import { evenOutRefusal } from "./even-out.ts";
import { nameMailbox, namePhone } from "./login-secrets.ts";
import { beginOrChallenge, type Challenge } from "./second-factor.ts";
import { requirePhone } from "./send-code.ts";
import type { BegunSession } from "./sessions.ts";
import { takeLoginLimits } from "./take-limits.ts";

/** By an address or a number: one of them is given. */
export type Attempt = {
  email?: string | undefined;
  phone?: string | undefined;
  password: string;
  /** Of the account to be on; the user's, unless it says otherwise. */
  kind?: "user" | "vendor" | undefined;
  userAgent?: string | undefined;
  ip?: string | undefined;
};

/**
 * Logs in by a password; whoever has a second factor is asked for it. Errors: unauthenticated
 * (whatever is wrong), invalid_state (the password is right, and there is no account of this kind),
 * rate_limited.
 */
export async function logIn(
  deps: LoginDeps,
  { phone: text, ...attempt }: Attempt,
): Promise<BegunSession | Challenge> {
  const phone = text === undefined ? undefined : requirePhone(deps, text);
  await takeLoginLimits(deps, "login", { ...attempt, phone });
  return await evenOutRefusal(deps.floorMs, () => tryLogIn(deps, { ...attempt, phone }));
}

async function tryLogIn(
  deps: LoginDeps,
  { email, phone, password, kind, userAgent, ip }: Attempt,
): Promise<BegunSession | Challenge> {
  const { db, identity, phonePasswords, secrets } = deps;
  const proven =
    phone === undefined
      ? await identity.checkPassword(email ?? "", password)
      : await phonePasswords.check(phone, password);
  if (!proven) throw new DomainError("unauthenticated");
  const { loginId, passwordHash } = proven;
  // A sign-up that broke off has none yet.
  const accountId = await openLoginAccount(db, loginId, { kind });
  const proof = { passwordHash, email, phone };
  const begun = await beginOrChallenge(deps, { loginId, accountId, ...proof, userAgent, ip });
  // So has a proof of the address or number that broke off before its trial.
  if (phone !== undefined) {
    await grantLoginTrial(db, loginId, secrets.hashIdentity(namePhone(phone)));
  } else if ("pair" in begun && begun.is_email_verified) {
    await grantLoginTrial(db, loginId, secrets.hashIdentity(nameMailbox(email ?? "")));
  }
  return begun;
}
