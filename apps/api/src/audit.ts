import type { Audit } from "@ducat/db/credits";
import type { Context } from "hono";
import type { AppEnv } from "./deps.ts";

/** Who asked for this, for the audit line of what they change. */
export function auditOf(c: Context<AppEnv>): Audit {
  const ip = c.env?.incoming?.socket.remoteAddress ?? null;
  return { actor: c.var.principal.actor, request_id: c.var.requestId, ip };
}
