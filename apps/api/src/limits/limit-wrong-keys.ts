import type { Context } from "hono";
import type { AppEnv, Deps } from "../deps.ts";
import { widen } from "../logins/take-limits.ts";
import type { RequestLimit } from "./limit.ts";
import { passOrRefuse } from "./pass-or-refuse.ts";

/**
 * Loads the key that a caller shows, and counts those that are none by where they come from: each
 * costs a query, since nobody has seen it before. Whoever has shown too many is refused without
 * one; keys that this process knows already go on. Each process counts for itself: it is its own
 * work that it bounds. Errors: rate_limited.
 */
export async function limitWrongKeys<T>(
  c: Context<AppEnv>,
  { limits, logins }: Pick<Deps, "limits" | "logins">,
  load: () => Promise<T | null>,
): Promise<T | null> {
  const { clientIp } = c.var;
  if (clientIp === undefined) return await load();
  const windows = [ofPlace(logins.secrets.hashKey(widen(clientIp)))];
  const refusal = limits.findRefusalHere(windows);
  if (refusal) passOrRefuse(c, windows, refusal);
  const found = await load();
  if (found === null) limits.takeHere(windows);
  return found;
}

const ofPlace = (place: string): RequestLimit => ({
  name: "wrong-keys-minute",
  key: `wrong-keys:${place}:minute`,
  limit: 100,
  windowSeconds: 60,
});
