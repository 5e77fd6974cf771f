import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "@ducat/types/errors";

const firstPauseMs = 100;
const longestPauseMs = 2_000;

/** Whether the database could not be asked, or asked us to come back. */
export const isDatabaseAway = (error: unknown) =>
  error instanceof DomainError && error.code === "unavailable";

/**
 * Asks the database again while it is away, for at most `limitMs`; then its error is thrown. Every
 * question of a worker may be repeated: the token of the claim makes the second one harmless.
 */
export async function waitForDatabase<T>(limitMs: number, ask: () => Promise<T>): Promise<T> {
  const since = performance.now();
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await ask();
    } catch (error) {
      const elapsed = performance.now() - since;
      if (!isDatabaseAway(error) || elapsed + pauseMs > limitMs) throw error;
      await sleep(pauseMs);
    }
  }
}
