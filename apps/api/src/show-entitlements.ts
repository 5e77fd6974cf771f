import type { EntitledFeature, Entitlements } from "@ducat/db/entitlements";
import type * as shown from "@ducat/types/entitlements";
import type { Allowance, Override } from "@ducat/types/entitlements";
import type { SeenLimit } from "./limits/limit.ts";
import { toTime, toTimeOrNull } from "./show-generation.ts";

/**
 * What an account may do as callers see it, the features in the catalog's order. How its windows
 * of requests stand is what this very request, `counted` by them, was told.
 */
export function showEntitlements(
  found: Entitlements,
  { counted = [], now }: { counted?: readonly SeenLimit[] | undefined; now: number },
): shown.Entitlements {
  const { plan, status, trial, period, cancel_at, features, passes, rate_limits, limits } = found;
  const units = ["minute", "hour", "day"] as const;
  const inOrder = Object.entries(features).sort(([, a], [, b]) => a.position - b.position);
  return {
    plan,
    status,
    trial: trial && { ends_at: toTimeOrNull(trial.ends_at) },
    period: period && { start: toTime(period.start), end: toTime(period.end) },
    cancel_at: toTimeOrNull(cancel_at),
    features: Object.fromEntries(inOrder.map(([key, feature]) => [key, showFeature(feature)])),
    passes: passes.map(({ features: _, starts_at, ends_at, ...pass }) => ({
      ...pass,
      starts_at: toTime(starts_at),
      ends_at: toTime(ends_at),
    })),
    rate_limits: units.flatMap((unit) => {
      const limit = rate_limits[unit];
      if (limit === undefined) return [];
      const seen = counted.find(({ name }) => name === `account-${unit}`);
      const resets_at = seen ? new Date(now + seen.seconds * 1_000).toISOString() : null;
      return [{ unit, limit, remaining: seen ? Math.min(limit, seen.left) : null, resets_at }];
    }),
    limits,
  };
}

function showFeature(feature: EntitledFeature): shown.EntitledFeature {
  const { name, source } = feature;
  if (feature.kind === "flag") return { kind: "flag", name, enabled: feature.enabled, source };
  if ("granted" in feature) {
    const { granted, remaining } = feature;
    const used = { limit: granted, used: granted - remaining, remaining, resets_at: null };
    return { kind: "stock", name, counts: "spent", ...used, source };
  }
  const { limit, used } = feature;
  const remaining = limit === null ? null : Math.max(0, limit - used);
  const counted = { limit, used, remaining };
  if (feature.kind === "stock") {
    return { kind: "stock", name, counts: "held", ...counted, resets_at: null, source };
  }
  const { period, reset, resets_at, styles, of, free_styles, beyond } = feature;
  return {
    ...{
      kind: "limit",
      name,
      period,
      reset,
      ...counted,
      resets_at: toTimeOrNull(resets_at),
      source,
    },
    ...(styles && { styles }),
    ...(of && { of }),
    ...(free_styles && { free_styles, beyond: beyond ?? "pay" }),
  };
}

/** An answer that has times of the database, with those of ours. */
export const showReset = <T extends { resets_at: string | null }>(row: T): T => ({
  ...row,
  resets_at: toTimeOrNull(row.resets_at),
});

export const showExpiry = <T extends Override | Allowance>(row: T): T => ({
  ...row,
  expires_at: toTimeOrNull(row.expires_at),
});
