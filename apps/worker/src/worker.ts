import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { settleQueueKind } from "@ducat/db/database";
import { readBacklog } from "@ducat/db/items";
import { createUsageDrops, type DropUsage } from "@ducat/entitlements/usage-drops";
import type { Bus } from "@ducat/events/bus";
import type { Seal } from "@ducat/messages/seal";
import type { Senders } from "@ducat/messages/senders";
import type { PaymentDeps } from "@ducat/payments/providers";
import type { Queue } from "@ducat/queue/queue";
import type { Work } from "@ducat/queue/work";
import type { Generator } from "./generators/generator.ts";
import { createModels } from "./generators/models.ts";
import type { ProviderLimits } from "./generators/provider-gate.ts";
import { createProcessWebhook, webhookConcurrency } from "./jobs/process-webhooks.ts";
import { createRunItem, type RunDeps } from "./jobs/run-item.ts";
import { noMeter, type WorkerMeter } from "./meter.ts";
import type { At } from "./points.ts";
import { createProgress } from "./progress.ts";
import { type Relay, startRelay } from "./relay-events.ts";
import type { Repeating } from "./repeat.ts";
import { safeError } from "./safe-error.ts";
import { startReconciling } from "./start-reconciling.ts";
import { defaultTimings, type Timings } from "./timings.ts";
import { listTasks } from "./upkeep/list-tasks.ts";
import { startUpkeep } from "./upkeep/start-upkeep.ts";
import { isDatabaseAway } from "./wait-for-database.ts";
import { startWatchdog } from "./watchdog.ts";
import type { DeliverDeps } from "./webhooks/deliver.ts";
import { type Delivering, startDelivering } from "./webhooks/start-delivering.ts";

export type WorkerDeps = Omit<
  RunDeps,
  | "queue"
  | "timings"
  | "at"
  | "closing"
  | "dropUsage"
  | "meter"
  | "routeModels"
  | "bus"
  | "progress"
  | "relay"
> & {
  queue: Queue;
  /** Wakes who watches items, in every process. */
  bus: Bus;
  /** By the name that a style gives. */
  generators: Record<string, Generator>;
  /** What may be asked of them; one that is not listed has no limits. */
  providers?: ProviderLimits[];
  payments: PaymentDeps;
  /** Who sends messages, and in whose name. */
  messages: {
    senders: Senders;
    brand?: string | undefined;
    /** Where mailed links lead, instead of the API's own pages. */
    loginPageUrl?: string | undefined;
    seal: Pick<Seal, "open">;
  };
  /** Who sends events to those who asked for them, and what signs. */
  deliveries: Pick<DeliverDeps, "send" | "secrets">;
  concurrency: number;
  /** Called when this worker does not work any more although it should; see watchdog.ts. */
  onStuck(reason: string): void;
  timings?: Partial<Timings>;
  /** Who counts what it does; see metrics.ts. */
  meter?: WorkerMeter;
  /** See points.ts. Left out in production. */
  at?: At;
};

export type Worker = {
  /**
   * Resolves when jobs are being taken; waits for a database or a queue that is not up yet. Rejects
   * in clear words when this process must not work here, and when it was closed meanwhile.
   */
  start(): Promise<void>;
  /**
   * Takes no more jobs and lets the running ones end; after `graceMs` gives their items back, so
   * that another worker goes on at once. Leaves database, queue and bus open.
   */
  close(options: { graceMs: number }): Promise<void>;
  /** Whether it takes jobs. */
  state(): "starting" | "working" | "stopping";
};

/** A worker: takes jobs, runs items, sweeps up what was lost, and knows whether it is alive. */
export function createWorker(options: WorkerDeps): Worker {
  const timings: Timings = { ...defaultTimings, ...options.timings };
  const dropUsage = createUsageDrops(options.db, (error) => {
    options.log.warn({ err: safeError(error) }, "nobody was told what an account got back");
  });
  const { meter = noMeter } = options;
  const deps = { ...options, timings, dropUsage, at: options.at ?? (() => undefined), meter };
  const progress = createProgress({ db: options.db, bus: options.bus, log: options.log });
  const models = createModels({ providers: [], ...deps, timings: timings.models });
  const closing = new AbortController();
  const givingBack = new AbortController();
  // One listener for each running item.
  setMaxListeners(0, givingBack.signal);
  const periodic: Repeating[] = [];
  let isWorking = false;
  let work: Work | undefined;
  let webhooks: Work | undefined;
  let relay: Relay | undefined;

  return {
    async start() {
      await untilUp(deps, closing.signal, () => refuseOtherQueue(deps));
      // Before the queue is there: paying back what is overdue needs only the database.
      const delivering = deliverEvents(deps, givingBack.signal);
      periodic.push(delivering, ...startPeriodic(deps), ...models.start());
      relay = startRelaying(deps, delivering);
      await untilUp(deps, closing.signal, () => deps.queue.assertReady());
      const { signal } = givingBack;
      const routeModels = models.route;
      const runItem = createRunItem({ ...deps, closing: signal, routeModels, progress, relay });
      work = deps.queue.work("run-item", runItem, {
        concurrency: deps.concurrency,
        lockMs: timings.jobLockMs,
      });
      webhooks = deps.queue.work("process-webhook", createProcessWebhook(deps), {
        concurrency: webhookConcurrency,
        lockMs: timings.jobLockMs,
      });
      periodic.push(watch(deps, work));
      isWorking = true;
      const generators = Object.keys(deps.generators);
      const { concurrency } = deps;
      deps.log.info({ queue: deps.queue.kind, concurrency, generators }, "taking jobs");
    },
    async close({ graceMs }) {
      closing.abort();
      const grace = setTimeout(() => givingBack.abort(), graceMs);
      const stopping = periodic.map((one) => one.stop());
      await Promise.all([work?.close({ graceMs }), webhooks?.close({ graceMs }), ...stopping]);
      clearTimeout(grace);
      await progress.close();
      await models.close();
      await relay?.stop();
    },
    state: () => (closing.signal.aborted ? "stopping" : isWorking ? "working" : "starting"),
  };
}

type Ready = WorkerDeps & { timings: Timings; at: At; dropUsage: DropUsage; meter: WorkerMeter };

function startPeriodic(deps: Ready): Repeating[] {
  const { db, log, meter, timings } = deps;
  return [
    startUpkeep({ db, log, meter, timings: timings.upkeep }, listTasks(deps)),
    ...startReconciling(deps.payments, timings),
  ];
}

function deliverEvents(deps: Ready, givingBack: AbortSignal): Delivering {
  const { db, log, meter, deliveries, timings } = deps;
  const { databaseWaitMs, deliver } = timings;
  return startDelivering(
    { ...{ db, log, meter, databaseWaitMs }, ...deliveries, timings: deliver },
    givingBack,
  );
}

function startRelaying(deps: Ready, delivering: Delivering): Relay {
  const { db, bus, log, meter, timings } = deps;
  const relayed = (ids: string[]) => {
    delivering.wake();
    for (const accountId of ids) bus.publish({ accountId });
  };
  return startRelay({ db, log, meter, relayed, timings: timings.relay });
}

function watch({ db, queue, log, meter, timings, onStuck }: Ready, work: Work): Repeating {
  // The sweeper moves what it added again out of the database's view, into the queue's.
  const readWaitingMs = async () => {
    const { oldestSeconds } = await readBacklog(db);
    const inQueue = await queue.oldestWaitingMs("run-item");
    return Math.max(oldestSeconds * 1_000, inQueue ?? 0);
  };
  return startWatchdog({
    log,
    readWaitingMs,
    watched: (seen) => meter.watched(seen),
    isIdle: () => work.isIdle(),
    progress: () => work.lastProgressAt,
    timings: timings.watch,
    onStuck,
  });
}

async function refuseOtherQueue({ db, queue }: Ready): Promise<void> {
  const kind = await settleQueueKind(db, queue.kind);
  if (kind === queue.kind) return;
  throw new Error(
    `This deployment's queue is on ${kind}, and QUEUE_URL names one on ${queue.kind}: jobs would ` +
      "lie where nobody looks. Use the same QUEUE_URL everywhere; to move to another kind, stop " +
      "every process and delete the row queue_kind of admin_config.",
  );
}

async function untilUp(
  { log, timings }: Ready,
  signal: AbortSignal,
  attempt: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return signal.throwIfAborted();
    } catch (error) {
      if (!isPassing(error)) throw error;
      log.warn({ err: safeError(error) }, `waiting: ${(error as Error).message}`);
    }
    await sleep(timings.bootRetryMs, undefined, { signal });
  }
}

/** The queue tells its refusals from its outages by their words only. */
function isPassing(error: unknown): boolean {
  if (isDatabaseAway(error)) return true;
  return error instanceof Error && /is not reachable|did not answer/.test(error.message);
}
