import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "bullmq";
import type { Backend, BullWorker, Log } from "./backend.ts";
import { settlesWithin } from "./deadline.ts";
import { type JobData, type JobName, jobs } from "./jobs.ts";
import { logErrors } from "./log-errors.ts";

/** How long a close waits before its next, harder step. */
const STEP_MS = 1_000;
const CLAIM_RETRY_MS = 500;
const LOCK_MS = 30_000;

/** Why a handler's signal was aborted; it is the signal's `reason`. */
class Interrupted extends Error {
  readonly why: "closing" | "lock_lost";

  constructor(why: "closing" | "lock_lost") {
    super(why === "closing" ? "The worker is closing." : "The queue gave this job's lock away.");
    this.name = "Interrupted";
    this.why = why;
  }
}

export type Handler<N extends JobName> = (
  data: JobData<N>,
  context: { signal: AbortSignal },
) => Promise<void>;

export type WorkOptions = {
  concurrency: number;
  /**
   * Milliseconds that a job stays with a worker that shows no sign of life, 30,000 if left out. It
   * is renewed at half of it; another worker takes the job over after one to two of them.
   */
  lockMs?: number;
};

export type Work = {
  /**
   * Takes no more jobs and waits for the running ones. After `graceMs` their signals are aborted,
   * and about 3 s later at most it resolves, whatever they do. Never rejects.
   */
  close(options: { graceMs: number }): Promise<void>;
  /** Whether no handler is running. */
  isIdle(): boolean;
  /** When a job last started or ended, or work began: epoch milliseconds. */
  readonly lastProgressAt: number;
};

type Task<N extends JobName> = WorkOptions & { name: N; handler: Handler<N> };

/** Consumes one queue until closed. See `Queue.work`. */
export function startWork<N extends JobName>(backend: Backend, log: Log, task: Task<N>): Work {
  const running = createRunner(log, task);
  const { worker, force, release } = backend.openWorker(task.name, running.process, {
    autorun: false,
    concurrency: task.concurrency,
    lockDuration: task.lockMs ?? LOCK_MS,
    stalledInterval: task.lockMs ?? LOCK_MS,
    // With 15 s, BullMQ's own value, an outage of a second would cost a quarter of a minute.
    runRetryDelay: 1_000,
  });
  const onError = logErrors(log, `worker ${task.name}`);
  worker.on("error", onError);
  worker.on("lockRenewalFailed", (ids) => running.interrupt("lock_lost", ids));
  slowDownFailingClaims(worker);
  worker.run().catch(onError);

  let closing: Promise<void> | undefined;
  const close = async (graceMs: number) => {
    const closed = worker.close().catch(onError);
    const patience = running.count() > 0 ? Math.min(graceMs, STEP_MS) : STEP_MS;
    const steps: [() => void, number][] = [
      [() => undefined, patience],
      [() => undefined, graceMs - patience],
      [() => running.interrupt("closing"), STEP_MS],
      [running.abandonAll, STEP_MS],
    ];
    for (const [act, waitMs] of steps) {
      act();
      if (await settlesWithin(closed, waitMs)) return release();
      // Nothing runs, so BullMQ waits for a backend that does not answer, and would for ever.
      if (running.count() === 0) break;
    }
    force().catch(onError);
    await settlesWithin(closed, STEP_MS);
    release();
  };

  return {
    close({ graceMs }) {
      closing ??= close(graceMs);
      return closing;
    },
    isIdle: () => running.count() === 0,
    get lastProgressAt() {
      return running.lastProgressAt();
    },
  };
}

/** A handler that is running. */
type Run = { id: string; controller: AbortController; abandon: () => void };

/** Runs handlers and knows which are running. */
function createRunner<N extends JobName>(log: Log, { name, handler }: Task<N>) {
  const running = new Set<Run>();
  let lastProgressAt = Date.now();

  // Nothing is thrown to BullMQ: some errors make it run the job again, and ours is the only retry.
  async function process(job: Job) {
    const id = String(job.id);
    const data = jobs[name].safeParse(job.data);
    if (!data.success) {
      const faults = data.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
      log.error({ queue: name, job: id, faults }, "dropped a job with a bad payload");
      return;
    }
    const run: Run = { id, controller: new AbortController(), abandon: () => undefined };
    const abandoned = new Promise<void>((resolve) => {
      run.abandon = resolve;
    });
    running.add(run);
    lastProgressAt = Date.now();
    try {
      const { signal } = run.controller;
      await Promise.race([handler(data.data as JobData<N>, { signal }), abandoned]);
    } catch (error) {
      log.error({ queue: name, job: id, err: error }, "a job's handler failed");
    } finally {
      running.delete(run);
      lastProgressAt = Date.now();
    }
  }

  const interrupt = (why: Interrupted["why"], ids?: string[]) => {
    for (const { id, controller } of running) {
      if (!ids || ids.includes(id)) controller.abort(new Interrupted(why));
    }
  };
  const abandonAll = () => {
    for (const run of running) run.abandon();
  };
  return {
    process,
    interrupt,
    abandonAll,
    count: () => running.size,
    lastProgressAt: () => lastProgressAt,
  };
}

/**
 * BullMQ asks for the next job again at once after most errors. While PostgreSQL starts up, or a
 * full Redis refuses writes, that would be a busy loop.
 */
function slowDownFailingClaims(worker: BullWorker) {
  const backend = worker.getBackend();
  const claim = backend.moveToActive.bind(backend);
  backend.moveToActive = async (...args) => {
    try {
      return await claim(...args);
    } catch (error) {
      await sleep(CLAIM_RETRY_MS);
      throw error;
    }
  };
}
