import { createMetrics as createApiMetrics } from "../../../apps/api/src/metrics.ts";
import { createMetrics as createWorkerMetrics } from "../../../apps/worker/src/metrics.ts";
import { registerUpkeepTasks } from "../../../packages/db/src/upkeep.ts";
import { cloneDatabase } from "../../../packages/db/test/clone.ts";
import { migrateQueue } from "../../../packages/queue/src/migrate.ts";
import { connectQueue } from "../../../packages/queue/src/queue.ts";

/** Of each name that is exposed, its labels with the values that were seen. */
export type Metrics = Map<string, Map<string, Set<string>>>;

const log = { info() {}, warn() {}, error() {}, fatal() {}, debug() {} } as never;

/** What the API and a worker expose, once each has counted something of every kind. */
export async function listMetrics(): Promise<Metrics> {
  const database = await cloneDatabase();
  await migrateQueue(database.url, { role: "ducat_queue" });
  const queue = connectQueue({ url: database.url, role: "ducat_queue", log });
  try {
    const api = createApiMetrics({
      ...{ db: database.app, queue, log, limits: { isShared: () => true } },
      entitlements: { observe: () => {} },
    });
    api.observe({ method: "GET", route: "/v1/styles", status: 200, seconds: 0.1 });
    api.streams.opened("account");
    api.streams.waited(0.1);
    api.streams.ended("account", "failed");
    const worker = createWorkerMetrics({ db: database.worker, log });
    worker.meter.claimed();
    worker.meter.settled({ outcome: "completed", generator: "local", number: 1, ms: 5 });
    worker.meter.generated("local", { ms: 5, isError: false });
    worker.meter.asked("openai", { result: "completed", ms: 5 });
    worker.meter.turnedAway("openai", "breaker");
    worker.meter.fellBack("openai", "provider_failed");
    worker.meter.spent("openai", 1_000);
    worker.meter.breaker("openai", "open");
    worker.meter.relayed(1);
    worker.meter.delivering(1);
    worker.meter.delivered({ outcome: "delivered", ms: 5 });
    worker.meter.arrived(5);
    worker.meter.watched({ waitingMs: 0, stuckMs: 0 });
    for (const outcome of ["done", "paused", "failed", "lost"] as const) {
      worker.meter.ran("roll-up", { outcome, ms: 5 });
    }
    worker.meter.did("roll-up", 3);
    const about = "recounts days";
    await registerUpkeepTasks(database.worker, [
      { name: "roll-up", about, everySeconds: 300, isParallel: false },
    ]);
    await database.admin`UPDATE ducat.upkeep_tasks SET ok_at = clock_timestamp()`;
    const texts = await Promise.all([api.read(), worker.read()]);
    return readExposition(texts.map(({ text }) => text).join("\n"));
  } finally {
    await queue.close();
    await database.close();
  }
}

function readExposition(text: string): Metrics {
  const metrics: Metrics = new Map();
  for (const line of text.split("\n")) {
    const [, type = ""] = /^# TYPE (\w+) /.exec(line) ?? [];
    const [, name = type, labels = ""] = /^(\w+)(?:\{(.*)\})? [^ ]+$/.exec(line) ?? [];
    if (name === "" || line === "") continue;
    const known = metrics.get(name) ?? new Map<string, Set<string>>();
    metrics.set(name, known);
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  return metrics;
}
