import type { Bus } from "@ducat/events/bus";
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./deps.ts";

const reads = new Set(["GET", "HEAD", "OPTIONS"]);
/** Where credits and items move within a request. */
const moving =
  /^\/v1\/(?:generations(?!\/estimate)|credits|admin\/(?:accounts|generations|clock))\b/;
const named = /\/generations\/([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?:\/|$)/i;

/**
 * Tells the readers of an account's streams, in all processes, that a request may have moved its
 * credits or items: when the answer is made, and so after the commit. What moves elsewhere (a
 * payment that arrives, a worker's doing) leaves an event and is told with that.
 */
export function announceWrites(bus: Pick<Bus, "publish">): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    if (reads.has(method) || c.res.status >= 400 || !moving.test(path)) return;
    const accountId: string | undefined = c.var.accountId;
    if (accountId === undefined) return;
    bus.publish({ accountId });
    const generationId = named.exec(path)?.[1]?.toLowerCase();
    if (generationId !== undefined) bus.publish({ accountId, generationId });
  };
}
