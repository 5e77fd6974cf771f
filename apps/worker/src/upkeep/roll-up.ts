import { rollUp } from "@ducat/db/rollups";
import type { Task } from "./task.ts";

/** A batch takes about this long; a step (an hour of a busy deployment) may take longer. */
const batchMs = 1_000;

/**
 * Sums up use and statistics, step by step: where it is is known by the roll-ups themselves. What
 * may still change is summed up again a little earlier than the next run would come.
 */
export function createRollUp({ everyMs }: { everyMs: number }): Task {
  const maxAgeSeconds = (everyMs * 0.8) / 1_000;
  return {
    name: "roll-up",
    about: "Sums up use and statistics, by the hour and by the day.",
    everyMs,
    async run({ db, signal }) {
      const startedAt = performance.now();
      let done = 0;
      while (!signal.aborted) {
        if ((await rollUp(db, { maxAgeSeconds })) === undefined) return { done, more: false };
        done++;
        if (performance.now() - startedAt > batchMs) return { done, more: true };
      }
      return { done, more: true };
    },
  };
}
