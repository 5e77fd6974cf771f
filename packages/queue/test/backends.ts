import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect, inject, vi } from "vitest";
import { startCluster } from "../../../infra/dev/cluster.ts";
import { findProcessStart } from "../../../infra/dev/processes.ts";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import type { Log } from "../src/backend.ts";
import { migrateQueue } from "../src/migrate.ts";
import { connectQueue, type NewJob, type Queue, type QueueOptions } from "../src/queue.ts";
import { startRedis } from "./redis-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    postgres: string;
    redis: string | null;
  }
}

export type Kind = "redis" | "postgres";

/** A place of its own on a server, so that no two tests see each other's jobs. */
export type Place = {
  options: QueueOptions;
  /** A queue that is closed with the place; what it logs goes to `logged`. */
  connect(overrides?: Partial<QueueOptions>): Queue;
  logged: { detail: Record<string, unknown>; message: string }[];
  /** Removes every job, as FLUSHALL and TRUNCATE do. */
  wipe(): Promise<void>;
  close(): Promise<void>;
};

export type Server = {
  url: string;
  openPlace(): Promise<Place>;
  /** Ends every connection to the server but not the server. */
  dropConnections(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Makes it accept calls and answer none; the result ends that. */
  hang(place: Place): Promise<() => Promise<void>>;
  close(): Promise<void>;
};

/** The suite once per backend. */
export function describeBackends(title: string, suite: (kind: Kind) => void) {
  describe(`${title} on postgres`, () => suite("postgres"));
  describeRedis(`${title} on redis`, () => suite("redis"));
}

/** The run's server. It is not to be broken. */
export function findServer(kind: Kind): Server {
  return kind === "redis" ? redisServer(inject("redis") ?? "") : postgresServer(inject("postgres"));
}

/** A server that a test may break. */
export async function startServer(kind: Kind): Promise<Server> {
  return kind === "redis" ? await startOwnRedis() : await startOwnPostgres();
}

/** `count` jobs with new ids. */
export function makeJobs(count: number, delayMs = 0): NewJob<"run-item">[] {
  return Array.from({ length: count }, () => {
    const itemId = randomUUID();
    const data = { accountId: randomUUID(), generationId: randomUUID(), itemId, attempt: 0 };
    return { id: `${itemId}-0`, data, delayMs };
  });
}

const refuse = () => {
  throw new Error("This server is shared and not to be broken.");
};

function openPlace(options: QueueOptions, wipe: () => Promise<void>): Place {
  const queues: Queue[] = [];
  const logged: Place["logged"] = [];
  const write = (detail: Record<string, unknown>, message: string) => {
    logged.push({ detail, message });
  };
  const log: Log = { warn: write, error: write };
  return {
    options,
    connect(overrides) {
      const queue = connectQueue({ ...options, log, ...overrides });
      queues.push(queue);
      return queue;
    },
    logged,
    wipe,
    async close() {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

function redisServer(url: string): Server {
  const redis = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
  return {
    url,
    async openPlace() {
      const prefix = `{${randomUUID()}}`;
      return openPlace({ url, prefix }, async () => {
        const keys = await redis.keys(`${prefix}:*`);
        if (keys.length > 0) await redis.del(keys);
      });
    },
    async dropConnections() {
      await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    stop: refuse,
    start: refuse,
    hang: refuse,
    async close() {
      redis.disconnect();
    },
  };
}

async function startOwnRedis(): Promise<Server> {
  const own = await startRedis();
  const server = redisServer(own.url);
  return {
    ...server,
    stop: own.kill,
    start: own.start,
    async hang() {
      own.signal("SIGSTOP");
      return async () => own.signal("SIGCONT");
    },
    async close() {
      await server.close();
      await own.kill();
    },
  };
}

function postgresServer(url: string): Server {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on("error", () => undefined);
  return {
    url,
    async openPlace() {
      const schema = `queue_${randomBytes(6).toString("hex")}`;
      await migrateQueue(url, { schema });
      const place = openPlace({ url, schema }, async () => {
        await pool.query(`TRUNCATE ${schema}.job, ${schema}.event CASCADE`);
      });
      return {
        ...place,
        async close() {
          await place.close();
          await pool.query(`DROP SCHEMA ${schema} CASCADE`);
        },
      };
    },
    async dropConnections() {
      await pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      );
    },
    stop: refuse,
    start: refuse,
    hang: refuse,
    close: () => pool.end(),
  };
}

async function startOwnPostgres(): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-queue-"));
  // A killed server keeps what it was told to keep: the page cache survives it, its own does not.
  const settings = { synchronous_commit: "on" };
  const own = await startCluster({ dir, fsync: false, settings });
  const server = postgresServer(own.url);
  const pool = new pg.Pool({ connectionString: own.url, max: 1, allowExitOnIdle: true });
  pool.on("error", () => undefined);
  return {
    ...server,
    async stop() {
      const { rows } = await pool.query<{ pid: number }>("SELECT pid FROM pg_stat_activity");
      await own.kill();
      // Sessions outlive their server by a moment, and answer.
      await vi.waitFor(
        async () => {
          for (const { pid } of rows) expect(await findProcessStart(pid)).toBeUndefined();
        },
        { timeout: 10_000, interval: 10 },
      );
    },
    start: own.restart,
    async hang({ options }) {
      const client = new pg.Client(own.url);
      await client.connect();
      await client.query(`BEGIN; LOCK TABLE ${options.schema}.job IN ACCESS EXCLUSIVE MODE`);
      return () => client.end();
    },
    async close() {
      await pool.end();
      await server.close();
      await own.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
