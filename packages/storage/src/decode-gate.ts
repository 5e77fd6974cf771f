import { DomainError } from "@ducat/types/errors";

type Waiting = { cost: number; start: () => void };

/**
 * Lets work in while there is a free slot and memory left in the budget, first come first served.
 * Beyond `maxWaiting` it answers `unavailable` at once: a queue of bodies is memory as well.
 */
export function createDecodeGate(limits: { slots: number; budget: number; maxWaiting: number }) {
  const waiting: Waiting[] = [];
  let running = 0;
  let used = 0;

  function startNext(): void {
    for (;;) {
      const next = waiting[0];
      if (!next || running >= limits.slots) return;
      // Alone, anything may run: whoever asks has checked that one job fits the budget.
      if (running > 0 && used + next.cost > limits.budget) return;
      waiting.shift();
      running += 1;
      used += next.cost;
      next.start();
    }
  }

  return async function pass<T>(cost: number, work: () => Promise<T>): Promise<T> {
    if (waiting.length >= limits.maxWaiting) {
      throw new DomainError("unavailable", { detail: "Too many pictures are being read." });
    }
    await new Promise<void>((start) => {
      waiting.push({ cost, start });
      startNext();
    });
    try {
      return await work();
    } finally {
      running -= 1;
      used -= cost;
      startNext();
    }
  };
}
