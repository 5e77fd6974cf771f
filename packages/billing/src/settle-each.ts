import { DomainError } from "@ducat/types/errors";
import type { ProviderFact } from "./facts.ts";
import type { OpenOrder } from "./provider.ts";

/** So many unanswered in a row, and the provider is down rather than one order odd. */
const mostFailures = 3;

/**
 * Settles open orders one after the other. One that fails holds up no other: the first error is
 * returned at the end, for the caller to throw when the rest of its work is done.
 */
export async function* settleEach(
  open: readonly OpenOrder[],
  settle: (order: OpenOrder) => Promise<ProviderFact[]>,
): AsyncGenerator<ProviderFact, unknown> {
  let first: unknown;
  let inARow = 0;
  for (const order of open) {
    try {
      yield* await settle(order);
      inARow = 0;
    } catch (error) {
      first ??= error;
      const isDown = error instanceof DomainError && error.code === "provider_unavailable";
      inARow = isDown ? inARow + 1 : 0;
      if (inARow >= mostFailures) throw error;
    }
  }
  return first;
}
