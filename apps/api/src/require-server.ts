import { DomainError } from "@ducat/types/errors";
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./deps.ts";

/**
 * Lets the product's own server pass: whoever has the root key or a key that is no account's.
 * Errors: forbidden.
 */
export const requireServer: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { kind, accountId } = c.var.principal;
  const isServer = (kind === "root" || kind === "key") && accountId === undefined;
  if (!isServer) throw new DomainError("forbidden");
  await next();
};
