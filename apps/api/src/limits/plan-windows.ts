import type { Cache } from "@ducat/cache/cache";
import type { Db } from "@ducat/db/connect";
import { hasRateLimits } from "@ducat/db/rate-limits";
import type { Entitlements } from "@ducat/entitlements/entitlements";
import type { RequestLimit } from "./limit.ts";

export const windowSeconds = { minute: 60, hour: 3_600, day: 86_400 } as const;
export type WindowUnit = keyof typeof windowSeconds;

/** How many requests an account's plan allows, by unit of time. */
export type PlanWindows = { plan: string; windows: Partial<Record<WindowUnit, number>> };

/** The windows of an account's plan; undefined when it has none. No round trip while cached. */
export type FindPlanWindows = (accountId: string) => Promise<PlanWindows | undefined>;

/**
 * Finds the windows of accounts' plans. Where no product has any, nothing is asked about accounts.
 */
export function createPlanWindows({
  db,
  cache,
  entitlements,
}: {
  db: Db;
  cache: Pick<Cache, "getOrSet">;
  entitlements: Pick<Entitlements, "get">;
}): FindPlanWindows {
  const isUsed = () =>
    cache.getOrSet("plan-windows", {
      ttlMs: 5 * 60_000,
      // What is told of every change of a product.
      tags: ["entitlements"],
      load: () => hasRateLimits(db),
    });
  return async (accountId) => {
    if (!(await isUsed())) return undefined;
    const { plan, rate_limits: windows } = await entitlements.get(accountId);
    return plan ? { plan: plan.key, windows } : undefined;
  };
}

/**
 * How many times an address may do what an account of a plan may: the people behind one address
 * are several, and nobody shall have many accounts of a plan instead of a better one.
 */
const accountsAtAnAddress = 5;

/** The windows of one account of a plan. */
export function listAccountLimits(accountId: string, { windows }: PlanWindows): RequestLimit[] {
  return listUnits(windows).map(([unit, limit]) => ({
    name: `account-${unit}`,
    key: `account:${accountId}:${unit}`,
    limit,
    windowSeconds: windowSeconds[unit],
  }));
}

/** The windows of all accounts of a plan that call from one place, whose name is a hash. */
export function listAddressLimits(place: string, { plan, windows }: PlanWindows): RequestLimit[] {
  return listUnits(windows).map(([unit, limit]) => ({
    name: `address-${unit}`,
    key: `address:${plan}:${place}:${unit}`,
    limit: limit * accountsAtAnAddress,
    windowSeconds: windowSeconds[unit],
  }));
}

function listUnits(windows: PlanWindows["windows"]): [WindowUnit, number][] {
  const units = Object.keys(windowSeconds) as WindowUnit[];
  return units.flatMap((unit): [WindowUnit, number][] => {
    const limit = windows[unit];
    return limit === undefined ? [] : [[unit, limit]];
  });
}
