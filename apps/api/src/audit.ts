import type { Audit } from "@ducat/db/credits";
import type { Context } from "hono";
import type { AppEnv } from "./deps.ts";

/** Who asked for this, for the audit line of what they change, and why where they said it. */
export function auditOf(c: Context<AppEnv>, why?: string): Audit {
  const { principal, requestId, clientIp } = c.var;
  const audit = { actor: principal.actor, request_id: requestId, ip: clientIp ?? null };
  return why === undefined ? audit : { ...audit, why };
}

/**
 * The same where a server does it for an account which did not ask for it by itself; undefined for
 * the account's own people, keys and tokens, whose daily business leaves no lines.
 */
export function auditOfServer(c: Context<AppEnv>): Audit | undefined {
  const { kind, accountId } = c.var.principal;
  const isServer = (kind === "root" || kind === "key") && accountId === undefined;
  return isServer ? auditOf(c) : undefined;
}
