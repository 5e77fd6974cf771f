import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "@ducat/db/connect";
import { readEventBacklog } from "@ducat/db/events";
import { listUpkeepTasks } from "@ducat/db/upkeep";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Log } from "./log.ts";
import type { WorkerMeter } from "./meter.ts";
import { meterProviders } from "./meter-providers.ts";
import { safeError } from "./safe-error.ts";
import { meterDeliveries } from "./webhooks/meter-deliveries.ts";

export type Metrics = {
  meter: WorkerMeter;
  /** The exposition text and its content type. */
  read(): Promise<{ text: string; type: string }>;
};

const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

/** Scrapers wait ten seconds: a database that hangs must not hide what this process knows. */
const databaseMs = 3_000;

/** The numbers of this worker, and of all upkeep as the database has it when asked. */
export function createMetrics({
  db,
  log,
  waitMs = databaseMs,
}: {
  db: Db;
  log: Log;
  waitMs?: number;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const fromDatabase = [readUpkeep(registry, db), readEvents(registry, db)];
  const measure = shareWithin(waitMs, async () => {
    for (const read of fromDatabase) await read();
  });
  const up = new Gauge({
    name: "ducat_worker_up",
    help: "Whether a part answered when asked.",
    labelNames: ["part"],
    registers: [registry],
  });
  return {
    meter: {
      ...meterItems(registry),
      ...meterProviders(registry),
      ...meterDeliveries(registry),
      ...meterUpkeep(registry),
      ...meterWatchdog(registry),
      ...meterRelay(registry),
    },
    async read() {
      try {
        await measure();
        up.set({ part: "database" }, 1);
      } catch (error) {
        log.warn({ err: safeError(error) }, "upkeep and events could not be measured");
        up.set({ part: "database" }, 0);
      }
      return { text: await registry.metrics(), type: registry.contentType };
    },
  };
}

/** Rejects when it takes too long. What is still asked then is not asked again before it ends. */
function shareWithin(ms: number, ask: () => Promise<void>): () => Promise<void> {
  let asked: Promise<void> | undefined;
  return async () => {
    asked ??= ask().finally(() => {
      asked = undefined;
    });
    const ending = new AbortController();
    const late = sleep(ms, undefined, { signal: ending.signal }).then(() => {
      throw new Error("The database took too long.");
    });
    try {
      await Promise.race([asked, late]);
    } finally {
      ending.abort();
    }
  };
}

function meterItems(registry: Registry): Pick<WorkerMeter, "claimed" | "settled" | "generated"> {
  const registers = [registry];
  const attempts = new Counter({
    name: "ducat_worker_attempts_total",
    help: "Attempts at items, by how they ended; completed, failed and canceled ended the item.",
    labelNames: ["outcome"],
    registers,
  });
  const took = new Histogram({
    name: "ducat_worker_attempt_seconds",
    help: "Time from a claim to the record of how the attempt ended.",
    labelNames: ["generator"],
    buckets: seconds,
    registers,
  });
  const numbers = new Histogram({
    name: "ducat_worker_item_attempts",
    help: "How many attempts an item took that ended here.",
    buckets: [1, 2, 3, 5, 10, 20],
    registers,
  });
  const asked = new Histogram({
    name: "ducat_worker_generator_seconds",
    help: "Time that a generator was at work, waiting for its provider included.",
    labelNames: ["generator", "result"],
    buckets: seconds,
    registers,
  });
  const leases = new Gauge({
    name: "ducat_worker_leases_held",
    help: "Items that this worker holds now.",
    registers,
  });
  leases.set(0);
  const ends = ["completed", "failed", "canceled"];
  // So that a rate can be told from the first one on.
  for (const outcome of [...ends, "retry", "deferred", "lost", "broken"]) {
    attempts.inc({ outcome }, 0);
  }
  return {
    claimed: () => leases.inc(),
    settled({ outcome, generator, number, ms }) {
      leases.dec();
      attempts.inc({ outcome });
      took.observe({ generator }, ms / 1_000);
      if (ends.includes(outcome)) numbers.observe(number);
    },
    generated(generator, { ms, isError }) {
      asked.observe({ generator, result: isError ? "error" : "answer" }, ms / 1_000);
    },
  };
}

function meterUpkeep(registry: Registry): Pick<WorkerMeter, "ran" | "did"> {
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  const runs = counter(
    "ducat_upkeep_runs_total",
    "Runs of upkeep by this worker; of paused ones another part follows, here or elsewhere.",
    ["task", "outcome"],
  );
  const took = counter("ducat_upkeep_seconds_total", "Time that upkeep took here.", ["task"]);
  const done = counter("ducat_upkeep_done_total", "What upkeep did here: rows, files.", ["task"]);
  return {
    ran(task, { outcome, ms }) {
      runs.inc({ task, outcome });
      took.inc({ task }, ms / 1_000);
    },
    did: (task, count) => done.inc({ task }, count),
  };
}

function meterWatchdog(registry: Registry): Pick<WorkerMeter, "watched"> {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const waiting = gauge(
    "ducat_worker_waiting_seconds",
    "How long the first piece of work has waited, as the watchdog last saw it.",
  );
  const stuck = gauge(
    "ducat_worker_stuck_seconds",
    "For how long this worker had nothing to do although work waited.",
  );
  return {
    watched({ waitingMs, stuckMs }) {
      waiting.set(waitingMs / 1_000);
      stuck.set(stuckMs / 1_000);
    },
  };
}

function meterRelay(registry: Registry): Pick<WorkerMeter, "relayed"> {
  const relayed = new Counter({
    name: "ducat_events_relayed_total",
    help: "Events that this worker passed on to streams and webhooks.",
    registers: [registry],
  });
  return { relayed: (count) => relayed.inc(count) };
}

/** The same in every worker: how far all of them together are behind with events. */
function readEvents(registry: Registry, db: Db): () => Promise<void> {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const waiting = gauge("ducat_events_waiting", "Events that nobody was told of; 10,000 at most.");
  const oldest = gauge("ducat_events_waiting_seconds", "How long the first of them has waited.");
  return async () => {
    const backlog = await readEventBacklog(db);
    waiting.set(backlog.waiting);
    oldest.set(backlog.oldestSeconds);
  };
}

/** The same in every worker: how all workers together keep up with each task. */
function readUpkeep(registry: Registry, db: Db): () => Promise<void> {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["task"], registers: [registry] });
  const age = gauge("ducat_upkeep_ok_age_seconds", "Time since a run last ended well, anywhere.");
  const every = gauge("ducat_upkeep_every_seconds", "How often it is to be done.");
  const overdue = gauge("ducat_upkeep_overdue_seconds", "How long a run has been due.");
  const failures = gauge("ducat_upkeep_failures_in_row", "Failed runs since one ended well.");
  return async () => {
    const tasks = await listUpkeepTasks(db);
    for (const one of [age, every, overdue, failures]) one.reset();
    for (const { name: task, ...told } of tasks) {
      if (told.ok_age_seconds !== null) age.set({ task }, told.ok_age_seconds);
      every.set({ task }, told.every_seconds);
      overdue.set({ task }, told.overdue_seconds);
      failures.set({ task }, told.failures_in_row);
    }
  };
}
