const longestMs = 300_000;

/**
 * Milliseconds until the next try: 2 s, 8 s, 32 s … 5 min for a `firstMs` of 2,000, a quarter more
 * or less, so that what failed together does not come back together. Claims stand for failures:
 * a worker that was lost counts as one.
 */
export function retryDelayMs(firstMs: number, claims: number): number {
  const delay = firstMs * 4 ** Math.min(claims - 1, 10);
  return Math.min(delay * (0.75 + Math.random() / 2), longestMs);
}
