import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ProviderMeter } from "./meter.ts";

const states = { closed: 0, "half-open": 1, open: 2 };
const seconds = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

/** What this worker has with the providers of models. */
export function meterProviders(registry: Registry): ProviderMeter {
  const registers = [registry];
  const asked = new Histogram({
    name: "ducat_worker_provider_seconds",
    help: "Time that providers took; result is completed, unknown, broken or a failure's code.",
    labelNames: ["provider", "result"],
    buckets: seconds,
    registers,
  });
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  const turnedAway = counter(
    "ducat_worker_provider_turned_away_total",
    "Items that a provider was not asked for: breaker, limit, spend_cap, running.",
    ["provider", "reason"],
  );
  const fellBack = counter(
    "ducat_worker_provider_fallbacks_total",
    "Items that another model was asked for in a provider's place, by the reason.",
    ["provider", "code"],
  );
  const spent = counter(
    "ducat_worker_provider_spent_dollars_total",
    "What was spent at a provider, as far as it is known, else the most that it can be.",
    ["provider"],
  );
  const breaker = new Gauge({
    name: "ducat_worker_provider_breaker_state",
    help: "Of this worker: 0 closed, 1 lets one through to see, 2 open.",
    labelNames: ["provider"],
    registers,
  });
  return {
    asked: (provider, { result, ms }) => asked.observe({ provider, result }, ms / 1_000),
    turnedAway: (provider, reason) => turnedAway.inc({ provider, reason }),
    fellBack: (provider, code) => fellBack.inc({ provider, code }),
    spent: (provider, micros) => spent.inc({ provider }, micros / 1_000_000),
    breaker: (provider, state) => breaker.set({ provider }, states[state]),
  };
}
