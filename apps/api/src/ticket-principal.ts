import { takeStreamTicket } from "@ducat/db/stream-tickets";
import type { Context } from "hono";
import { hashKey } from "./api-key.ts";
import type { Principal } from "./auth.ts";
import type { AppEnv, Deps } from "./deps.ts";
import { limitWrongKeys } from "./limits/limit-wrong-keys.ts";
import { isScope } from "./scopes.ts";

/** 24 random bytes, as routes/events.ts makes them. */
const shape = /^[\w-]{32}$/;
const streams = /^\/v1\/(?:events\/stream|generations\/([^/]+)\/events)$/;

/**
 * Who asked for the ticket that a stream's address shows, with what they might do; it is taken with
 * this. Nothing but a stream is opened by one. Errors: rate_limited (too many wrong ones).
 */
export async function findTicketPrincipal(
  c: Context<AppEnv>,
  deps: Pick<Deps, "db" | "limits" | "logins">,
): Promise<Principal | undefined> {
  const ticket = c.req.query("ticket") ?? "";
  const stream = streams.exec(c.req.path);
  // What looks at links before people do takes nothing.
  if (!stream || c.req.raw.method !== "GET" || !shape.test(ticket)) return undefined;
  const take = async () => (await takeStreamTicket(deps.db, hashKey(ticket))) ?? null;
  const found = await limitWrongKeys(c, deps, take);
  if (!found) return undefined;
  const { accountId, actor, scopes, sessionId, generationId, endsAt } = found;
  const isOther = generationId !== undefined && stream[1]?.toLowerCase() !== generationId;
  if (isOther) return undefined;
  return {
    kind: "ticket",
    ...{ actor, accountId, scopes: scopes.filter(isScope) },
    ...(sessionId !== undefined && { sessionId }),
    ...(endsAt && { endsAt: endsAt.getTime() }),
  };
}
