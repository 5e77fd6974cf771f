import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import type { Logger } from "pino";

/** A value of another process, and for how long it may be used. */
type Kept = { value: unknown; ttlMs: number };
/** Keeps what is loaded from now on for the other processes. */
type Keep = (value: unknown, ttlMs: number) => void;

export type RedisLayer = {
  /** What another process has loaded, or how to keep what is loaded now; undefined: no Redis. */
  find(key: string, tags: readonly string[]): Promise<Kept | Keep | undefined>;
  drop(tags: readonly string[]): void;
  dropAll(): void;
  close(): void;
};

/** The braces keep all of it in one slot of a cluster. */
const prefix = "{ducat-cache}:";
const everything = `${prefix}all`;
const restMs = 1_000;
/** A value never lives longer; its marks live longer than any value. */
const mostTtlMs = 10 * 60_000;
const markMs = 15 * 60_000;
const mostBytes = 100_000;

type Stored = { marks: string[]; value: unknown };

/**
 * Values that the processes load for each other, in Redis. It has no say in what is true: the rows
 * have, and a Redis that is away, slow, emptied or set back costs queries and nothing else.
 *
 * Each tag has a mark, a word that nobody can guess, and so has everything together. A value names
 * the marks that stood there before it was loaded, and is believed while the same stand there. A
 * drop writes a new mark: what was loaded before it, or is being loaded by a process that has not
 * heard of it yet, is worth nothing from then on. A process that could not write its mark, or was
 * cut off, believes nothing until it has written a new mark for everything. The commands of one
 * connection are served in order, so whoever has heard of a drop never reads past it.
 */
export function connectRedisLayer(url: string, log: Pick<Logger, "warn">): RedisLayer {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 1_500,
    commandTimeout: 500,
    // A connection that was dropped in silence is found by the first command without an answer.
    socketTimeout: 3_000,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  });
  let isUsable = false;
  let isTold = false;
  let isClosed = false;
  let resting: NodeJS.Timeout | undefined;

  const fail = (err: unknown) => {
    isUsable = false;
    if (isClosed) return;
    if (!isTold) log.warn({ err }, "the cache does without Redis for now");
    isTold = true;
    if (redis.status !== "ready") return;
    resting ??= setTimeout(() => {
      resting = undefined;
      void begin();
    }, restMs).unref();
  };
  /** What the others keep may be of a time when nobody here has heard of drops. */
  const begin = async () => {
    if (isClosed || redis.status !== "ready") return;
    try {
      await redis.set(everything, randomUUID(), "PX", markMs);
      isUsable = true;
      isTold = false;
    } catch (err) {
      fail(err);
    }
  };
  redis.on("ready", () => void begin());
  redis.on("close", () => {
    isUsable = false;
  });
  redis.on("error", fail);

  const write = (key: string) => {
    if (redis.status !== "ready") {
      isUsable = false;
      return;
    }
    redis.set(key, randomUUID(), "PX", markMs).catch(fail);
  };

  return {
    async find(key, tags) {
      if (!isUsable) return undefined;
      const valueKey = `${prefix}value:${key}`;
      const markKeys = [everything, ...tags.map(toMarkKey)];
      try {
        const [found, ttlMs] = await Promise.all([
          redis.mget(valueKey, ...markKeys),
          redis.pttl(valueKey),
        ]);
        // A drop before this read could not be written after all.
        if (!isUsable) return undefined;
        const [text, ...marks] = found;
        const stored = text ? (JSON.parse(text) as Stored) : undefined;
        if (stored && ttlMs > 0 && marks.every((mark, at) => mark && mark === stored.marks[at])) {
          return { value: stored.value, ttlMs };
        }
        return (value, ttl) => keep(redis, { valueKey, markKeys, marks, value, ttl }).catch(fail);
      } catch (err) {
        fail(err);
        return undefined;
      }
    },
    drop: (tags) => tags.map(toMarkKey).forEach(write),
    dropAll: () => write(everything),
    close() {
      isClosed = true;
      isUsable = false;
      clearTimeout(resting);
      redis.disconnect();
    },
  };
}

const toMarkKey = (tag: string) => `${prefix}mark:${tag}`;

type Keeping = {
  valueKey: string;
  markKeys: string[];
  marks: (string | null)[];
  value: unknown;
  ttl: number;
};

async function keep(redis: Redis, { valueKey, markKeys, marks, value, ttl }: Keeping) {
  const px = Math.min(Math.floor(ttl), mostTtlMs);
  // A mark that was missing is ours now, unless somebody has dropped in between: NX.
  const made = marks.map((mark) => mark ?? randomUUID());
  const text = JSON.stringify({ marks: made, value } satisfies Stored);
  if (px <= 0 || text.length > mostBytes || redis.status !== "ready") return;
  const missing = markKeys.flatMap((key, at) =>
    marks[at] ? [] : [[key, made[at] ?? ""] as const],
  );
  await Promise.all([
    ...missing.map(([key, mark]) => redis.set(key, mark, "PX", markMs, "NX")),
    redis.set(valueKey, text, "PX", px),
  ]);
}
