import type {
  EntitledFeature,
  EntitledPass,
  Entitlements,
  PassFeature,
} from "@ducat/db/entitlements";

/**
 * What an account may do of a feature for a subject: what it may do anyhow, or what a pass that is
 * bound to the subject allows, if that is more. An administrator's word goes before both.
 * Undefined when its plan and passes don't know the feature.
 */
export function findFeature(
  { features, passes }: Entitlements,
  key: string,
  subject: string | undefined,
): EntitledFeature | undefined {
  const found = Object.hasOwn(features, key) ? features[key] : undefined;
  if (!found || subject === undefined || found.source === "override") return found;
  return passes.filter((pass) => pass.subject === subject).reduce(addPass(key), found);
}

const addPass =
  (key: string) =>
  (found: EntitledFeature, { features }: EntitledPass): EntitledFeature => {
    const given = Object.hasOwn(features, key) ? features[key] : undefined;
    return given?.kind === found.kind ? addGift(found, given) : found;
  };

function addGift(found: EntitledFeature, given: PassFeature): EntitledFeature {
  if (found.kind === "flag") {
    return given.enabled && !found.enabled ? { ...found, enabled: true, source: "pass" } : found;
  }
  if ("granted" in found || given.limit === undefined || found.limit === null) return found;
  const isMore = given.limit === null || given.limit > found.limit;
  return isMore ? { ...found, limit: given.limit, source: "pass" } : found;
}

/** The keys of all features, in the catalog's order. */
export function listFeatures({ features }: Entitlements): string[] {
  const byPlace = Object.entries(features).sort(
    ([, one], [, other]) => one.position - other.position,
  );
  return byPlace.map(([key]) => key);
}
