import { connectRedis, endClient, type RedisClient } from "@ducat/queue/redis-client";
import { channel, type Hear, type Line, type Log } from "./line.ts";

const resubscribeMs = 1_000;

/** The line on Redis' publish and subscribe. */
export function openRedisLine(url: string, log: Log): Line {
  let sending: RedisClient | undefined;
  const listeners = new Set<() => void>();

  return {
    async send(messages) {
      sending ??= open(url, "producer");
      const redis = sending;
      await untilReady(redis);
      await Promise.all(messages.map((message) => redis.publish(channel, message)));
    },
    listen(hear) {
      const stop = listen(url, hear, log);
      listeners.add(stop);
      return () => {
        listeners.delete(stop);
        stop();
      };
    },
    async close() {
      for (const stop of listeners) stop();
      listeners.clear();
      if (sending) endClient(sending);
    },
  };
}

function open(url: string, use: "producer" | "consumer"): RedisClient {
  const redis = connectRedis(url, use);
  // Whoever sends learns of it by the refusal, whoever listens by the silence.
  redis.on("error", () => undefined);
  return redis;
}

/** The client refuses commands until its first connection is there. */
function untilReady(redis: RedisClient): Promise<void> {
  if (redis.status !== "connecting" && redis.status !== "connect") return Promise.resolve();
  const events = ["ready", "close", "end"];
  return new Promise((resolve) => {
    const settle = () => {
      for (const event of events) redis.off(event, settle);
      resolve();
    };
    for (const event of events) redis.on(event, settle);
  });
}

function listen(url: string, hear: Hear, log: Log): () => void {
  const redis = open(url, "consumer");
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  redis.on("message", (_channel: string, text: string) => {
    if (!isStopped) hear.message(text);
  });
  const subscribe = async () => {
    try {
      await redis.subscribe(channel);
      if (!isStopped) hear.back();
    } catch (err) {
      if (isStopped || redis.status !== "ready") return;
      log.warn({ err }, "the bus may not subscribe in Redis");
      timer = setTimeout(subscribe, resubscribeMs).unref();
    }
  };
  redis.on("ready", subscribe);
  return () => {
    isStopped = true;
    clearTimeout(timer);
    endClient(redis);
  };
}
