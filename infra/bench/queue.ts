import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "../../packages/db/src/connect.ts";
import { createGeneration } from "../../packages/db/src/generations.ts";
import { migrateQueue } from "../../packages/queue/src/migrate.ts";
import { connectQueue, type NewJob } from "../../packages/queue/src/queue.ts";
import { findRedisServer } from "../dev/parts.ts";
import { startRedis } from "../test/redis.ts";
import { type BareQueue, type BareQueuePlace, openBareQueue } from "./bare-queue.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { type Child, startChild } from "./child.ts";
import { makeRequestKey } from "./create-generation.ts";
import type { BenchDatabase } from "./database.ts";
import { type Measured, type Row, runRounds } from "./rounds.ts";

/** Items worked on at once, by our worker and by the bare one. */
const concurrency = 16;
/** Pictures of one property: what goes into the queue together. */
const itemsEach = 3;
/** Generations on their way into the queue at once. */
const adders = 8;
const limitMs = 120_000;
const aim = 0.6;

type Jobs = NewJob<"run-item">[];

/**
 * From the first job added to the last item completed, with the real worker in a process of its
 * own and a generator that answers at once, against BullMQ alone on the same server.
 */
export async function benchQueue(bench: Bench): Promise<Row[]> {
  const rows = await onPostgres(bench);
  if (!findRedisServer()) {
    bench.say("queue on Redis: left out, redis-server is not on PATH");
    return rows;
  }
  const redis = await startRedis();
  try {
    const database = await createDatabase(bench, "queue_redis");
    const place = { kind: "redis", url: redis.url } as const;
    rows.push(...(await compare(bench, database, { queue: { url: redis.url }, place })));
    return rows;
  } finally {
    await redis.stop();
  }
}

async function onPostgres(bench: Bench): Promise<Row[]> {
  const database = await createDatabase(bench, "queue_postgres");
  const url = database.url("ducat_worker");
  const schema = "bare_bullmq";
  await migrateQueue(database.url("postgres"), { schema, role: "ducat_queue" });
  const place = { kind: "postgres", url, schema } as const;
  return compare(bench, database, { queue: { url, role: "ducat_queue" }, place });
}

function createDatabase(bench: Bench, name: string): Promise<BenchDatabase> {
  bench.say(`${name}: filling a database`);
  return bench.cluster.createDatabase(name, { accounts: 1_000, rounds: 1 });
}

async function compare(
  bench: Bench,
  database: BenchDatabase,
  { queue: options, place }: { queue: { url: string; role?: string }; place: BareQueuePlace },
): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "ducat-bench-"));
  const bareWorker = startChild("infra/bench/bare-worker.ts", {
    CONCURRENCY: String(concurrency),
    PLACE: JSON.stringify(place),
  });
  const itemWorker = startChild("infra/bench/item-worker.ts", {
    CONCURRENCY: String(concurrency),
    DATA_DIR: dataDir,
    DATABASE_URL: database.url("ducat_worker"),
    QUEUE: JSON.stringify(options),
  });
  const db = database.connect(10);
  const queue = connectQueue(options);
  const bare = openBareQueue(place);
  const generations = bench.quick ? 100 : 1_000;
  const { accounts } = database;
  const title = `enqueue to complete, queue on ${place.kind}, ${generations * itemsEach} items`;
  bench.say(title);
  try {
    const group = {
      title,
      bare: { name: "bare BullMQ", run: () => runBare(bareWorker, bare, generations) },
      sides: [
        {
          name: "worker",
          run: async () => {
            const made = await createAll(db, accounts, generations);
            return measure(itemWorker, made, (jobs) => queue.add("run-item", jobs));
          },
          aim,
        },
      ],
    };
    const rows = await runRounds(group, bench.rounds);
    await assertAllCompleted(database);
    return rows;
  } finally {
    await Promise.all([bareWorker.stop(), itemWorker.stop()]);
    await Promise.all([queue.close(), bare.close(), db.end()]);
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** The rows come first and are not part of the time; `http` and `create` measure them. */
async function createAll(db: Db, accounts: string[], count: number): Promise<Jobs[]> {
  const make = async () => {
    const accountId = pickRandom(accounts);
    const { id, item_ids } = await createGeneration(db, accountId, {
      ...makeRequestKey(),
      style: "product_description",
      input: { type: "text", prompt: "A ceramic mug with a bamboo lid." },
      params: {},
      labels: ["front", "back", "box"].slice(0, itemsEach),
    });
    return item_ids.map((itemId) => ({
      id: `${itemId}-0`,
      data: { accountId, generationId: id, itemId, attempt: 0 },
    }));
  };
  return Promise.all(Array.from({ length: count }, make));
}

function runBare(worker: Child, queue: BareQueue, count: number): Promise<Measured> {
  const opts = { attempts: 1, removeOnComplete: true, removeOnFail: true };
  const lists = Array.from({ length: count }, () =>
    Array.from({ length: itemsEach }, () => {
      const itemId = randomUUID();
      const data = { accountId: randomUUID(), generationId: randomUUID(), itemId, attempt: 0 };
      return { name: "run-item", data, opts: { ...opts, jobId: `${itemId}-0` } };
    }),
  );
  return measure(worker, lists, (jobs) => queue.addBulk(jobs));
}

async function measure<J>(
  worker: Child,
  lists: J[][],
  add: (jobs: J[]) => Promise<unknown>,
): Promise<Measured> {
  const items = lists.reduce((sum, list) => sum + list.length, 0);
  await worker.ask(items, limitMs);
  const done = worker.next(limitMs);
  const startedAt = performance.now();
  const left = [...lists];
  const addSome = async () => {
    for (let list = left.pop(); list; list = left.pop()) await add(list);
  };
  await Promise.all([done, ...Array.from({ length: adders }, addSome)]);
  const ms = performance.now() - startedAt;
  return {
    perSecond: (items / ms) * 1000,
    p50Ms: Number.NaN,
    p95Ms: Number.NaN,
    p99Ms: Number.NaN,
  };
}

async function assertAllCompleted({ admin }: BenchDatabase): Promise<void> {
  const [row] = await admin`
    SELECT count(*)::int AS left FROM ducat.generation_items
    WHERE status <> 'completed' OR captured <> cost`;
  if (row?.left !== 0) throw new Error(`${row?.left} items were not completed and captured`);
}
