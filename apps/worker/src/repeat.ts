import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "./log.ts";
import { safeError } from "./safe-error.ts";

export type Repeating = {
  /** Asks the running round to end and waits for it. */
  stop(): Promise<void>;
};

/**
 * Runs a task again and again, `everyMs` after it ended the last time and up to a quarter later, so
 * that processes that started together drift apart. A round that fails is logged, not repeated at
 * once. The first one waits too, unless `soon`.
 */
export function repeat(
  task: { name: string; everyMs: number; soon?: boolean; log: Log },
  run: (signal: AbortSignal) => Promise<void>,
): Repeating {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = () =>
    sleep(task.everyMs * (1 + Math.random() / 4), undefined, { signal }).catch(() => {});
  const loop = async () => {
    if (!task.soon) await pause();
    while (!signal.aborted) {
      try {
        await run(signal);
      } catch (error) {
        task.log.warn({ task: task.name, err: safeError(error) }, "a periodic task failed");
      }
      await pause();
    }
  };
  const ended = loop();
  return {
    stop() {
      stopping.abort();
      return ended;
    },
  };
}
