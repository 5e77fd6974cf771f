import type { RequestLimit } from "./limit.ts";

const hours = 3_600;

/**
 * How often a promo code may be tried, right or wrong: codes are short, and people type them. For
 * an account, and for an address where people have many accounts.
 */
export function listGuessLimits(accountId: string, place: string | undefined): RequestLimit[] {
  const account = `promo:account:${accountId}`;
  const limits = [
    { name: "promo-hour", key: `${account}:hour`, limit: 20, windowSeconds: hours },
    { name: "promo-day", key: `${account}:day`, limit: 60, windowSeconds: 24 * hours },
  ];
  if (place === undefined) return limits;
  const key = `promo:address:${place}:hour`;
  return [...limits, { name: "promo-address-hour", key, limit: 60, windowSeconds: hours }];
}
