import { Queue, Worker } from "bullmq";
import { type Backend, type BullQueue, CALL_LIMIT_MS } from "./backend.ts";
import { withDeadline } from "./deadline.ts";
import { assertUsable, connectRedis, endClient, readInfo } from "./redis-client.ts";

type RedisSettings = { url: string; prefix: string };

/** BullMQ on Redis. Connects in the background and keeps trying; only a call can fail. */
export function openRedis({ url, prefix }: RedisSettings): Backend {
  const redis = connectRedis(url, "producer");
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
      const { connection, clients } = connectConsumer(url);
      const worker = new Worker(name, processor, { ...settings, connection, prefix });
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
      const asked = withDeadline(readInfo(redis), CALL_LIMIT_MS, "INFO");
      const answers = await asked.catch((error: Error) => {
        const cause = redis.status === "ready" ? error : (lastError ?? error);
        throw new Error(`The queue's Redis (${place}) is not reachable: ${cause.message}`, {
          cause,
        });
      });
      for (const info of answers) assertUsable(info, redis, place);
    },

    async close() {
      await Promise.allSettled(queues.map((queue) => queue.close()));
      redis.disconnect();
    },
  };
}

/** A worker's connection, and all that become of it. */
function connectConsumer(url: string) {
  const connection = connectRedis(url, "consumer");
  const clients = [connection];
  // BullMQ reports their errors, but stops listening before they are gone.
  connection.on("error", () => undefined);
  // It makes its blocking connection from ours. We keep hold of that, to be able to end it.
  const source = connection as { duplicate(...overrides: unknown[]): typeof connection };
  const duplicate = source.duplicate.bind(connection);
  source.duplicate = (...overrides) => {
    const blocking = duplicate(...overrides);
    blocking.on("error", () => undefined);
    clients.push(blocking);
    return blocking;
  };
  return { connection, clients };
}
