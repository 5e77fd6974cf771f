import type { DucatError } from "./errors.ts";

const firstPauseMs = 500;
const longestPauseMs = 8_000;
/** A timer that is set for longer runs at once. */
export const longestTimerMs = 2 ** 31 - 1;
/** Whoever is asked to wait for longer is told, instead of waiting. */
const longestRetryAfterS = 60;

/** Whether the same request may pass later. */
export function isPassing({ code, status }: DucatError): boolean {
  if (code === "connection_failed" || code === "timed_out" || code === "in_progress") return true;
  return status === 408 || status === 429 || status >= 500;
}

/**
 * Milliseconds to wait before the next attempt (0 is the first): full jitter, so that clients which
 * failed together don't come back together, and never less than what the server asked for.
 * Undefined: it asked for too much.
 */
export function pauseBefore(attempt: number, error: DucatError): number | undefined {
  const { code, retryAfterS = 0 } = error;
  if (retryAfterS > longestRetryAfterS) return undefined;
  const most = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt);
  // It is being done: whoever comes back at once hears the same.
  if (code === "in_progress") return Math.max(retryAfterS * 1_000, most);
  return retryAfterS * 1_000 + Math.random() * most;
}

/** Resolves after the time; rejects with the signal's reason when it is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}

/** What it resolves to; rejects with the signal's reason when that is aborted before. */
export function untilAborted<T>(asked: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return asked;
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    const release = () => signal.removeEventListener("abort", end);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    asked.finally(release).then(resolve, reject);
  });
}
