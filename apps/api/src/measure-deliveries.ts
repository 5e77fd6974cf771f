import type { Db } from "@ducat/db/connect";
import { readOwnEndpoints } from "@ducat/db/own-endpoints";
import { readDeliveryBacklog } from "@ducat/db/webhook-deliveries";
import { Gauge, type Registry } from "prom-client";

/** Returns what reads how the deliveries of all accounts are doing. */
export function measureDeliveries(registry: Registry, db: Db): () => Promise<void> {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const open = gauge("ducat_deliveries_open", "Deliveries that wait or are on their way.");
  const oldest = gauge(
    "ducat_deliveries_oldest_seconds",
    "How long the first endpoint that works has been due for its turn.",
  );
  const endpoints = gauge(
    "ducat_webhook_endpoints",
    "Endpoints that fail with something open, or were given up: all, and the deployment's own.",
    ["whose", "state"],
  );
  return async () => {
    const all = await readDeliveryBacklog(db);
    const own = await readOwnEndpoints(db);
    open.set(all.waiting);
    oldest.set(all.oldestSeconds);
    endpoints.set({ whose: "all", state: "failing" }, all.failing);
    endpoints.set({ whose: "all", state: "given_up" }, all.disabled);
    endpoints.set({ whose: "own", state: "failing" }, own.failing);
    endpoints.set({ whose: "own", state: "given_up" }, own.givenUp);
  };
}
