import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Cache } from "../../packages/cache/src/cache.ts";
import { createCache } from "../../packages/cache/src/cache.ts";
import type { Db } from "../../packages/db/src/connect.ts";
import {
  createEntitlements,
  type Entitlements,
} from "../../packages/entitlements/src/entitlements.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";
import { findRedisServer } from "../dev/parts.ts";
import { findFreePort } from "../dev/ports.ts";
import { startRedis } from "../test/redis.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { type Child, startChild, waitForUrl } from "./child.ts";
import { runClients } from "./clients.ts";
import type { BenchDatabase } from "./database.ts";
import type { Load, LoadResult } from "./http-load.ts";
import { type Measured, type Row, runRounds, type Side } from "./rounds.ts";
import { makeZipf } from "./zipf.ts";

const connections = 64;
const leastHits = 0.95;
/** Of the Zipf load, in the mean. */
const readsEach = 10;
const rootKey = `dk_test_${randomBytes(24).toString("base64url")}`;

type Stage = {
  bench: Bench;
  database: BenchDatabase;
  db: Db;
  cache: Cache;
  entitlements: Entitlements;
  redis: Redis | undefined;
};

/**
 * What an account may do, from this process's memory and from the database, beside a bare Redis
 * GET and a bare SELECT of the same JSON by its key; use that is tracked; the whole over HTTP.
 */
export async function benchEntitlements(bench: Bench): Promise<Row[]> {
  bench.say("entitlements: filling a database");
  const fill = { accounts: bench.quick ? 1_000 : 10_000, rounds: 1, alone: true };
  const database = await bench.cluster.createDatabase("entitlements", fill);
  await prepare(database);
  const server = findRedisServer() ? await startRedis() : undefined;
  if (!server) bench.say("beside Redis: left out, redis-server is not on PATH");
  const redis = server && new Redis(server.url);
  const log = { warn: (line: object) => bench.say(String(line)) };
  const cache = createCache({
    postgresUrl: database.url("ducat_app"),
    log: log as never,
    maxBytes: 64_000_000,
  });
  const db = database.connect(10);
  try {
    await cache.ready();
    const entitlements = createEntitlements({ db, cache, log: log as never });
    const stage = { bench, database, db, cache, entitlements, redis };
    if (redis) await fillRedis(stage, redis);
    const rows = await measure(stage);
    return [...rows, ...(await measureHttp(stage))];
  } finally {
    redis?.disconnect();
    await Promise.all([cache.close(), server?.stop()]);
  }
}

/** The letters' catalog without an end of letters, and what everybody may do as plain rows. */
async function prepare({ admin, url }: BenchDatabase): Promise<void> {
  await loadCatalog({ adminUrl: url("postgres"), catalog: "letters", mode: "test" });
  await admin`
    UPDATE ducat.products SET features = jsonb_set(features, '{letters,limit}', 'null')
    WHERE is_default`;
  await admin.unsafe(`
    CREATE TABLE bare_values (account_id uuid PRIMARY KEY, value jsonb NOT NULL);
    INSERT INTO bare_values SELECT id, ducat.find_entitlements(id) FROM ducat.accounts;
    GRANT SELECT ON bare_values TO ducat_app;
    ANALYZE bare_values`);
}

async function fillRedis({ database }: Stage, redis: Redis): Promise<void> {
  const rows = await database.admin<{ account_id: string; value: string }[]>`
    SELECT account_id, value::text AS value FROM bare_values`;
  for (let from = 0; from < rows.length; from += 1_000) {
    const part = rows.slice(from, from + 1_000).flatMap((row) => [row.account_id, row.value]);
    await redis.mset(part);
  }
}

async function measure(stage: Stage): Promise<Row[]> {
  const { entitlements, cache } = stage;
  const { accounts } = stage.database;
  const one = () => pickRandom(accounts);
  const track = () =>
    entitlements.track(one(), { feature: "letters", amount: 1, eventId: randomUUID() });
  const hit = () => entitlements.get(one());
  const miss = () => entitlements.getFresh(one());
  const invalidate = () => cache.drop([`entitlements:${one()}`]);
  const calls: [string, number, () => Promise<unknown>][] = [
    ["hit", 1, hit],
    ["hit", connections, hit],
    ["miss", connections, miss],
    ["invalidate", 1, invalidate],
    ["invalidate", connections, invalidate],
    ["track", 8, track],
    ["track", connections, track],
  ];
  const rows: Row[] = [];
  for (const [what, clients, call] of calls) {
    // So that a hit is one whatever was measured before.
    if (what === "hit") await Promise.all(accounts.map((id) => entitlements.get(id)));
    rows.push(...(await compare(stage, { what, clients, call })));
  }
  return [...rows, ...(await measureZipf(stage))];
}

/** One kind of call beside a bare SELECT and a bare Redis GET of an account's JSON. */
function compare(
  { bench, database, db, redis }: Stage,
  { what, clients, call }: { what: string; clients: number; call: () => Promise<unknown> },
): Promise<Row[]> {
  const title = `entitlements: ${what}, ${clients} client${clients > 1 ? "s" : ""}`;
  bench.say(title);
  const one = () => pickRandom(database.accounts);
  const run = (work: () => Promise<unknown>) => () =>
    runClients({ clients, seconds: bench.seconds }, work);
  const select = () => db`SELECT value FROM bare_values WHERE account_id = ${one()}`;
  const get = async (client: Redis) => JSON.parse((await client.get(one())) ?? "null");
  const sides: Side[] = [{ name: what, run: run(call) }];
  if (redis) sides.push({ name: "bare Redis GET", run: run(() => get(redis)) });
  return runRounds({ title, bare: { name: "bare SELECT", run: run(select) }, sides }, bench.rounds);
}

/**
 * Which part of all reads finds what it asks for in memory, while one call in a hundred takes a
 * letter, which drops what is kept of its account: from an empty memory on, and from then on.
 */
async function measureZipf(stage: Stage): Promise<Row[]> {
  const { bench, entitlements, cache, database } = stage;
  const title = `entitlements: Zipf over ${database.accounts.length} accounts, 1% track`;
  bench.say(title);
  await cache.drop(["entitlements"]);
  const pick = makeZipf(database.accounts);
  const call = () =>
    Math.random() < 0.01
      ? entitlements.track(pick(), { feature: "letters", amount: 1, eventId: randomUUID() })
      : entitlements.get(pick());
  const run = async (when: string, aim: number | undefined): Promise<Row> => {
    const counts = { hits: 0, all: 0 };
    entitlements.observe({
      read(isHit) {
        counts.all++;
        if (isHit) counts.hits++;
      },
      loaded: () => undefined,
      failed: () => undefined,
    });
    // By number and not by time: how much is kept must not depend on the machine.
    let left = readsEach * database.accounts.length;
    const startedAt = performance.now();
    const readOn = async () => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: 8 }, readOn));
    const seconds = (performance.now() - startedAt) / 1000;
    const same = (value: number) => ({ median: value, min: value, max: value });
    return {
      ...{ group: title, side: `hit rate ${when}, ${counts.all} reads` },
      ...{ perSecond: same(counts.all / seconds), ratio: same(counts.hits / counts.all), aim },
      ...{ p50Ms: Number.NaN, p95Ms: Number.NaN, p99Ms: Number.NaN },
    };
  };
  return [await run("from empty", undefined), await run("then", leastHits)];
}

/** The API in a process of its own, asked from a third one. */
async function measureHttp({ bench, database }: Stage): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "ducat-bench-"));
  const started: Child[] = [];
  const start = (path: string, env: Record<string, string>) => {
    const child = startChild(path, env);
    started.push(child);
    return child;
  };
  try {
    const load = start("infra/bench/http-load.ts", {});
    const port = await findFreePort();
    start("apps/api/src/main.ts", {
      ...{ PORT: String(port), HOST: "127.0.0.1", DUCAT_MODE: "test", DATA_DIR: dataDir },
      DATABASE_URL: database.url("ducat_app"),
      ROOT_KEY: rootKey,
      SECRET_KEYS: randomBytes(32).toString("base64url"),
    });
    const url = `http://127.0.0.1:${port}`;
    await waitForUrl(`${url}/readyz`);
    // As many as all connections ask for within the life of what is known of them.
    const accounts = database.accounts.slice(0, 500);
    const rows: Row[] = [];
    for (const count of [8, connections]) {
      const send = (path: string) => () =>
        ask(load, { url: url + path, accounts, connections: count, bench });
      const title = `GET /v1/entitlements, ${count} connections`;
      bench.say(title);
      const sides = [{ name: "API", run: send("/v1/entitlements") }];
      const bare = { name: "GET /livez", run: send("/livez") };
      rows.push(...(await runRounds({ title, bare, sides }, bench.rounds)));
    }
    return rows;
  } finally {
    await Promise.all(started.map((child) => child.stop()));
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function ask(
  load: Child,
  { bench, ...target }: Pick<Load, "url" | "accounts" | "connections"> & { bench: Bench },
): Promise<Measured> {
  const seconds = Math.max(1, Math.round(bench.seconds));
  const headers = { authorization: `Bearer ${rootKey}` };
  const message: Load = { ...target, seconds, method: "GET", headers };
  const result = await load.ask<LoadResult>(message, (seconds + 30) * 1000);
  if (result.failures > 0) throw new Error(`${result.failures} requests to ${target.url} failed`);
  return result;
}
