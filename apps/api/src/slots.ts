import { DomainError } from "@ducat/types/errors";

export type SlotLimits = { slots: number; mostWaiting: number };

/**
 * Lets at most `slots` callers at a time do what takes much memory or time; the next ones wait in
 * line, as with a body that is unread yet. Beyond `mostWaiting` it refuses at once, with `detail`.
 * Errors: unavailable (reason: busy).
 */
export function createSlots({ slots, mostWaiting }: SlotLimits, detail: string) {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return async function holdSlot<T>(work: () => Promise<T>): Promise<T> {
    if (taken >= slots) {
      if (waiting.length >= mostWaiting) {
        throw new DomainError("unavailable", { detail, extra: { reason: "busy" } });
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
