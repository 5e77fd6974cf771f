import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** What recognises the two tokens of one generation, SHA-256 in hex. */
export type TokenHashes = { access_hash: string; refresh_hash: string };

export type NewSession = TokenHashes & {
  id: string;
  user_agent?: string | undefined;
  ip?: string | undefined;
  /** The hash of the password that was verified; left out where something else was. */
  password?: string | undefined;
  /** The hash (hex) of a challenge that was passed; a login with a second factor needs one. */
  challenge?: string | undefined;
  /** What was proven or given with the password: it must still be the login's. */
  email?: string | undefined;
  phone?: string | undefined;
};

export type SessionTimes = {
  access_expires_at: string;
  refresh_expires_at: string;
  is_verified: boolean;
};

export type CreatedSession = SessionTimes & { is_email_verified: boolean };

/**
 * Begins a session of the login on one of its accounts. Undefined when it may not: banned, not
 * active, not theirs, or the password or address was changed since it was verified.
 */
export async function createSession(
  db: Db,
  { loginId, accountId }: { loginId: string; accountId: string },
  session: NewSession,
): Promise<CreatedSession | undefined> {
  const [row] = await ask(db<{ made: CreatedSession | null }[]>`
    SELECT ducat.create_session(${loginId}, ${accountId}, ${JSON.stringify(session)}::text::jsonb)
      AS made`);
  return row?.made ?? undefined;
}

/**
 * Begins a session on another account of the login, from an open one of it, with which it ends.
 * Undefined when it may not: the other has ended, banned, not active, not theirs.
 */
export async function switchSession(
  db: Db,
  from: { loginId: string; sessionId: string },
  { accountId, session }: { accountId: string; session: NewSession },
): Promise<CreatedSession | undefined> {
  const [row] = await ask(db<{ made: CreatedSession | null }[]>`
    SELECT ducat.switch_session(${from.loginId}, ${from.sessionId}, ${accountId},
      ${JSON.stringify(session)}::text::jsonb) AS made`);
  return row?.made ?? undefined;
}

/** Who a session is while it works. The hash is hex, times are as PostgreSQL writes them. */
export type WorkingSession = {
  login_id: string;
  account_id: string;
  account_kind: "user" | "vendor";
  access_hash: string;
  expires_at: string;
  role: "user" | "support" | "admin";
  is_verified: boolean;
};

/** What an access token of this session and generation stands for, while it works. */
export async function findSession(
  db: Db,
  id: string,
  generation: number,
): Promise<WorkingSession | undefined> {
  const [row] = await ask(db<{ found: WorkingSession | null }[]>`
    SELECT ducat.find_session(${id}, ${generation}) AS found`);
  return row?.found ?? undefined;
}

export type RefreshedSession = SessionTimes & {
  login_id: string;
  account_id: string;
  generation: number;
  refresh_hash: string;
};

/**
 * Exchanges a refresh token that is known to be ours. Undefined when nothing works with it; one
 * that was replaced before ends its session by this.
 */
export async function refreshSession(
  db: Db,
  token: { id: string; generation: number; hash: Buffer },
  next: TokenHashes,
): Promise<RefreshedSession | undefined> {
  const [row] = await ask(db<{ made: RefreshedSession | null }[]>`
    SELECT ducat.refresh_session(${token.id}, ${token.generation}, ${token.hash},
      ${JSON.stringify(next)}::text::jsonb) AS made`);
  return row?.made ?? undefined;
}

export type EndReason = "logout" | "revoked";

/** Ends one of the login's sessions; whether it ended now. */
export async function endSession(
  db: Db,
  loginId: string,
  { id, reason }: { id: string; reason: EndReason },
): Promise<boolean> {
  const [row] = await ask(db<{ ended: boolean }[]>`
    SELECT ducat.end_session(${loginId}, ${id}, ${reason}) AS ended`);
  return row?.ended ?? false;
}

/** Ends all sessions of the login, but `except`; how many ended now. */
export async function endSessions(
  db: Db,
  loginId: string,
  { except = null, reason }: { except?: string | null; reason: EndReason },
): Promise<number> {
  const [row] = await ask(db<{ ended: number }[]>`
    SELECT ducat.end_sessions(${loginId}, ${except}, ${reason}) AS ended`);
  return row?.ended ?? 0;
}

export type OpenSession = {
  id: string;
  account_id: string;
  user_agent: string | null;
  ip: string | null;
  created_at: string;
  refreshed_at: string;
  expires_at: string;
};

/** The login's open sessions, the latest used first. */
export async function listSessions(db: Db, loginId: string): Promise<OpenSession[]> {
  const rows = await ask(db<{ session: OpenSession }[]>`
    SELECT ducat.list_sessions(${loginId}) AS session`);
  return rows.map(({ session }) => session);
}

/** Whether this session of the login was begun within so many seconds, by logging in. */
export async function hasBegunLately(
  db: Db,
  loginId: string,
  { id, seconds }: { id: string; seconds: number },
): Promise<boolean> {
  const [row] = await ask(db<{ lately: boolean }[]>`
    SELECT ducat.has_begun_lately(${loginId}, ${id}, ${seconds}) AS lately`);
  return row?.lately ?? false;
}
