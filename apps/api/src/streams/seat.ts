import type { StreamEnd, StreamKind } from "./measure-streams.ts";

export type SeatOptions = {
  kind: StreamKind;
  /** The only generation that it is about; undefined: everything of the account's. */
  generationId: string | undefined;
  /** When the caller's credential ends, in milliseconds; undefined: nobody knows. */
  endsAt: number | undefined;
};

/** The place of an open stream: where it waits for something to tell. */
export type Seat = {
  /** Returns at once when it was woken since it last returned, else after so long. */
  wait(ms: number): Promise<void>;
  /** `since` when there is something to tell (performance.now); left out: now. */
  wake(since?: number): void;
  /** Since when it is awake (performance.now), when it is; asking puts it to sleep. */
  takeWakeUp(): number | undefined;
  /** Ends the stream from outside: it says so to its reader and leaves. */
  close(why: StreamEnd): void;
  /** Why it is to end; undefined: it goes on. */
  closed(): StreamEnd | undefined;
  /** Gives the place back. Once; what comes later is not counted. */
  leave(why: StreamEnd): void;
};

/** A connection is made anew from time to time, so that load can move to other processes. */
const longestLifeMs = 3_600_000;
/** What came together, after a restart, does not come together again and again. */
const shortestLifeMs = 0.9 * longestLifeMs;

export function createSeat({ endsAt }: SeatOptions, left: (why: StreamEnd) => void): Seat {
  const mostMs = shortestLifeMs + Math.random() * (longestLifeMs - shortestLifeMs);
  const lifeMs = Math.min(mostMs, (endsAt ?? Number.POSITIVE_INFINITY) - Date.now());
  let wokenAt: number | undefined;
  let why: StreamEnd | undefined;
  let hasLeft = false;
  let resume: (() => void) | undefined;

  const wake = (since = performance.now()) => {
    wokenAt ??= since;
    resume?.();
  };
  const close = (reason: StreamEnd) => {
    why ??= reason;
    wake();
  };
  const life = setTimeout(() => close("expired"), Math.max(0, lifeMs)).unref();

  return {
    async wait(ms) {
      if (wokenAt !== undefined || why) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      resume = undefined;
    },
    wake,
    takeWakeUp() {
      const since = wokenAt;
      wokenAt = undefined;
      return since;
    },
    close,
    closed: () => why,
    leave(reason) {
      if (hasLeft) return;
      hasLeft = true;
      clearTimeout(life);
      close(reason);
      left(reason);
    },
  };
}
