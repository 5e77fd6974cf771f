import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { type Backend, type BullQueue, CALL_LIMIT_MS } from "./backend.ts";
import { withDeadline } from "./deadline.ts";

type RedisSettings = { url: string; prefix: string };

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
export function openRedis({ url, prefix }: RedisSettings): Backend {
  const redis = new Redis(url, producer);
  let lastError: Error | undefined;
  // BullMQ's queues report these errors.
  redis.on("error", (error: Error) => {
    lastError = error;
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
      const clients = [connection];
      // BullMQ makes its blocking connection from ours. We keep hold of it, to be able to end it.
      const duplicate = connection.duplicate.bind(connection);
      connection.duplicate = (override) => {
        clients.push(duplicate(override));
        return clients[clients.length - 1] as Redis;
      };
      const worker = new Worker(name, processor, { ...settings, connection, prefix });
      // BullMQ reports their errors, but stops listening before they are gone.
      for (const client of clients) client.on("error", () => undefined);
      const release = () => clients.forEach(endClient);
      return {
        worker,
        force() {
          release();
          return worker.getBackend().close(true);
        },
        release,
      };
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

/**
 * Told to disconnect between two attempts to reconnect, ioredis emits no 'end' and keeps the
 * commands that wait, and BullMQ waits for both. One more attempt brings the client to its end.
 */
function endClient(client: Redis) {
  const isBetween = client.status === "reconnecting";
  client.disconnect();
  if (!isBetween) return;
  client.connect().then(
    () => client.disconnect(),
    () => undefined,
  );
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
