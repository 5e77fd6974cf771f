import type { Log } from "./backend.ts";

const REPEAT_AFTER_MS = 10_000;

/**
 * A listener for 'error' events. Without one such an event ends the process; with a plain one a
 * dead backend would fill the disk, so the same message is written again only after 10 s. Each line
 * says how often the one before it was left out.
 */
export function logErrors(log: Log, where: string): (error: Error) => void {
  let last = "";
  let lastAt = 0;
  let hidden = 0;
  return (error) => {
    const now = performance.now();
    if (error.message === last && now - lastAt < REPEAT_AFTER_MS) {
      hidden += 1;
      return;
    }
    log.warn({ err: error, where, repeated: hidden }, "the queue's backend reported an error");
    last = error.message;
    lastAt = now;
    hidden = 0;
  };
}
