import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Delivered, DeliveryMeter } from "./meter.ts";

const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
const ages = [0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
const outcomes: Delivered[] = [
  ...(["delivered", "retry", "failed", "disabled"] as const),
  ...(["lost", "given_back", "broken"] as const),
];

/** What this worker does with deliveries. */
export function meterDeliveries(registry: Registry): DeliveryMeter {
  const registers = [registry];
  const attempts = new Counter({
    name: "ducat_worker_deliveries_total",
    help: "Attempts at deliveries, by how they ended; delivered, failed and disabled ended them.",
    labelNames: ["outcome"],
    registers,
  });
  const took = new Histogram({
    name: "ducat_worker_delivery_seconds",
    help: "Time until a receiver answered, or was given up.",
    buckets: seconds,
    registers,
  });
  const age = new Histogram({
    name: "ducat_worker_delivery_age_seconds",
    help: "Time from an event to its arrival, of deliveries that arrived at the first attempt.",
    buckets: ages,
    registers,
  });
  const running = new Gauge({
    name: "ducat_worker_deliveries_running",
    help: "Deliveries on their way from this worker.",
    registers,
  });
  // So that a rate can be told from the first one on.
  for (const outcome of outcomes) attempts.inc({ outcome }, 0);
  return {
    delivering: (count) => running.set(count),
    delivered({ outcome, ms }) {
      attempts.inc({ outcome });
      took.observe(ms / 1_000);
    },
    arrived: (ageMs) => age.observe(ageMs / 1_000),
  };
}
