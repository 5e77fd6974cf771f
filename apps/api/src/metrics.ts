import type { Db } from "@ducat/db/connect";
import { countConnections } from "@ducat/db/database";
import { readBacklog } from "@ducat/db/items";
import { readWebhookBacklog } from "@ducat/db/webhook-events";
import type { Entitlements } from "@ducat/entitlements/entitlements";
import type { Queue } from "@ducat/queue/queue";
import type { Logger } from "pino";
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Limits } from "./limits/connect-limits.ts";
import { measureDeliveries } from "./measure-deliveries.ts";
import { measureEntitlements } from "./measure-entitlements.ts";
import { measureStreams, type StreamMeter } from "./streams/measure-streams.ts";

export type Metrics = {
  observe(request: { method: string; route: string; status: number; seconds: number }): void;
  /** The exposition text and its content type. */
  read(): Promise<{ text: string; type: string }>;
  /** How often this process knew what an account may do, and how often it had to ask. */
  readCache(): Promise<{ hits: number; misses: number }>;
  /** Counts the streams of this process. */
  streams: StreamMeter;
};

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The numbers of this process, and those of queue and database as they are when asked. */
export function createMetrics(deps: {
  db: Db;
  queue: Queue;
  limits: Pick<Limits, "isShared">;
  entitlements: Pick<Entitlements, "observe">;
  log: Logger;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const measured = measureEntitlements(registry);
  deps.entitlements.observe(measured.observer);
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time from a request to its answer.",
    labelNames: ["method", "route", "status"],
    buckets,
    registers: [registry],
  });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const jobs = gauge("ducat_queue_jobs", "Jobs in the queue, by state.", ["state"]);
  const waited = gauge("ducat_queue_oldest_seconds", "How long the first waiting job has waited.");
  const up = gauge("ducat_up", "Whether a part answered when asked.", ["part"]);
  const backlog = gauge("ducat_backlog_items", "Items past their due time.");
  const oldest = gauge("ducat_backlog_oldest_seconds", "How long the first of them is past it.");
  const webhooks = gauge("ducat_webhooks", "Webhooks that wait or are dead.", ["status"]);
  const lag = gauge("ducat_webhooks_oldest_seconds", "How long the first webhook has been due.");
  const readDeliveries = measureDeliveries(registry, deps.db);
  const connections = gauge("ducat_db_connections", "Connections of the API's role.", ["state"]);

  const readQueue = async () => {
    const [counts, waitedMs] = await Promise.all([
      deps.queue.counts("run-item"),
      deps.queue.oldestWaitingMs("run-item"),
    ]);
    waited.set((waitedMs ?? 0) / 1000);
    for (const [state, count] of Object.entries(counts)) jobs.set({ state }, count);
  };
  const readDatabase = async () => {
    const found = await readBacklog(deps.db);
    backlog.set(found.waiting);
    oldest.set(found.oldestSeconds);
    const { waiting, dead, oldestSeconds } = await readWebhookBacklog(deps.db);
    webhooks.set({ status: "received" }, waiting);
    webhooks.set({ status: "dead" }, dead);
    lag.set(oldestSeconds);
    await readDeliveries();
    for (const { state, count } of await countConnections(deps.db)) {
      connections.set({ state }, count);
    }
  };
  const ask = async (part: string, read: () => Promise<void>) => {
    try {
      await read();
      up.set({ part }, 1);
    } catch (err) {
      deps.log.warn({ err, part }, "could not be measured");
      up.set({ part }, 0);
    }
  };

  return {
    readCache: measured.readCounts,
    streams: measureStreams(registry),
    observe({ method, route, status, seconds }) {
      requests.observe({ method, route, status }, seconds);
    },
    async read() {
      jobs.reset();
      connections.reset();
      // Without its store each process counts for itself.
      up.set({ part: "limits" }, deps.limits.isShared() ? 1 : 0);
      await Promise.all([ask("queue", readQueue), ask("database", readDatabase)]);
      return { text: await registry.metrics(), type: registry.contentType };
    },
  };
}
