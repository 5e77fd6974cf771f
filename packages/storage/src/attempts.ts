import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "@ducat/types/errors";

export type Attempts = {
  tries: number;
  /** One attempt's, in milliseconds. */
  timeoutMs: number;
  /** Before the second attempt; it grows fourfold, and a random half of it is left out. */
  pauseMs: number;
  isPassing(error: unknown): boolean;
};

/**
 * Tries work until it succeeds, each time within the time-out; the work's signal is aborted then.
 * Only errors that pass are tried again. One that stays is told as `unavailable`, with its cause.
 */
export async function attempt<T>(
  { tries, timeoutMs, pauseMs, isPassing }: Attempts,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await withinTime(timeoutMs, work);
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (count >= tries) {
        const detail = "The files are out of reach right now.";
        throw new DomainError("unavailable", { detail }, { cause: error });
      }
      await sleep(pauseMs * 4 ** (count - 1) * (0.5 + Math.random() / 2));
    }
  }
}

/** The work's result; an Error and an aborted signal when it takes longer than the limit. */
export async function withinTime<T>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  // Whatever the signal is passed to may be deaf to it.
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new Error(`There was no answer within ${limitMs} ms.`));
    }, limitMs);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
