import { type Limit, takeLimits } from "@ducat/db/rate-limits";
import { DomainError } from "@ducat/types/errors";
import type { LoginDeps } from "./deps.ts";

/** Whom a limit is about: an address or number of a person, where they call from, or both. */
export type Caller = {
  email?: string | undefined;
  /** In E.164; instead of an address. */
  phone?: string | undefined;
  ip?: string | undefined;
};

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
  /** Guesses at codes that were sent, each of which has a limit of its own. */
  code: [{ by: "ip", limit: 60, windowSeconds: 15 * minutes }],
  refresh: [{ by: "ip", limit: 600, windowSeconds: 15 * minutes }],
} as const;

/** Errors: rate_limited, with `retry_after_s`. */
export async function takeLoginLimits(
  { db, secrets }: Pick<LoginDeps, "db" | "secrets">,
  what: keyof typeof rules,
  caller: Caller,
): Promise<void> {
  const limits = listLoginLimits({ secrets }, what, caller);
  if (limits.length === 0) return;
  const refused = await takeLimits(db, limits);
  if (!refused) return;
  throw new DomainError("rate_limited", { extra: { retry_after_s: refused.retryAfterSeconds } });
}

/** The limits of what is done, for whoever takes them together with something else. */
export function listLoginLimits(
  { secrets }: Pick<LoginDeps, "secrets">,
  what: keyof typeof rules,
  { email, phone, ip }: Caller,
): Limit[] {
  const whom = email?.toLowerCase() ?? phone;
  const place = ip === undefined ? undefined : widen(ip);
  const names = {
    email: whom,
    ip: place,
    "email+ip": whom !== undefined && place !== undefined ? `${whom} ${place}` : undefined,
  };
  return rules[what].flatMap(({ by, limit, windowSeconds }): Limit | Limit[] => {
    const name = names[by];
    const key = name === undefined ? undefined : `${what}:${by}:${secrets.hashKey(name)}`;
    return key === undefined ? [] : { key, limit, windowSeconds };
  });
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
