import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { METHOD_NAME_ALL } from "hono/router";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { widen } from "../logins/take-limits.ts";
import type { RequestLimit } from "./limit.ts";
import { passOrRefuse } from "./pass-or-refuse.ts";

type LimitDeps = Pick<Deps, "limits" | "proxyHops" | "logins">;

/** Asked by machines of ours or of the payment providers, who must never be told to wait. */
const unlimited = /^\/(?:$|webhooks\/|docs(?:\/|$)|livez$|readyz$|health$|metrics$)/;
/** Pages load many at once, and their links are signed: here a limit only bounds the work. */
const files = "/v1/files/";
const minute = 60;

/**
 * Counts requests to routes that ask for no credential, by the address that they come from. What
 * guesses at secrets has narrower limits of its own (logins/take-limits.ts). `requireKey` is the
 * step that tells the routes behind it from the others. Errors: rate_limited.
 */
export function limitAnonymous(
  { limits: store, proxyHops, logins }: LimitDeps,
  requireKey: MiddlewareHandler<AppEnv>,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { path } = c.req;
    const ip = readClientIp(c, proxyHops);
    if (ip === undefined || unlimited.test(path)) return next();
    const steps = matchedRoutes(c);
    const end = steps.findIndex(({ method }) => method !== METHOD_NAME_ALL);
    if (steps.slice(0, end).some(({ handler }) => handler === requireKey)) return next();
    const place = logins.secrets.hashKey(widen(ip));
    const limits = [path.startsWith(files) ? ofFiles(place) : ofPages(place)];
    const verdict = path.startsWith(files) ? store.takeHere(limits) : await store.take(limits);
    passOrRefuse(c, limits, verdict);
    await next();
  };
}

const ofPages = (place: string): RequestLimit => ({
  name: "anonymous-minute",
  key: `anonymous:${place}:minute`,
  limit: 600,
  windowSeconds: minute,
});

const ofFiles = (place: string): RequestLimit => ({
  name: "files-minute",
  key: `files:${place}:minute`,
  limit: 3_000,
  windowSeconds: minute,
});
