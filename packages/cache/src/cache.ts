import { BentoCache, bentostore, errors } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import type { Logger } from "pino";
import { connectOthers } from "./connect-others.ts";
import { createDrops, type Drops } from "./drops.ts";
import { connectRedisLayer, type RedisLayer } from "./redis-layer.ts";
import { checkTags } from "./tell-others.ts";

export type CacheOptions = {
  /** Not through a transaction pooler: every process listens here for what the others drop. */
  postgresUrl: string;
  /** Where processes load for each other what `isShared` says. Left out: each for itself. */
  redisUrl?: string | undefined;
  log: Pick<Logger, "warn">;
  /** Bounds the memory of all values together, as written in JSON. */
  maxBytes?: number;
};

export type Load<T> = {
  /** How long the value may be used when nobody drops it, at most. */
  ttlMs: number;
  /** … where the value tells; what is left of it from now on, and not above `ttlMs`. */
  ttlOf?: (value: T) => number;
  /** What it depends on, as in "key:1b9f…". */
  tags: string[];
  /** What it depends on beside, where only the value tells. */
  tagsOf?: (value: T) => string[];
  /**
   * Whether it may lie in Redis, for the other processes: never what lets somebody in, and only
   * what `tags` says everything about.
   */
  isShared?: boolean;
  load: () => Promise<T>;
};

export type Cache = {
  /**
   * The value under the key, loaded once however many ask at the same time: anything that JSON can
   * say, null for nothing. Never one that was dropped here before the call. Rejects with what the
   * load rejected with, and keeps that for nobody.
   */
  getOrSet<T>(key: string, from: Load<T>): Promise<T>;
  /**
   * Drops every value with one of the tags, here at once and in the other processes as soon as
   * PostgreSQL has told them. Call it after the change is committed, never inside its transaction.
   * Rejects when the others could not be told: what they have lives out its time.
   */
  drop(tags: string[]): Promise<void>;
  /** Drops in this process only: where the database has told the others itself. */
  forget(tags: string[]): Promise<void>;
  /**
   * Hears of all that is dropped from now on, here or elsewhere, until the returned function is
   * called: the tags, or undefined where it may be anything.
   */
  onDrop(hear: (tags: readonly string[] | undefined) => void): () => void;
  /** Resolves when this process hears the others. Until then nothing is kept. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

type Entry<T> = { value: T; at: number; tags: string[] };

const mostItems = 200_000;
/** A load that others have begun may be older than the question; the next one is not. */
const mostTries = 3;

/**
 * Values in this process's memory, and in Redis where there is one, dropped in all processes at
 * once. A process that can't hear the others forgets everything when it hears them again, and keeps
 * nothing before it ever did.
 */
export function createCache(options: CacheOptions): Cache {
  const { postgresUrl, log, maxBytes = 20_000_000 } = options;
  const memory = memoryDriver({ maxSize: maxBytes, maxItems: mostItems });
  const bento = new BentoCache({
    default: "memory",
    stores: { memory: bentostore().useL1Layer(memory) },
  });
  const redis = openRedis(options);
  const drops = createDrops();
  let isListening = false;
  let listens = () => {};
  const heard = new Promise<void>((resolve) => {
    listens = resolve;
  });

  const hearers = new Set<(tags: readonly string[] | undefined) => void>();
  const dropHere = (tags: string[]) => {
    drops.add(tags);
    redis?.drop(tags);
    for (const hear of hearers) hear(tags);
  };
  const forgetAll = () => {
    drops.addAll();
    redis?.dropAll();
    isListening = true;
    listens();
    for (const hear of hearers) hear(undefined);
    // They are worth nothing already; this gives the memory back.
    bento.clear().catch((err: unknown) => log.warn({ err }, "the cache could not be emptied"));
  };
  const others = connectOthers(postgresUrl, { tags: dropHere, back: forgetAll }, log);

  return {
    async getOrSet<T>(key: string, from: Load<T>): Promise<T> {
      const asked = drops.now();
      for (let tries = 0; isListening && tries < mostTries; tries++) {
        let isOwn = false;
        const found = bento.getOrSet<Entry<T>>({
          key,
          ttl: from.ttlMs,
          factory: (context) => {
            isOwn = true;
            return fetchEntry(key, from, { drops, redis, setTtl: context.setTtl });
          },
        });
        const entry = await found.catch((error: unknown) => {
          throw error instanceof errors.E_FACTORY_ERROR ? error.cause : error;
        });
        if (isOwn || entry.at >= asked || drops.keeps(entry)) return entry.value;
        // Unless another who asked has seen to it already.
        const kept = await bento.get<Entry<T>>({ key });
        if (kept?.at === entry.at) await bento.delete({ key });
      }
      return await from.load();
    },
    async drop(tags) {
      checkTags(tags);
      dropHere(tags);
      await others.tell(tags);
    },
    async forget(tags) {
      dropHere(tags);
    },
    onDrop(hear) {
      const own: typeof hear = (tags) => hear(tags);
      hearers.add(own);
      return () => hearers.delete(own);
    },
    ready: () => heard,
    async close() {
      isListening = false;
      redis?.close();
      await others.close();
      await bento.disconnectAll();
    },
  };
}

type Fetching = { drops: Drops; redis: RedisLayer | undefined; setTtl(ms: number): void };

/** Loads what is not kept here, or takes what another process has loaded. */
async function fetchEntry<T>(
  key: string,
  from: Load<T>,
  { drops, redis, setTtl }: Fetching,
): Promise<Entry<T>> {
  const at = drops.now();
  const shared = from.isShared ? await redis?.find(key, from.tags) : undefined;
  if (shared && "value" in shared) {
    setTtl(Math.max(1, Math.min(from.ttlMs, shared.ttlMs)));
    return { value: shared.value as T, at, tags: from.tags };
  }
  const since = performance.now();
  const value = await from.load();
  // It was true when the database was asked, and that is when its time began.
  const took = performance.now() - since;
  const ttlMs = Math.min(from.ttlMs, from.ttlOf?.(value) ?? from.ttlMs) - took;
  setTtl(Math.max(1, ttlMs));
  const tags = [...from.tags, ...(from.tagsOf?.(value) ?? [])];
  if (drops.keeps({ at, tags })) shared?.(value, ttlMs);
  return { value, at, tags };
}

function openRedis({ redisUrl, log }: CacheOptions): RedisLayer | undefined {
  if (redisUrl === undefined) return undefined;
  if (new URL(redisUrl).searchParams.get("cluster") !== "true") {
    return connectRedisLayer(redisUrl, log);
  }
  log.warn({}, "the cache does without a Redis that is a cluster: each process loads for itself");
  return undefined;
}
