import type { Context } from "hono";
import type { AppEnv } from "./deps.ts";

/**
 * Where the caller is: the connection's other end, or with `hops` proxies of ours before us what
 * the outermost of them saw. Whatever else a caller writes into X-Forwarded-For is theirs.
 */
export function readClientIp(c: Context<AppEnv>, hops: number): string | undefined {
  const peer = c.env?.incoming?.socket.remoteAddress;
  const seen = (c.req.header("x-forwarded-for") ?? "").split(",").map((part) => part.trim());
  const told = hops > 0 ? seen.at(-hops) : undefined;
  const ip = told !== undefined && /^[0-9a-fA-F:.]{2,45}$/.test(told) ? told : peer;
  return ip?.replace(/^::ffff:(?=\d+\.)/i, "");
}
