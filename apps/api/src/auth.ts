import { createHash, timingSafeEqual } from "node:crypto";
import { findAccountId } from "@ducat/db/accounts";
import type { Db } from "@ducat/db/connect";
import { DomainError } from "@ducat/types/errors";
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./deps.ts";

/** What a caller may do. A key of a later kind gets some of them, the root key has all. */
export const scopes = ["accounts", "styles", "uploads", "generations", "credits", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** Who calls. `actor` names them in audit lines; `accountId` is set when they are an account. */
export type Principal = {
  kind: "root";
  actor: string;
  scopes: readonly Scope[];
  accountId?: string;
};

export const hashKey = (key: string): Buffer => createHash("sha256").update(key).digest();

/** Finds out who calls, the only place that does. Errors: unauthenticated. */
export function authenticate({ rootKeyHash }: { rootKeyHash: Buffer }): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const [, token] = /^Bearer +([!-~]+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    if (!token || !timingSafeEqual(hashKey(token), rootKeyHash)) {
      throw new DomainError("unauthenticated");
    }
    c.set("principal", { kind: "root", actor: "root", scopes });
    await next();
  };
}

/** Errors: forbidden. */
export function requireScope(scope: Scope): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (!c.var.principal.scopes.includes(scope)) throw new DomainError("forbidden");
    await next();
  };
}

/**
 * Sets the account acted for: the caller's own, or the one that `Ducat-Account` names by its id or
 * external id. Errors: account_required, not_found.
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

export type FindAccount = (reference: string) => Promise<string>;

const rememberMs = 60_000;
const mostRemembered = 10_000;

/**
 * Looks accounts up by id or external id, and remembers those it found for a minute: both are an
 * account's for ever. Errors: not_found.
 */
export function createAccountFinder({ db, now }: { db: Db; now: () => number }): FindAccount {
  const known = new Map<string, { id: string; until: number }>();
  return async (reference) => {
    if (!/^[!-~]{1,255}$/.test(reference)) throw new DomainError("not_found");
    const found = known.get(reference);
    if (found && found.until > now()) return found.id;
    const id = await findAccountId(db, reference);
    if (!id) throw new DomainError("not_found", { detail: "There is no such account." });
    if (known.size >= mostRemembered) known.clear();
    known.set(reference, { id, until: now() + rememberMs });
    return id;
  };
}
