import type { Context, MiddlewareHandler } from "hono";
import type { FindAccount } from "../auth.ts";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { widen } from "../logins/take-limits.ts";
import { listGuessLimits } from "./guess-limits.ts";
import type { RequestLimit } from "./limit.ts";
import { passOrRefuse } from "./pass-or-refuse.ts";
import { type FindPlanWindows, listAccountLimits, listAddressLimits } from "./plan-windows.ts";

type LimitDeps = Pick<Deps, "limits" | "proxyHops" | "logins"> & {
  findPlanWindows: FindPlanWindows;
};

/** Credentials that are in a browser or a telephone, at its owner's address. */
const personal = new Set(["session", "account_token", "external", "ticket"]);

/**
 * Counts requests of those who have said who they are: of a key that has a limit of its own, of the
 * account acted for by the windows of its plan, and for people of their address. All of a request's
 * limits are taken in one step or none of them is; who has none costs none. Acts of admins count
 * for nobody's account. Errors: rate_limited.
 */
export function limitRequests(
  deps: LimitDeps,
  findAccount: FindAccount,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const limits = [...listKeyLimits(c), ...(await listLimitsOfAccount(c, deps, findAccount))];
    if (limits.length > 0) {
      passOrRefuse(c, limits, await deps.limits.take(limits));
    }
    await next();
  };
}

function listKeyLimits(c: Context<AppEnv>): RequestLimit[] {
  const { actor, limitPerMinute: limit } = c.var.principal;
  if (limit === undefined) return [];
  return [{ name: "key-minute", key: `${actor}:minute`, limit, windowSeconds: 60 }];
}

async function listLimitsOfAccount(
  c: Context<AppEnv>,
  { findPlanWindows, proxyHops, logins }: LimitDeps,
  findAccount: FindAccount,
): Promise<RequestLimit[]> {
  if (c.req.path.startsWith("/v1/admin/")) return [];
  const accountId = await findActedFor(c, findAccount);
  if (accountId === undefined) return [];
  const ip = personal.has(c.var.principal.kind) ? readClientIp(c, proxyHops) : undefined;
  const place = ip === undefined ? undefined : logins.secrets.hashKey(widen(ip));
  const windows = await findPlanWindows(accountId);
  return [
    ...(windows ? listAccountLimits(accountId, windows) : []),
    ...(windows && place !== undefined ? listAddressLimits(place, windows) : []),
    ...(isGuess(c) ? listGuessLimits(accountId, place) : []),
  ];
}

const isGuess = ({ req }: Context<AppEnv>) =>
  req.method === "POST" && req.path === "/v1/credits/redeem";

/** A name that is nobody's is told so by the route, if it asks for one at all. */
async function findActedFor(
  c: Context<AppEnv>,
  findAccount: FindAccount,
): Promise<string | undefined> {
  const named = c.req.header("ducat-account");
  if (c.var.principal.accountId !== undefined) return c.var.principal.accountId;
  return named === undefined ? undefined : await findAccount(named).catch(() => undefined);
}
