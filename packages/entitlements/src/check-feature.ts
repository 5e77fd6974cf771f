import type { Entitlements } from "@ducat/db/entitlements";
import { DomainError } from "@ducat/types/errors";
import { findFeature } from "./find-feature.ts";

export type Asked = { feature: string; amount: number; subject?: string | undefined };

export type Checked = {
  allowed: boolean;
  quota: string;
  /** Null: no end. Of a flag 0 when it is off; of a stock that is spent what was granted. */
  limit: number | null;
  /** What of it is used. */
  current: number;
  resets_at: string | null;
  /** When it is refused: the product that allows more, where there is one. */
  upgrade?: string;
};

/**
 * Whether an account may use so much of a feature now. Takes nothing: only taking is exact.
 * Errors: not_found (what: feature).
 */
export function checkFeature(entitlements: Entitlements, asked: Asked): Checked {
  const { limit, current, resets_at } = measure(entitlements, asked);
  const allowed = limit === null || current + asked.amount <= limit;
  const upgrade = entitlements.upgrade[asked.feature];
  return {
    allowed,
    quota: asked.feature,
    limit,
    current,
    resets_at,
    ...(!allowed && upgrade !== undefined && { upgrade }),
  };
}

function measure(entitlements: Entitlements, { feature: key, subject }: Asked) {
  const feature = findFeature(entitlements, key, subject);
  if (!feature) throw new DomainError("not_found", { extra: { what: "feature" } });
  if (feature.kind === "flag") {
    return { limit: feature.enabled ? null : 0, current: 0, resets_at: null };
  }
  if ("granted" in feature) {
    const { granted, remaining } = feature;
    return { limit: granted, current: granted - remaining, resets_at: null };
  }
  const { limit, used, resets_at } = feature;
  return { limit, current: used, resets_at };
}
