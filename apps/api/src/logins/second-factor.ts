import { createHash, randomBytes } from "node:crypto";
import type { Audit } from "@ducat/db/credits";
import {
  activateTotp,
  challengeTotp,
  disableTotp,
  findTotp,
  offerTotp,
  passTotp,
  tryTotp,
} from "@ducat/db/totp";
import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";
import { makeBackupCode } from "./code-secrets.ts";
import type { LoginDeps } from "./deps.ts";
import { readTotpProof, takeTotpGuess } from "./read-totp.ts";
import { reauthenticate, type SessionOwner } from "./reauthenticate.ts";
import { type Beginning, type BegunSession, beginSession } from "./sessions.ts";
import { secretBytes, toBase32, writeOtpauthUrl } from "./totp.ts";

/** What somebody holds who has shown the first factor. */
export type Challenge = { challenge: string };

const challengeForm = /^dc_[\w-]{43}$/;
const hashOf = (challenge: string) => createHash("sha256").update(challenge).digest();

/**
 * Begins a session of a login that has shown its first factor, or asks for the second where it has
 * one. Errors: unauthenticated (banned, ended).
 */
export async function beginOrChallenge(
  deps: LoginDeps,
  beginning: Beginning,
): Promise<(BegunSession & { is_email_verified: boolean }) | Challenge> {
  const { loginId, accountId, passwordHash: password } = beginning;
  const challenge = `dc_${randomBytes(32).toString("base64url")}`;
  const first = { loginId, accountId, password };
  const isAsked = await challengeTotp(deps.db, hashOf(challenge), first);
  return isAsked ? { challenge } : await beginSession(deps, beginning);
}

type Answer = {
  challenge: string;
  code: string;
  ip?: string | undefined;
  userAgent?: string | undefined;
};

/**
 * Begins the session that a challenge stands before, by a code of the authenticator or a backup
 * code. Errors: unauthenticated (whatever is wrong), rate_limited.
 */
export async function answerChallenge(deps: LoginDeps, answer: Answer): Promise<BegunSession> {
  const { challenge, code, ip, userAgent } = answer;
  const hash = challengeForm.test(challenge) ? hashOf(challenge) : undefined;
  const counted = hash && (await tryTotp(deps.db, hash));
  if (!counted) throw new DomainError("unauthenticated");
  const { login_id: loginId, account_id: accountId } = counted;
  await takeTotpGuess(deps, loginId);
  const proof = readTotpProof(deps, { loginId, secret: counted.secret, code });
  const hasPassed = proof !== undefined && (await passTotp(deps.db, hash, proof));
  if (!hasPassed) throw new DomainError("unauthenticated");
  const passwordHash = counted.password ?? undefined;
  const by = { passwordHash, challenge: hash.toString("hex") };
  return await beginSession(deps, { loginId, accountId, userAgent, ip, ...by });
}

export type TotpOffer = { secret: string; otpauth_url: string; backup_codes: string[] };

const backupCodeCount = 10;

/**
 * Offers a login a second factor; what is in the answer is nowhere else in clear. A login with a
 * password shows it; of one without the session has begun lately: whoever has stolen it must not
 * shut its owner out. Errors: validation_failed, forbidden (reason: reauthenticate), invalid_state
 * (one is in force), rate_limited.
 */
export async function offerSecondFactor(
  deps: LoginDeps,
  { loginId, sessionId, password }: SessionOwner,
): Promise<TotpOffer> {
  const { codes, db, phonePasswords, issuer } = deps;
  await takeTotpGuess(deps, loginId);
  const isOwn = await phonePasswords.checkOwn(loginId, password);
  if (isOwn === false) throw refuseAt("/password", "This is not the password of this login.");
  if (isOwn === undefined) await reauthenticate(deps, { loginId, sessionId });
  const secret = randomBytes(secretBytes);
  const backupCodes = Array.from({ length: backupCodeCount }, makeBackupCode);
  const offered = await offerTotp(db, loginId, {
    secret: codes.lock(loginId, secret),
    codes: backupCodes.map((code) => codes.hashBackup(loginId, code)[0]),
  });
  if (!offered) throw new DomainError("invalid_state", { extra: { reason: "totp_active" } });
  return {
    secret: toBase32(secret),
    otpauth_url: writeOtpauthUrl(secret, { name: offered.name, issuer }),
    backup_codes: backupCodes.map((code) => code.replace(/^.{5}/, "$&-")),
  };
}

type Shown = { loginId: string; code: string; audit: Audit };

const wrongCode = () => refuseAt("/code", "This code is not valid, or no longer.");

/** Puts the offered factor in force. Errors: validation_failed, invalid_state, rate_limited. */
export async function activateSecondFactor(
  deps: LoginDeps,
  { loginId, code, audit }: Shown,
): Promise<void> {
  await takeTotpGuess(deps, loginId);
  const found = await findTotp(deps.db, loginId);
  if (!found || found.is_active) {
    const reason = found ? "totp_active" : "totp_not_offered";
    throw new DomainError("invalid_state", { extra: { reason } });
  }
  const { secret } = found;
  const proof = readTotpProof(deps, { loginId, secret, code });
  // A backup code proves that the list was kept, not that the app has the secret.
  if (!proof || !("step" in proof)) throw wrongCode();
  const isOn = await activateTotp(deps.db, loginId, { secret, step: proof.step, audit });
  if (!isOn) throw new DomainError("invalid_state", { extra: { reason: "totp_active" } });
}

/** Does without a second factor. Errors: validation_failed, invalid_state, rate_limited. */
export async function disableSecondFactor(
  deps: LoginDeps,
  { loginId, code, audit }: Shown,
): Promise<void> {
  await takeTotpGuess(deps, loginId);
  const found = await findTotp(deps.db, loginId);
  if (!found?.is_active) {
    throw new DomainError("invalid_state", { extra: { reason: "totp_inactive" } });
  }
  const proof = readTotpProof(deps, { loginId, secret: found.secret, code });
  const isOff = proof !== undefined && (await disableTotp(deps.db, loginId, { proof, audit }));
  if (!isOff) throw wrongCode();
}
