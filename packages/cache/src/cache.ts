import { BentoCache, bentostore, errors } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import type { Logger } from "pino";
import postgres from "postgres";

export type CacheOptions = {
  /** Not through a transaction pooler: every process listens here for what the others drop. */
  postgresUrl: string;
  log: Pick<Logger, "warn">;
  /** Bounds the memory of all values together, as written in JSON. */
  maxBytes?: number;
};

export type Load<T> = {
  /** How long the value may be used when nobody drops it. */
  ttlMs: number;
  /** What it depends on, as in "key:1b9f…". */
  tags: string[];
  /** What it depends on beside, where only the value tells. */
  tagsOf?: (value: T) => string[];
  load: () => Promise<T>;
};

export type Cache = {
  /**
   * The value under the key, loaded once however many ask at the same time: anything that JSON can
   * say, null for nothing. Rejects with what the load rejected with, and keeps that for nobody.
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
  /** Resolves when this process hears the others. Until then nothing is kept. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

const channel = "ducat_cache";
/** A notification carries at most 8,000 bytes (PostgreSQL, NOTIFY). */
const mostTags = 50;
const longestTag = 128;

/**
 * Values in this process's memory, dropped in all processes at once. A process that can't hear the
 * others forgets everything when it hears them again, and keeps nothing before it ever did.
 */
export function createCache({ postgresUrl, log, maxBytes = 20_000_000 }: CacheOptions): Cache {
  const memory = memoryDriver({ maxSize: maxBytes });
  const bento = new BentoCache({
    default: "memory",
    stores: { memory: bentostore().useL1Layer(memory) },
  });
  const sql = postgres(postgresUrl, {
    max: 1,
    idle_timeout: 60,
    connect_timeout: 10,
    backoff: (tries) => Math.min(2 ** tries * 0.05, 1),
    connection: { application_name: "ducat cache" },
    onnotice: () => {},
  });
  let drops = 0;
  let isListening = false;
  let isClosed = false;

  const dropHere = async (tags: string[]) => {
    drops++;
    await bento.deleteByTag({ tags });
  };
  let listens = () => {};
  const heard = new Promise<void>((resolve) => {
    listens = resolve;
  });
  const forgetAll = async () => {
    drops++;
    await bento.clear();
    isListening = !isClosed;
    listens();
  };
  const hear = (payload: string) => {
    const tags = readTags(payload);
    const done = tags ? dropHere(tags) : forgetAll();
    done.catch((err: unknown) => log.warn({ err }, "the cache could not drop"));
  };
  const listening = listen();

  async function listen(): Promise<void> {
    while (!isClosed) {
      try {
        await sql.listen(channel, hear, () => void forgetAll());
        return;
      } catch (err) {
        if (isClosed) return;
        log.warn({ err }, "the cache can't hear the other processes yet");
        await new Promise((resolve) => setTimeout(resolve, 1_000).unref());
      }
    }
  }

  return {
    async getOrSet<T>(key: string, { ttlMs, tags, tagsOf, load }: Load<T>): Promise<T> {
      if (!isListening) return await load();
      const found = bento.getOrSet<T>({
        key,
        ttl: ttlMs,
        tags: [...tags],
        factory: async (context) => {
          const before = drops;
          const value = await load();
          context.setTags(tagsOf?.(value) ?? []);
          // Something was dropped while this was read: it may be what stood there before.
          if (drops !== before) context.setOptions({ ttl: 1 });
          return value;
        },
      });
      return await found.catch((error: unknown) => {
        throw error instanceof errors.E_FACTORY_ERROR ? error.cause : error;
      });
    },
    async drop(tags) {
      checkTags(tags);
      await dropHere(tags);
      await sql.notify(channel, JSON.stringify(tags));
    },
    forget: dropHere,
    ready: () => heard,
    async close() {
      isClosed = true;
      isListening = false;
      await sql.end({ timeout: 5 });
      await listening.catch(() => undefined);
      await bento.disconnectAll();
    },
  };
}

function checkTags(tags: string[]): void {
  if (tags.length > mostTags || tags.some((tag) => tag.length > longestTag)) {
    throw new RangeError(`at most ${mostTags} tags of ${longestTag} characters at once`);
  }
}

/** Undefined for what no process of ours has written: then everything goes. */
function readTags(payload: string): string[] | undefined {
  try {
    const tags: unknown = JSON.parse(payload);
    const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
    return isList ? tags : undefined;
  } catch {
    return undefined;
  }
}
