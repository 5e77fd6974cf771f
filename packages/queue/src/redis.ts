import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { type Backend, type BullQueue, CALL_LIMIT_MS, type Log } from "./backend.ts";
import { withDeadline } from "./deadline.ts";
import { logErrors } from "./log-errors.ts";

type RedisSettings = { url: string; prefix: string; log: Log };

/** ioredis backs off up to 5 s, BullMQ up to 20 s: an add would fail long after Redis is back. */
const backOff = (mostMs: number) => (times: number) => Math.min(times * 100, mostMs);

/** A producer never waits for Redis: the rows in our database are the outbox. */
const producer = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  connectTimeout: 1_500,
  commandTimeout: 1_500,
  // A silently dropped connection is found by the first command that gets no answer.
  socketTimeout: 3_000,
  retryStrategy: backOff(1_000),
};

/** A consumer waits for Redis for ever; BullMQ asks for `null`. */
const consumer = {
  maxRetriesPerRequest: null,
  connectTimeout: 5_000,
  // Longer than the longest blocking read (10 s) of the connection that BullMQ makes from this one.
  socketTimeout: 30_000,
  retryStrategy: backOff(2_000),
};

/** BullMQ on Redis. Connects in the background and keeps trying; only a call can fail. */
export function openRedis({ url, prefix, log }: RedisSettings): Backend {
  const redis = new Redis(url, producer);
  let lastError: Error | undefined;
  const report = logErrors(log, "redis producer");
  redis.on("error", (error: Error) => {
    lastError = error;
    report(error);
  });
  const queues: BullQueue[] = [];

  return {
    kind: "redis",
    firstAttempt: new Promise((resolve) => {
      for (const event of ["ready", "error", "close"]) redis.once(event, () => resolve());
    }),

    openQueue(name) {
      const queue = new Queue(name, {
        connection: redis,
        prefix,
        // Waiting for 'ready' or asking for the version would make BullMQ remember a failed start.
        skipWaitingForReady: true,
        skipVersionCheck: true,
        streams: { events: { maxLen: 1_000 } },
      });
      queues.push(queue);
      return queue;
    },

    openWorker(name, processor, settings) {
      const connection = new Redis(url, consumer);
      const worker = new Worker(name, processor, { ...settings, connection, prefix });
      return { worker, release: () => connection.disconnect() };
    },

    async assertReady() {
      const place = new URL(url).host;
      const memory = await withDeadline(redis.info("memory"), CALL_LIMIT_MS, "INFO").catch(
        (error: Error) => {
          const cause = redis.status === "ready" ? error : (lastError ?? error);
          throw new Error(`The queue's Redis (${place}) is not reachable: ${cause.message}`, {
            cause,
          });
        },
      );
      assertNoEviction(memory, place);
    },

    async close() {
      await Promise.allSettled(queues.map((queue) => queue.close()));
      redis.disconnect();
    },
  };
}

/** INFO tells the policy also where a hosted Redis forbids CONFIG GET. */
function assertNoEviction(memory: string, place: string) {
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  if (policy === undefined || policy === "noeviction") return;
  throw new Error(
    `The queue's Redis (${place}) has maxmemory-policy ${policy} and may throw jobs away: ` +
      "set maxmemory-policy to noeviction.",
  );
}
