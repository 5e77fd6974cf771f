import { timingSafeEqual } from "node:crypto";
import { findSession, type WorkingSession } from "@ducat/db/sessions";
import type { Principal } from "./auth.ts";
import type { Deps } from "./deps.ts";
import { accountKeyScopes, type Scope, scopes } from "./scopes.ts";

/** How long a process may believe that a session still works; ending one tells it at once. */
const lifeMs = 15_000;

/**
 * The person whose session an access token is, on the account that the session is bound to. No
 * query for a token that we never made, nor while the session is cached.
 */
export async function findSessionPrincipal(
  { db, cache, now, logins }: Pick<Deps, "db" | "cache" | "now" | "logins">,
  text: string,
): Promise<Principal | undefined> {
  const token = logins.tokens.read("access", text);
  if (!token) return undefined;
  const { id, generation, hash } = token;
  const found = await cache.getOrSet<WorkingSession | null>(`session:${id}:${generation}`, {
    ttlMs: lifeMs,
    tags: [`session:${id}`],
    tagsOf: (session) =>
      session ? [`login:${session.login_id}`, `account:${session.account_id}`] : [],
    load: async () => (await findSession(db, id, generation)) ?? null,
  });
  if (!found || !timingSafeEqual(hash, Buffer.from(found.access_hash, "hex"))) return undefined;
  if (Date.parse(found.expires_at) <= now()) return undefined;
  const { login_id: loginId, account_id: accountId, is_verified: isVerified } = found;
  return {
    kind: "session",
    actor: `login:${loginId}`,
    ...{ loginId, accountId, sessionId: id, isVerified },
    role: found.role === "user" ? found.account_kind : found.role,
    scopes: scopesOf(found),
  };
}

/** An office is held by whoever has proven who they are. */
function scopesOf({ role, is_verified }: WorkingSession): readonly Scope[] {
  if (role === "admin" && is_verified) return scopes;
  const own: Scope[] = [...accountKeyScopes, "keys"];
  return role === "support" && is_verified ? [...own, "admin"] : own;
}
