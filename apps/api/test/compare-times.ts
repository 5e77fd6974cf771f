/** Of two things that must not be told apart by how long they take. */
export type Kind = "known" | "unknown";

export type Compared = {
  /** Between the middle times of the two kinds, in milliseconds. */
  difference: number;
  /** How far the middle times of two such series of one kind may be apart by chance. */
  noise: number;
};

/**
 * Five standard errors of the difference of two medians, for each unit of the median step between
 * two requests of one kind, if times were spread normally: a chance of one in a million.
 */
const fiveErrors = (5 * 1.2533 * Math.SQRT2) / 0.9539;

const median = (all: number[]) => {
  const sorted = all.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

/**
 * Asks so many pairs, one of each kind, a few pairs at a time and each pair in the other order than
 * the one before. How long a machine takes says nothing; so the two kinds are held against requests
 * of one kind, which were made on the same machine at the same time.
 */
export async function compareTimes(
  { pairs, atOnce }: { pairs: number; atOnce: number },
  ask: (kind: Kind, n: number) => Promise<unknown>,
): Promise<Compared> {
  const times: Record<Kind, number[]> = { known: [], unknown: [] };
  const measure = async (kind: Kind, n: number) => {
    times[kind][n] = await timeOf(() => ask(kind, n));
  };
  const waiting = Array.from({ length: pairs }, (_, n) => n).values();
  const work = async () => {
    for (const n of waiting) {
      const kinds: Kind[] = n % 2 ? ["known", "unknown"] : ["unknown", "known"];
      for (const kind of kinds) await measure(kind, n);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const steps = (all: number[]) => all.slice(1).map((time, n) => Math.abs(time - (all[n] ?? 0)));
  const step = median([...steps(times.known), ...steps(times.unknown)]);
  return {
    difference: Math.abs(median(times.known) - median(times.unknown)),
    noise: (fiveErrors * step) / Math.sqrt(pairs),
  };
}

export async function timeOf(ask: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await ask();
  return performance.now() - start;
}
