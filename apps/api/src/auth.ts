import { timingSafeEqual } from "node:crypto";
import { findAccount } from "@ducat/db/accounts";
import { useApiKey } from "@ducat/db/api-keys";
import type { Db } from "@ducat/db/connect";
import { DomainError } from "@ducat/types/errors";
import type { Context, MiddlewareHandler } from "hono";
import { hashKey, readApiKey } from "./api-key.ts";
import type { AppEnv, Deps } from "./deps.ts";
import { findExternalPrincipal } from "./external-principal.ts";
import { limitWrongKeys } from "./limits/limit-wrong-keys.ts";
import { isScope, type Scope, scopes } from "./scopes.ts";
import { findSessionPrincipal } from "./session-principal.ts";
import { findTicketPrincipal } from "./ticket-principal.ts";

/** Who calls. `actor` names them in audit lines; `accountId` is set when they are an account. */
export type Principal = {
  kind: "root" | "key" | "account_token" | "external" | "session" | "ticket";
  actor: string;
  scopes: readonly Scope[];
  accountId?: string;
  /** False: they may not spend, until whoever vouches for them says who they are. */
  isVerified?: boolean;
  /** How many requests the key may make; undefined: as many as there are. */
  limitPerMinute?: number;
  /** When the credential ends, in milliseconds; undefined: as its owner says. */
  endsAt?: number;
  /** When they showed their issuer who they are, in milliseconds, where it tells. */
  provenAt?: number;
  /** Of somebody who has logged in here. */
  loginId?: string;
  sessionId?: string;
  role?: "user" | "vendor" | "support" | "admin";
};

type AuthDeps = Pick<
  Deps,
  | "rootKeyHash"
  | "db"
  | "mode"
  | "now"
  | "cache"
  | "accountTokens"
  | "externalIssuers"
  | "logins"
  | "limits"
>;

/**
 * Finds out who calls, the only place that does; the credential's shape says what it is. Every
 * refusal is the same, whatever was wrong. Callers that are an account are refused everywhere while
 * it is not active. Errors: unauthenticated, forbidden, rate_limited (too many wrong keys).
 */
export function authenticate(deps: AuthDeps, findAccount: FindAccount): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const [, token] = /^Bearer +([!-~]+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    const principal =
      token === undefined
        ? await findTicketPrincipal(c, deps)
        : await findPrincipal(c, deps, token);
    if (!principal) throw new DomainError("unauthenticated");
    if (principal.accountId !== undefined) await findAccount(principal.accountId);
    c.set("principal", principal);
    await next();
  };
}

async function findPrincipal(
  c: Context<AppEnv>,
  deps: AuthDeps,
  token: string,
): Promise<Principal | undefined> {
  const hash = hashKey(token);
  if (timingSafeEqual(hash, deps.rootKeyHash)) {
    return { kind: "root", actor: "root", scopes };
  }
  if (token.startsWith("dat_")) return readAccountToken(deps, token);
  if (token.split(".").length === 3) return await findExternalPrincipal(deps, token);
  if (token.startsWith("ds_")) return await findSessionPrincipal(deps, token);
  const limit = (load: () => Promise<CachedKey | null>) => limitWrongKeys(c, deps, load);
  return await findKey(deps, { token, hash, limit });
}

function readAccountToken({ accountTokens }: AuthDeps, token: string): Principal | undefined {
  const claims = accountTokens.read(token);
  if (!claims) return undefined;
  const { accountId, scopes } = claims;
  const endsAt = claims.expiresAt.getTime();
  return { kind: "account_token", actor: `account:${accountId}`, scopes, accountId, endsAt };
}

/** How long a process may believe that a key still works; revoking tells it at once. */
const keyLifeMs = 15_000;

type CachedKey = {
  accountId?: string;
  hash: string;
  scopes: string[];
  expiresAt?: number;
  limitPerMinute?: number;
};

type ShownKey = {
  token: string;
  hash: Buffer;
  /** What bounds how many wrong ones are looked up. */
  limit(load: () => Promise<CachedKey | null>): Promise<CachedKey | null>;
};

/** A key that was not revoked, has not expired and is this very one; no query while cached. */
async function findKey(
  deps: AuthDeps,
  { token, hash, limit }: ShownKey,
): Promise<Principal | undefined> {
  const id = readApiKey(token, deps.mode);
  if (id === undefined) return undefined;
  const found = await deps.cache.getOrSet<CachedKey | null>(`api-key:${hash.toString("hex")}`, {
    ttlMs: keyLifeMs,
    tags: [`key:${id}`],
    load: () => limit(() => loadKey(deps.db, id, hash)),
  });
  if (!found || !timingSafeEqual(hash, Buffer.from(found.hash, "hex"))) {
    return undefined;
  }
  if (found.expiresAt !== undefined && found.expiresAt <= deps.now()) return undefined;
  const { accountId, limitPerMinute, expiresAt: endsAt } = found;
  return {
    kind: "key",
    actor: `key:${id}`,
    scopes: found.scopes.filter(isScope),
    ...(accountId !== undefined && { accountId }),
    ...(limitPerMinute !== undefined && { limitPerMinute }),
    ...(endsAt !== undefined && { endsAt }),
  };
}

async function loadKey(db: Db, id: string, given: Buffer): Promise<CachedKey | null> {
  const key = await useApiKey(db, id, given);
  if (!key) return null;
  const { accountId, hash, scopes, expiresAt, limitPerMinute } = key;
  return {
    hash: hash.toString("hex"),
    scopes,
    ...(accountId !== undefined && { accountId }),
    ...(expiresAt !== undefined && { expiresAt: expiresAt.getTime() }),
    ...(limitPerMinute !== undefined && { limitPerMinute }),
  };
}

/**
 * Lets those pass who have the scope. Support sees what admins see and changes nothing of it; who
 * has not proven who they are only reads. Errors: forbidden, not_verified.
 */
export function requireScope(scope: Scope): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { scopes, role, isVerified } = c.var.principal;
    const isReading = ["GET", "HEAD"].includes(c.req.method);
    if (!scopes.includes(scope)) throw new DomainError("forbidden");
    if (scope === "admin" && role === "support" && !isReading) throw new DomainError("forbidden");
    if (isVerified === false && !isReading) throw new DomainError("not_verified");
    await next();
  };
}

/**
 * Sets the account acted for: the caller's own, or the one that `Ducat-Account` names by its id or
 * external id. Errors: account_required, not_found, forbidden (not active).
 */
export function requireAccount(findId: FindAccount): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const named = c.req.header("ducat-account");
    const own = c.var.principal.accountId;
    if (!own && !named) throw new DomainError("account_required");
    c.set("accountId", own ?? (await findId(named ?? "")));
    await next();
  };
}

/**
 * Sets the account acted on by an admin: the one that `Ducat-Account` names, by its id or external
 * id, also where the admin is a person with an account of their own. Errors: account_required,
 * not_found.
 */
export function requireNamedAccount(findId: FindAccount): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const named = c.req.header("ducat-account");
    if (!named) throw new DomainError("account_required");
    c.set("accountId", await findId(named));
    await next();
  };
}

export type FindAccount = (reference: string) => Promise<string>;

/** How long a process may believe it; what changes an account tells every process at once. */
const accountLifeMs = 15_000;

/**
 * Looks accounts up by id or external id, with no query while they are cached. `findAccount` is for
 * whoever acts for an account, `findAnyAccount` for admins: it finds those that are not active too.
 * Errors: not_found, forbidden (not active).
 */
export function createAccountFinders({ db, cache }: Pick<Deps, "db" | "cache">): {
  findAccount: FindAccount;
  findAnyAccount: FindAccount;
} {
  const find = async (reference: string) => {
    if (!/^[!-~]{1,255}$/.test(reference)) throw new DomainError("not_found");
    return await cache.getOrSet(`account:${reference}`, {
      ttlMs: accountLifeMs,
      tags: [],
      tagsOf: ({ id }) => [`account:${id}`],
      load: async () => {
        const found = await findAccount(db, reference);
        if (found) return found;
        throw new DomainError("not_found", { detail: "There is no such account." });
      },
    });
  };
  return {
    findAnyAccount: async (reference) => (await find(reference)).id,
    async findAccount(reference) {
      const { id, is_active } = await find(reference);
      if (is_active) return id;
      throw new DomainError("forbidden", { detail: "The account is not active." });
    },
  };
}
