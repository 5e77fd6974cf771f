/** The highest priority that BullMQ takes: it goes last. */
export const LAST_TURN = 2 ** 21 - 1;

/** Turns are counted from here; the last one is in 2045, and then all jobs wait in one line. */
const FIRST_TURN_AT = Date.UTC(2026, 0, 1);
/** What a place in line is worth: n places back is behind who comes within n of these. */
const TURN_MS = 5 * 60_000;

/**
 * The turn of a job that is added now, `ahead` places behind what its account has added before it.
 * An account's first job has the turn of the present, so it goes before the second row of any batch
 * that was added lately; and because the present moves on, every row is the next at some time,
 * however many come newly. The clocks of several machines may differ by minutes.
 */
export function findTurn(ahead = 0, now = Date.now()): number {
  const present = 1 + Math.max(0, Math.floor((now - FIRST_TURN_AT) / TURN_MS));
  return Math.min(present + ahead, LAST_TURN);
}

/** A minute's requests of one account that count as one. */
const BURST = 20;
const BURST_MS = 60_000;

/**
 * How many places behind an account's next request begins: one for each twenty that it has made
 * within this minute through this process. So that two thousand single requests give way like one
 * with two thousand rows, and nobody at their desk ever notices.
 */
export function createBursts(now: () => number = Date.now): (accountId: string) => number {
  let requests = new Map<string, number>();
  let endsAt = 0;
  return (accountId) => {
    const at = now();
    // Forgetting all at once keeps the memory to a minute's accounts.
    if (at >= endsAt) {
      requests = new Map();
      endsAt = at + BURST_MS;
    }
    const before = requests.get(accountId) ?? 0;
    requests.set(accountId, before + 1);
    return Math.floor(before / BURST);
  };
}
