import { type Backend, type BullQueue, CALL_LIMIT_MS, type Log } from "./backend.ts";
import { withDeadline } from "./deadline.ts";
import { type JobData, type JobName, jobs } from "./jobs.ts";
import { logErrors } from "./log-errors.ts";
import { openPostgres } from "./postgres.ts";
import { openRedis } from "./redis.ts";
import { LAST_TURN } from "./turns.ts";
import { type Handler, startWork, type Work, type WorkOptions } from "./work.ts";

const CHUNK = 500;
const MOST_JOBS = 10_000;
const LONGEST_DELAY_MS = 7 * 24 * 3_600_000;

export type QueueOptions = {
  /** redis://, rediss://, postgres:// or postgresql://. */
  url: string;
  /** Redis: the prefix of every key. The braces keep one queue in one slot of a cluster. */
  prefix?: string;
  /** PostgreSQL: the schema of BullMQ's tables. */
  schema?: string;
  /** PostgreSQL: the role to act as; it owns the schema, and the URL's user is a member of it. */
  role?: string;
  log?: Log;
};

export type NewJob<N extends JobName> = {
  id: string;
  data: JobData<N>;
  delayMs?: number;
  /** A lower one goes first, those of one turn go as they came; see turns.ts. 0 if left out. */
  turn?: number;
};

export type JobCounts = Record<"waiting" | "active" | "delayed" | "failed", number>;

export type Queue = {
  kind: "redis" | "postgres";
  /**
   * Adds jobs, each at most once while a job with its id exists. Rejects within about 2 s when the
   * backend is down; some of the jobs may be there then, so add all of them again later.
   */
  add<N extends JobName>(name: N, list: NewJob<N>[]): Promise<void>;
  /** Starts consuming. Keeps trying while the backend is down. */
  work<N extends JobName>(name: N, handler: Handler<N>, options: WorkOptions): Work;
  /** Rejects in clear words when the queue cannot be used; answers within about 2 s. */
  assertReady(): Promise<void>;
  counts(name: JobName): Promise<JobCounts>;
  /** Milliseconds since the job that is next in line became due; undefined when none waits. */
  oldestWaitingMs(name: JobName): Promise<number | undefined>;
  /** BullMQ's own queue, for a dashboard. */
  bull(name: JobName): BullQueue;
  /** Closes the producer's connections. Close what `work` returned first. */
  close(): Promise<void>;
};

/**
 * The queue behind `url`. Opens its connections in the background and never fails because the
 * backend is down; `assertReady` tells. Throws at once on a URL of another kind.
 */
export function connectQueue(options: QueueOptions): Queue {
  const log = options.log ?? { warn: () => undefined, error: () => undefined };
  const backend = openBackend(options, log);
  const queues = new Map<JobName, BullQueue>();
  for (const name of Object.keys(jobs) as JobName[]) {
    const queue = backend.openQueue(name);
    queue.on("error", logErrors(log, `queue ${name}`));
    queues.set(name, queue);
  }
  const bull = (name: JobName) => {
    const queue = queues.get(name);
    if (!queue) throw new Error(`There is no job named ${JSON.stringify(name)}.`);
    return queue;
  };
  const call = async <T>(what: string, run: () => Promise<T>) => {
    const attempt = backend.firstAttempt.then(run);
    return await withDeadline(attempt, CALL_LIMIT_MS, `The queue (${what})`);
  };

  return {
    kind: backend.kind,
    bull,
    async add(name, list) {
      const entries = toEntries(name, list);
      for (let from = 0; from < entries.length; from += CHUNK) {
        await call("add", () => bull(name).addBulk(entries.slice(from, from + CHUNK)));
      }
    },
    work: (name, handler, workOptions) =>
      startWork(backend, log, { name, handler, ...workOptions }),
    assertReady: () => call("ready", () => backend.assertReady()),
    async counts(name) {
      const states = ["waiting", "prioritized", "active", "delayed", "failed"] as const;
      const found = await call("counts", () => bull(name).getJobCounts(...states));
      const count = (state: (typeof states)[number]) => found[state] ?? 0;
      // A job that waits for its turn is "prioritized" to BullMQ and waits like any other to us.
      return {
        waiting: count("waiting") + count("prioritized"),
        active: count("active"),
        delayed: count("delayed"),
        failed: count("failed"),
      };
    },
    async oldestWaitingMs(name) {
      const oldest = await call("oldest", async () => {
        // Not getWaitingCount(): that counts those with a turn as well.
        const last = ((await bull(name).getJobCounts("waiting")).waiting ?? 0) - 1;
        const [first, next] = await Promise.all([
          // Newest first: PostgreSQL's backend has no other order, Redis' has both.
          last < 0 ? [] : bull(name).getJobs(["waiting"], last, last, false),
          bull(name).getJobs(["prioritized"], 0, 0, true),
        ]);
        return [...first, ...next];
      });
      const dueAt = oldest.map((job) => job.timestamp + (job.opts.delay ?? 0));
      return dueAt.length === 0 ? undefined : Math.max(0, Date.now() - Math.min(...dueAt));
    },
    close: () => backend.close(),
  };
}

function openBackend(options: QueueOptions, log: Log): Backend {
  const { url, prefix = "{ducat}", schema = "bullmq", role } = options;
  const scheme = URL.canParse(url) ? new URL(url).protocol : "";
  if (scheme === "redis:" || scheme === "rediss:") return openRedis({ url, prefix });
  if (scheme === "postgres:" || scheme === "postgresql:") {
    return openPostgres({ url, schema, role, log });
  }
  // The URL itself may hold a password and is not repeated.
  throw new Error("The queue's URL must start with redis://, rediss:// or postgres://.");
}

function toEntries<N extends JobName>(name: N, list: NewJob<N>[]) {
  if (list.length > MOST_JOBS) throw new Error(`At most ${MOST_JOBS} jobs can be added at once.`);
  return list.map(({ id, data, delayMs = 0, turn = 0 }) => {
    // BullMQ builds its keys with colons and takes whole numbers for ids of its own making.
    if (!/^(?!\d+$)[\w-]{1,128}$/.test(id)) {
      throw new Error(`${JSON.stringify(id)} cannot be the id of a job.`);
    }
    if (!(delayMs >= 0 && delayMs <= LONGEST_DELAY_MS)) {
      throw new Error(`A job can be delayed by 0 to ${LONGEST_DELAY_MS} ms, not ${delayMs}.`);
    }
    if (!(Number.isInteger(turn) && turn >= 0 && turn <= LAST_TURN)) {
      throw new Error(`A job's turn is 0 to ${LAST_TURN}, not ${turn}.`);
    }
    const opts = {
      jobId: id,
      ...(turn > 0 && { priority: turn }),
      delay: Math.ceil(delayMs),
      // The database decides about every retry; a job that ended must leave its id free.
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
    };
    return { name, data: jobs[name].parse(data), opts };
  });
}
