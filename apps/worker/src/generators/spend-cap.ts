import type { Db } from "@ducat/db/connect";
import { returnProviderBudget, takeProviderBudget } from "@ducat/db/provider-budgets";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";

/** What was set aside for an item; settled once, with what it came to. */
export type Reservation = { settle(spentMicros: number): void };

export type SpendCap = {
  /** Sets aside what the next item may cost; undefined when the day's cap leaves less. */
  reserve(mostMicros: number): Promise<Reservation | undefined>;
  /** Tells the database what was spent, and gives back what is not needed: all, with `isLast`. */
  flush(isLast?: boolean): Promise<void>;
};

export type SpendCapDeps = { db: Db; log: Log; holdMs: number; retryMs: number };

type Slice = { day: string; left: number; until: number };

/**
 * A provider's cap for a day (UTC), kept exactly by all workers together: each spends from slices
 * that the database gives it, so that an item costs no write. What is not known to be spent when
 * this process is killed stays taken: too little may be spent then, never too much.
 */
export function createSpendCap(
  { db, log, holdMs, retryMs }: SpendCapDeps,
  { provider, capMicros }: { provider: string; capMicros: number },
): SpendCap {
  let slice: Slice | undefined;
  let dues = new Map<string, { granted: number; spent: number }>();
  let emptyUntil = 0;
  let taking: Promise<boolean> | undefined;

  const owe = (day: string, granted: number, spent: number) => {
    const due = dues.get(day) ?? { granted: 0, spent: 0 };
    dues.set(day, { granted: due.granted + granted, spent: due.spent + spent });
  };
  const drop = () => {
    if (slice) owe(slice.day, slice.left, 0);
    slice = undefined;
  };
  const dropOutdated = () => {
    if (slice && performance.now() >= slice.until) drop();
  };

  const flush = async (isLast = false) => {
    if (isLast) drop();
    else dropOutdated();
    const told = dues;
    dues = new Map();
    for (const [day, due] of told) {
      try {
        await returnProviderBudget(db, provider, { day, ...due });
      } catch (error) {
        // Said twice it would count twice; left unsaid it stays taken, and the cap holds.
        log.warn({ provider, err: safeError(error) }, "what was spent could not be told");
      }
    }
  };

  const take = async (least: number) => {
    const want = { cap: capMicros, least, holdSeconds: holdMs / 1_000 };
    const askedAt = performance.now();
    const given = await takeProviderBudget(db, provider, want);
    if (given.granted === 0) return false;
    if (slice && slice.day !== given.day) drop();
    const left = (slice?.left ?? 0) + given.granted;
    slice = { day: given.day, left, until: askedAt + given.holdSeconds * 1_000 };
    return true;
  };

  /** What this worker has to give back itself may be what is missing. */
  const refill = async (least: number) => {
    if (await take(least)) return true;
    await flush(true);
    if (await take(least)) return true;
    emptyUntil = performance.now() + retryMs;
    log.warn({ provider, capMicros }, "what may be spent at a provider today is spent");
    return false;
  };

  return {
    async reserve(most) {
      dropOutdated();
      while ((slice?.left ?? -1) < most) {
        if (performance.now() < emptyUntil) return undefined;
        taking ??= refill(most).finally(() => {
          taking = undefined;
        });
        if (!(await taking)) return undefined;
        dropOutdated();
      }
      if (!slice) return undefined;
      slice.left -= most;
      return reserved(slice.day, most);
    },
    flush,
  };

  function reserved(day: string, most: number): Reservation {
    let isSettled = false;
    return {
      settle(spent) {
        if (isSettled) return;
        isSettled = true;
        const isHere = slice?.day === day && spent <= most;
        if (slice && isHere) slice.left += most - spent;
        owe(day, isHere ? spent : most, spent);
      },
    };
  }
}
