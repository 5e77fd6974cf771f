import type { Observer } from "@ducat/entitlements/entitlements";
import { Counter, Histogram, type Registry } from "prom-client";

/** Counts how often what an account may do was known already, how long asking took, what failed. */
export function measureEntitlements(registry: Registry): {
  observer: Observer;
  readCounts(): Promise<{ hits: number; misses: number }>;
} {
  const registers = [registry];
  const reads = new Counter({
    name: "ducat_entitlements_reads_total",
    help: "Reads of what an account may do: a hit asked no database.",
    labelNames: ["result"],
    registers,
  });
  const loads = new Histogram({
    name: "ducat_entitlements_load_seconds",
    help: "Time of the query of a read that was no hit.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    registers,
  });
  const errors = new Counter({
    name: "ducat_entitlements_errors_total",
    help: "What broke, refusals aside: a load, a write of usage, telling the other processes.",
    labelNames: ["what"],
    registers,
  });
  // So that a rate can be told from the first one on.
  for (const result of ["hit", "miss"]) reads.inc({ result }, 0);
  for (const what of ["load", "track", "tell"]) errors.inc({ what }, 0);
  const observer: Observer = {
    read: (isHit) => reads.inc({ result: isHit ? "hit" : "miss" }),
    loaded: (seconds) => loads.observe(seconds),
    failed: (what) => errors.inc({ what }),
  };
  return {
    observer,
    async readCounts() {
      const { values } = await reads.get();
      const of = (name: string) => values.find(({ labels }) => labels.result === name)?.value ?? 0;
      return { hits: of("hit"), misses: of("miss") };
    },
  };
}
