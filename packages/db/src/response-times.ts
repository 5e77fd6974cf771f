/** The bounds of the classes of response times, in ms; those of sql/rollup-lines.sql. */
export const responseBounds = [
  100, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000,
  300_000,
] as const;

/**
 * The time in ms within which a part (0.5, 0.95) of all answers came, from how many fell into each
 * class: as if those of a class were spread evenly in it, and never above the longest. Null when
 * there was none.
 */
export function readPercentile(
  buckets: readonly number[],
  longest: number,
  part: number,
): number | null {
  const count = buckets.reduce((sum, n) => sum + n, 0);
  if (count === 0) return null;
  const rank = Math.max(1, Math.ceil(count * part));
  let before = 0;
  for (const [at, n] of buckets.entries()) {
    if (before + n >= rank) {
      const low = responseBounds[at - 1] ?? 0;
      const high = Math.min(responseBounds[at] ?? longest, longest);
      return Math.round(low + (high - low) * ((rank - before) / n));
    }
    before += n;
  }
  return longest;
}
