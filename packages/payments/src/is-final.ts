import { DomainError, type ErrorCode } from "@ducat/types/errors";

/** Refusals that describe a moment and not the request: the same call may work later. */
const passing: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "provider_unavailable",
  "unavailable",
  "rate_limited",
  "in_progress",
  "internal",
]);

/** Whether asking again can't help: a refusal that is about what was asked. */
export function isFinal(error: unknown): boolean {
  return error instanceof DomainError && !passing.has(error.code);
}

/** Whether a provider or the database is away: worth patience, unlike a fault of ours. */
export function isAway(error: unknown): boolean {
  return error instanceof DomainError && passing.has(error.code);
}
