import type { Seat } from "./seat.ts";

/** What a stream that is woken costs its account until the next may be: 500 reads a second. */
const usualMsPerStream = 2;

type Pace = {
  /** When the account's streams may be woken again (performance.now). */
  freeAt: number;
  /** Those that wait for it, and since when. */
  late: Map<Seat, number>;
  timer: NodeJS.Timeout | undefined;
};

/**
 * Wakes an account's streams as often as their number allows: one at once, a hundred of them five
 * times a second. So an account with many streams and much to tell leaves the others their turn.
 */
export function createPace(msPerStream = usualMsPerStream) {
  const paces = new Map<string, Pace>();

  const wakeLate = (pace: Pace) => {
    pace.timer = undefined;
    pace.freeAt = performance.now() + pace.late.size * msPerStream;
    for (const [seat, since] of pace.late) seat.wake(since);
    pace.late.clear();
  };

  return {
    /** Wakes these streams of the account, now or soon; what is said meanwhile is said with it. */
    wake(accountId: string, seats: readonly Seat[]): void {
      if (seats.length === 0) return;
      const pace = paces.get(accountId) ?? { freeAt: 0, late: new Map(), timer: undefined };
      paces.set(accountId, pace);
      const now = performance.now();
      for (const seat of seats) if (!pace.late.has(seat)) pace.late.set(seat, now);
      if (pace.timer) return;
      if (pace.freeAt <= now) wakeLate(pace);
      else pace.timer = setTimeout(() => wakeLate(pace), pace.freeAt - now).unref();
    },
    /** The account has no more streams here. */
    forget(accountId: string): void {
      clearTimeout(paces.get(accountId)?.timer);
      paces.delete(accountId);
    },
  };
}
