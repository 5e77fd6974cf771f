import { DomainError } from "@ducat/types/errors";
import type { Context } from "hono";
import type { AppEnv } from "../deps.ts";
import type { RequestLimit, SeenLimit, Verdict } from "./limit.ts";

/**
 * Says in the answer's headers how the limits stand (RateLimit and RateLimit-Policy of
 * draft-ietf-httpapi-ratelimit-headers-11), keeps it for the route, and refuses when one is used
 * up. Errors: rate_limited, with the `policy` that is used up for the longest and `retry_after_s`.
 */
export function passOrRefuse(
  c: Context<AppEnv>,
  limits: readonly RequestLimit[],
  { isTaken, standings }: Verdict,
): void {
  const seen = limits.map((limit, at): SeenLimit => {
    const { used = 0, resetsMs = 0 } = standings[at] ?? {};
    const left = Math.max(0, limit.limit - used);
    return { ...limit, left, seconds: Math.max(0, Math.ceil(resetsMs / 1000)) };
  });
  c.set("limits", seen);
  const list = (texts: string[]) => texts.join(", ");
  c.header(
    "RateLimit-Policy",
    list(limits.map(({ name, limit, windowSeconds }) => `"${name}";q=${limit};w=${windowSeconds}`)),
  );
  c.header(
    "RateLimit",
    list(seen.map(({ name, left, seconds }) => `"${name}";r=${left};t=${seconds}`)),
  );
  if (isTaken) return;
  const [longest] = seen.filter(({ left }) => left === 0).sort((a, b) => b.seconds - a.seconds);
  const retry_after_s = Math.max(1, longest?.seconds ?? 1);
  throw new DomainError("rate_limited", { extra: { policy: longest?.name, retry_after_s } });
}
