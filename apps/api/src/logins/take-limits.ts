import { type Limit, takeLimits } from "@ducat/db/rate-limits";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";

/** Whom a limit is about: an address of a person, where they call from, or both together. */
export type Caller = { email?: string | undefined; ip?: string | undefined };

const minutes = 60;
const hours = 60 * minutes;

/** How often, by what is done. Nobody is told whether an address has a login: all have limits. */
const rules = {
  /** A guess costs one; whoever guesses from many places meets the second. */
  login: [
    { by: "email+ip", limit: 10, windowSeconds: 15 * minutes },
    { by: "email", limit: 50, windowSeconds: hours },
    { by: "ip", limit: 100, windowSeconds: 15 * minutes },
  ],
  /** Whatever sends a mail to an address. */
  mail: [
    { by: "email", limit: 5, windowSeconds: hours },
    { by: "ip", limit: 30, windowSeconds: hours },
  ],
  /** Links and refreshes: their secrets can't be guessed, but trying costs us queries. */
  link: [{ by: "ip", limit: 100, windowSeconds: 15 * minutes }],
  refresh: [{ by: "ip", limit: 600, windowSeconds: 15 * minutes }],
} as const;

/** Errors: rate_limited, with `retry_after_s`. */
export async function takeLoginLimits(
  { db, secrets }: Pick<LoginDeps, "db" | "secrets">,
  what: keyof typeof rules,
  { email, ip }: Caller,
): Promise<void> {
  const place = ip === undefined ? undefined : widen(ip);
  const names = {
    email: email?.toLowerCase(),
    ip: place,
    "email+ip": email !== undefined && place !== undefined ? `${email} ${place}` : undefined,
  };
  const limits = rules[what].flatMap(({ by, limit, windowSeconds }): Limit | Limit[] => {
    const name = names[by];
    const key = name === undefined ? undefined : `${what}:${by}:${secrets.hashKey(name)}`;
    return key === undefined ? [] : { key, limit, windowSeconds };
  });
  if (limits.length === 0) return;
  const refused = await takeLimits(db, limits);
  if (!refused) return;
  throw new DomainError("rate_limited", { extra: { retry_after_s: refused.retryAfterSeconds } });
}

/** Of IPv6 the network: whoever has one address has 2^64. */
export function widen(ip: string): string {
  if (!ip.includes(":")) return ip;
  const [head = "", tail = ""] = ip.toLowerCase().split("::");
  const groups = head.split(":").filter(Boolean);
  const after = tail.split(":").filter(Boolean);
  const gap = ip.includes("::") ? Math.max(8 - groups.length - after.length, 0) : 0;
  const all = [...groups, ...Array<string>(gap).fill("0"), ...after];
  return all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}
