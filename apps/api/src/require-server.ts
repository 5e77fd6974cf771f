import { DomainError } from "@ducat/types/errors";
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./deps.ts";

/**
 * Lets everybody read, and write only the product's own server: whoever has the root key or a key
 * that is no account's. Errors: forbidden.
 */
export const requireServerToWrite: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { kind, accountId } = c.var.principal;
  const isServer = (kind === "root" || kind === "key") && accountId === undefined;
  const isReading = ["GET", "HEAD"].includes(c.req.method);
  if (!isReading && !isServer) throw new DomainError("forbidden");
  await next();
};
