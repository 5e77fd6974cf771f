import { type Measured, quantile } from "./rounds.ts";

/**
 * Runs `clients` loops for some seconds, each with one call at a time, and measures from the first
 * call to the last answer. A call that fails ends the measurement.
 */
export async function runClients(
  options: { clients: number; seconds: number },
  call: () => Promise<unknown>,
): Promise<Measured> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  const loop = async () => {
    for (let at = performance.now(); at < until; ) {
      await call();
      const now = performance.now();
      latencies.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: options.clients }, loop));
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  return {
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p95Ms: quantile(latencies, 0.95),
    p99Ms: quantile(latencies, 0.99),
  };
}
