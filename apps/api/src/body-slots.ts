import { DomainError } from "@ducat/types/errors";

/**
 * Lets at most `slots` callers at a time keep a large body in memory; the next ones wait with
 * theirs unread. Beyond `mostWaiting` it refuses at once. Errors: unavailable.
 */
export function createBodySlots({ slots, mostWaiting }: { slots: number; mostWaiting: number }) {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return async function holdBody<T>(work: () => Promise<T>): Promise<T> {
    if (taken >= slots) {
      if (waiting.length >= mostWaiting) {
        throw new DomainError("unavailable", {
          ...{ detail: "Too many uploads at once.", extra: { reason: "busy" } },
        });
      }
      // The slot is handed over, so `taken` stays.
      await new Promise<void>((start) => waiting.push(start));
    } else {
      taken += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else taken -= 1;
    }
  };
}
