import { createHash, randomUUID } from "node:crypto";
import { findLogin, sendLoginLink, sendLoginNotice } from "@ducat/db/logins";
import { type LoginDeps, linkSeconds } from "./deps.ts";
import { evenOut } from "./even-out.ts";
import { makeLinkToken } from "./login-secrets.ts";
import { takeLoginLimits } from "./take-limits.ts";

export type Registration = {
  email: string;
  password: string;
  locale: string;
  ip?: string | undefined;
};

/**
 * Signs somebody up and mails them a link that proves the address. Who has a login already is told
 * so by mail, and nobody else is: the answer and its time are the same. Errors: rate_limited.
 */
export async function register(deps: LoginDeps, registration: Registration): Promise<void> {
  await takeLoginLimits(deps, "mail", registration);
  await evenOut(deps.floorMs, () => tryRegister(deps, registration));
}

async function tryRegister(
  deps: LoginDeps,
  { email, password, locale }: Registration,
): Promise<void> {
  const { db, identity, secrets } = deps;
  const { loginId, passwordHash, isNew } = await identity.signUp(email, password);
  // Several may sign up with an address before one of them proves it. Whose password comes into
  // force is decided by the link that is followed: each has the one of its own sign-up.
  const verification = { loginId, locale, password: passwordHash };
  if (isNew) return await sendVerification(deps, verification);
  const login = await findLogin(db, email);
  if (login?.is_verified) {
    const mail = { kind: "login_exists", data: secrets.seal({}), key: `login:${randomUUID()}` };
    return await sendLoginNotice(db, loginId, mail);
  }
  await sendVerification(deps, verification);
}

/** Sends the link again to whoever has not proven the address. Errors: rate_limited. */
export async function resendVerification(
  deps: LoginDeps,
  { email, ip }: { email: string; ip?: string | undefined },
): Promise<void> {
  await takeLoginLimits(deps, "mail", { email, ip });
  await evenOut(deps.floorMs, async () => {
    const login = await findLogin(deps.db, email);
    if (login && !login.is_verified) await sendVerification(deps, { loginId: login.id });
  });
}

type Verification = { loginId: string; locale?: string; password?: string };

async function sendVerification(
  { db, secrets }: LoginDeps,
  verification: Verification,
): Promise<void> {
  const token = makeLinkToken();
  await sendLoginLink(db, {
    ...verification,
    identifier: nameVerification(token),
    lifeSeconds: linkSeconds.verify,
    mail: { kind: "verify_email", data: secrets.seal({ token }) },
  });
}

/** What the database keeps of a link: its purpose and token, hashed together. */
export const nameVerification = (token: string): string =>
  createHash("sha256").update(`verify-email:${token}`).digest("base64url");
