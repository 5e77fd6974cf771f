import { DomainError } from "@ducat/types/errors";
import type { Principal } from "./auth.ts";
import { refuseAt } from "./problem.ts";
import { isScope, type Scope } from "./scopes.ts";

/**
 * The scopes that a caller hands on: nobody gives more than they have, and none beyond `most`.
 * Errors: validation_failed, forbidden.
 */
export function allowScopes(
  wanted: readonly string[],
  { principal, most }: { principal: Principal; most: readonly Scope[] },
): Scope[] {
  const names = [...new Set(wanted)];
  const known = names.filter(isScope).filter((scope) => most.includes(scope));
  if (known.length < names.length) throw refuseAt("/scopes", `Some of: ${most.join(", ")}.`);
  if (!known.every((scope) => principal.scopes.includes(scope))) throw new DomainError("forbidden");
  return known;
}
