import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";

/** At a time in one process; most of their time is spent waiting for a provider. */
const atOnce = 4;

/**
 * Runs something for each of a round, a few at a time. One that fails is logged and keeps no other
 * waiting: what is due stays due.
 */
export function createForEach(log: Log, signal: AbortSignal) {
  return async <T>(all: readonly T[], run: (one: T) => Promise<unknown>): Promise<void> => {
    const next = all.values();
    const work = async () => {
      for (const one of next) {
        if (signal.aborted) return;
        try {
          await run(one);
        } catch (error) {
          log.warn({ err: safeError(error) }, "money could not be moved; it is tried again");
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  };
}
