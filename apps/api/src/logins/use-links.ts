import { randomUUID } from "node:crypto";
import type { Audit } from "@ducat/db/credits";
import { grantLoginTrial, proveLoginEmail, sendLoginNotice, useLoginLink } from "@ducat/db/logins";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import { evenOut } from "./even-out.ts";
import { nameMailbox } from "./login-secrets.ts";
import { nameVerification } from "./register.ts";
import { takeLoginLimits } from "./take-limits.ts";

type Caller = { ip?: string | undefined; audit: Audit };

const endedLink = () =>
  new DomainError("invalid_state", {
    detail: "This link has been used, has expired or never was one.",
    extra: { reason: "link_ended" },
  });

/**
 * Proves the address that the link was sent to; the first proof gives the trial credits. Errors:
 * invalid_state, rate_limited.
 */
export async function verifyEmail(
  deps: LoginDeps,
  { token, ip, audit }: Caller & { token: string },
): Promise<void> {
  const { db, cache, secrets } = deps;
  await takeLoginLimits(deps, "link", { ip });
  const proven = await useLoginLink(db, nameVerification(token), audit);
  if (!proven) throw endedLink();
  const { login_id: loginId, email } = proven;
  await cache.forget([`login:${loginId}`]);
  await grantLoginTrial(db, loginId, secrets.hashIdentity(nameMailbox(email)));
}

/** Mails a link for a new password to whoever has this address. Errors: rate_limited. */
export async function forgetPassword(
  deps: LoginDeps,
  { email, ip }: { email: string; ip?: string | undefined },
): Promise<void> {
  const { db, identity, secrets, floorMs } = deps;
  await takeLoginLimits(deps, "mail", { email, ip });
  await evenOut(floorMs, async () => {
    const reset = await identity.requestReset(email);
    if (!reset) return;
    const data = secrets.seal({ token: reset.token });
    const mail = { kind: "reset_password", data, key: `login:${randomUUID()}` };
    await sendLoginNotice(db, reset.loginId, mail);
  });
}

/**
 * Changes the password by a link. Every session of the login ends; the address is proven by the
 * link as well. Errors: invalid_state.
 */
export async function resetPassword(
  deps: LoginDeps,
  { token, password, ip, audit }: Caller & { token: string; password: string },
): Promise<void> {
  const { db, cache, identity, secrets } = deps;
  await takeLoginLimits(deps, "link", { ip });
  const loginId = await identity.resetPassword(token, password);
  if (loginId === undefined) throw endedLink();
  await cache.forget([`login:${loginId}`]);
  const email = await proveLoginEmail(db, loginId, audit);
  const mail = { kind: "password_changed", data: secrets.seal({}), key: `login:${randomUUID()}` };
  await sendLoginNotice(db, loginId, mail);
  await grantLoginTrial(db, loginId, secrets.hashIdentity(nameMailbox(email)));
}
