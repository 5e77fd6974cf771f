import type { Db } from "@ducat/db/connect";
import { connectRedis } from "@ducat/queue/redis-client";
import type { Logger } from "pino";
import { createInsuredLimits, type InsuredLimits } from "./insured-limits.ts";
import type { LimitStore, RequestLimit, Verdict } from "./limit.ts";
import { createMemoryLimits } from "./memory-limits.ts";
import { createPostgresLimits } from "./postgres-limits.ts";
import { createRedisLimits } from "./redis-limits.ts";

export type Limits = InsuredLimits & {
  /** Takes from limits that each process counts for itself, and asks nobody. */
  takeHere(limits: readonly RequestLimit[]): Verdict;
  /** The refusal that `takeHere` would be now, taking nothing; undefined while there is room. */
  findRefusalHere(limits: readonly RequestLimit[]): Verdict | undefined;
};

type Options = {
  /** Counts in Redis if given, else in PostgreSQL. */
  redisUrl?: string | undefined;
  db: Db;
  /** Milliseconds. */
  now: () => number;
  log: Pick<Logger, "warn" | "info">;
  /** Between two looks whether a store that was away is back. */
  retryMs?: number;
};

/** Where this process counts requests. Connects in the background, and needs nothing to be up. */
export function connectLimits({ redisUrl, db, now, log, retryMs }: Options): Limits {
  const { store, close } = redisUrl ? openRedis(redisUrl) : openPostgres(db);
  const memory = createMemoryLimits(now);
  const insured = createInsuredLimits({ store, memory, log, ...(retryMs && { retryMs }) });
  return {
    ...insured,
    takeHere: (limits) => memory.take(limits),
    findRefusalHere: (limits) => memory.findRefusal(limits),
    close() {
      insured.close();
      close();
    },
  };
}

type Open = { store: LimitStore; close(): void };

function openRedis(url: string): Open {
  const client = connectRedis(url, "limits");
  // Whoever asks in vain tells it, once.
  client.on("error", () => undefined);
  return { store: createRedisLimits(client), close: () => client.disconnect() };
}

const openPostgres = (db: Db): Open => ({ store: createPostgresLimits(db), close: () => {} });
