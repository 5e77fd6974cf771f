import { randomUUID } from "node:crypto";
import {
  createSession,
  refreshSession,
  type SessionTimes,
  switchSession,
} from "@ducat/db/sessions";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";
import type { TokenPair } from "./session-tokens.ts";

export type BegunSession = SessionTimes & { accountId: string; pair: TokenPair };

export type Beginning = {
  loginId: string;
  accountId: string;
  /** The hash of the password that was verified, where it was a password. */
  passwordHash?: string | undefined;
  /** The hash (hex) of a challenge that was passed, where the login has a second factor. */
  challenge?: string | undefined;
  /** What was proven, or given with the password; it may have become another's meanwhile. */
  email?: string | undefined;
  phone?: string | undefined;
  userAgent?: string | undefined;
  ip?: string | undefined;
};

/** Begins a session of a login that has proven itself. Errors: unauthenticated (banned, ended). */
export async function beginSession(
  { db, tokens }: Pick<LoginDeps, "db" | "tokens">,
  { loginId, accountId, passwordHash, challenge, email, phone, userAgent, ip }: Beginning,
): Promise<BegunSession & { is_email_verified: boolean }> {
  const id = randomUUID();
  const pair = tokens.make(id, 1);
  const proof = { password: passwordHash, challenge, email, phone };
  const session = { id, ...pair.hashes, ...proof, user_agent: userAgent, ip };
  const times = await createSession(db, { loginId, accountId }, session);
  if (!times) throw new DomainError("unauthenticated");
  return { ...times, accountId, pair };
}

/**
 * Begins a session on another account of the same login, which ends with the one that it is begun
 * from. Errors: not_found (not theirs, not active).
 */
export async function switchAccount(
  { db, tokens }: Pick<LoginDeps, "db" | "tokens">,
  from: { loginId: string; sessionId: string },
  { accountId, userAgent, ip }: Pick<Beginning, "accountId" | "userAgent" | "ip">,
): Promise<BegunSession> {
  const id = randomUUID();
  const pair = tokens.make(id, 1);
  const session = { id, ...pair.hashes, user_agent: userAgent, ip };
  const times = await switchSession(db, from, { accountId, session });
  if (!times) throw new DomainError("not_found");
  return { ...times, accountId, pair };
}

/**
 * The next pair of tokens for a refresh token; the same one again for who asks twice at once. An
 * old one ends the session. Errors: unauthenticated.
 */
export async function continueSession(
  { db, cache, tokens }: Pick<LoginDeps, "db" | "cache" | "tokens">,
  refreshToken: string,
): Promise<BegunSession> {
  const token = tokens.read("refresh", refreshToken);
  if (!token) throw new DomainError("unauthenticated");
  const { id, generation } = token;
  const next = tokens.make(id, generation + 1);
  const refreshed = await refreshSession(db, token, next.hashes);
  // The database has told the others; this process shall know before its answer is out.
  if (!refreshed) await cache.forget([`session:${id}`]);
  const pair = refreshed && tokens.find(id, refreshed.generation, refreshed.refresh_hash);
  if (!pair) throw new DomainError("unauthenticated");
  return { ...refreshed, accountId: refreshed.account_id, pair };
}
