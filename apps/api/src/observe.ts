import { randomUUID } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Logger } from "pino";
import type { AppEnv } from "./deps.ts";
import type { Metrics } from "./metrics.ts";

const longestPath = 200;
/** A key or token of ours, which somebody has put into an address by mistake. */
const credential = /\b(dk|dat|ds|dr|dc)_[\w.-]{8,}/g;
/** What load balancers and scrapers ask all day. */
const quiet = new Set(["/livez", "/readyz", "/health", "/metrics"]);

/**
 * The outermost step: gives the request its id, then logs and measures it. The log has the path
 * and never the query, a header or a body: those hold signatures, keys and prompts.
 */
export function observe({
  log,
  metrics,
}: {
  log: Logger;
  metrics: Metrics;
}): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const given = c.req.header("x-request-id");
    const requestId = given && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
    c.set("requestId", requestId);
    c.header("X-Request-Id", requestId);
    await next();
    const ms = performance.now() - startedAt;
    const route = routeOf(c);
    const { status } = c.res;
    metrics.observe({ method: methodOf(c), route, status, seconds: ms / 1000 });
    const line = {
      req_id: requestId,
      method: c.req.method,
      path: c.req.path.replace(credential, "$1_…").slice(0, longestPath),
      route,
      status,
      ms: Math.round(ms * 10) / 10,
      account: c.var.accountId,
    };
    if (c.var.isBusy) log.warn(line, "request");
    else if (status >= 500) log.error(line, "request");
    else if (quiet.has(c.req.path)) log.debug(line, "request");
    else log.info(line, "request");
  };
}

/** The pattern that answered, so that a label has few values; `none` for unknown paths. */
function routeOf(c: Context<AppEnv>): string {
  const pattern = routePath(c, -1);
  return pattern.includes("*") ? "none" : pattern;
}

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const methodOf = (c: Context<AppEnv>) => (methods.has(c.req.method) ? c.req.method : "other");
