import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRedisServer } from "../dev/parts.ts";
import { findFreePort } from "../dev/ports.ts";
import { startRedis } from "../test/redis.ts";
import type { Bench } from "./bench.ts";
import { type Child, startChild, waitForUrl } from "./child.ts";
import type { BenchDatabase } from "./database.ts";
import type { Load, LoadResult } from "./http-load.ts";
import { type Measured, type Row, runRounds } from "./rounds.ts";

const connections = 32;
const aim = 0.5;
const rootKey = `dk_test_${randomBytes(24).toString("base64url")}`;
const authorization = { authorization: `Bearer ${rootKey}` };
const json = { "content-type": "application/json" };
const prompt = "A small courtyard with an old olive tree.";
const body = JSON.stringify({ style: "modern_minimalist", input: { type: "text", prompt } });

type Stage = { bench: Bench; load: Child; started: Child[]; accounts: string[]; bareUrl: string };

/**
 * The real API in a process of its own, with its own pool and its log, against a bare Hono on the
 * same database. The requests come from a third process. Nobody works on the items meanwhile.
 */
export async function benchHttp(bench: Bench): Promise<Row[]> {
  bench.say("http: filling a database");
  const fill = { accounts: bench.quick ? 500 : 5_000, rounds: 20 };
  const database = await bench.cluster.createDatabase("http", fill);
  const dataDir = await mkdtemp(join(tmpdir(), "ducat-bench-"));
  const started: Child[] = [];
  const redis = findRedisServer() ? await startRedis() : undefined;
  try {
    const load = startChild("infra/bench/http-load.ts", {});
    started.push(load);
    const bareUrl = await startServer(started, "infra/bench/bare-server.ts", {
      DATABASE_URL: database.url("ducat_app"),
    });
    const stage = { bench, load, started, accounts: database.accounts, bareUrl };
    const env = { DATA_DIR: dataDir };
    const rows = await measureOnPostgres(stage, { ...env, ...apiEnv(database) });
    if (!redis) {
      bench.say("http on Redis: left out, redis-server is not on PATH");
      return rows;
    }
    // A deployment has one kind of queue for ever, so the other kind has a database of its own.
    const other = await bench.cluster.createDatabase("http_redis", { ...fill, rounds: 1 });
    const withRedis = { ...env, ...apiEnv(other), QUEUE_URL: redis.url };
    rows.push(...(await measureOnRedis({ ...stage, accounts: other.accounts }, withRedis, stage)));
    return rows;
  } finally {
    await Promise.all(started.map((child) => child.stop()));
    await redis?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const apiEnv = (database: BenchDatabase) => ({
  DATABASE_URL: database.url("ducat_app"),
  DUCAT_MODE: "test",
  HOST: "127.0.0.1",
  ROOT_KEY: rootKey,
  SECRET_KEYS: randomBytes(32).toString("base64url"),
});

async function measureOnPostgres(stage: Stage, env: Record<string, string>): Promise<Row[]> {
  const { bareUrl } = stage;
  const url = await startServer(stage.started, "apps/api/src/main.ts", env);
  const post = await compare(stage, "POST /v1/generations, queue on PostgreSQL", {
    bare: () => send(stage, `${bareUrl}/spend`, true),
    api: () => send(stage, `${url}/v1/generations`, true),
    aim,
  });
  const lists = [];
  for (const [path, bare] of [
    ["/v1/generations", "/generations"],
    ["/v1/credits/transactions", "/transactions"],
  ]) {
    const rows = await compare(stage, `GET ${path}?limit=20`, {
      bare: () => send(stage, `${bareUrl}${bare}`, false),
      api: () => send(stage, `${url}${path}?limit=20`, false),
    });
    lists.push(...rows);
  }
  return [...post, ...lists];
}

async function measureOnRedis(
  stage: Stage,
  env: Record<string, string>,
  bareStage: Stage,
): Promise<Row[]> {
  const url = await startServer(stage.started, "apps/api/src/main.ts", env);
  return compare(stage, "POST /v1/generations, queue on Redis", {
    bare: () => send(bareStage, `${stage.bareUrl}/spend`, true),
    api: () => send(stage, `${url}/v1/generations`, true),
    aim,
  });
}

function compare(
  { bench }: Stage,
  what: string,
  sides: { bare: () => Promise<Measured>; api: () => Promise<Measured>; aim?: number },
): Promise<Row[]> {
  const title = `${what}, ${connections} connections`;
  bench.say(title);
  const side = { name: "API", run: sides.api, ...(sides.aim ? { aim: sides.aim } : {}) };
  const bare = { name: "bare Hono", run: sides.bare };
  return runRounds({ title, bare, sides: [side] }, bench.rounds);
}

/** Starts a server on a free port and waits until it is ready. */
async function startServer(
  started: Child[],
  path: string,
  env: Record<string, string>,
): Promise<string> {
  const port = await findFreePort();
  started.push(startChild(path, { ...env, PORT: String(port) }));
  const url = `http://127.0.0.1:${port}`;
  await waitForUrl(`${url}/readyz`);
  return url;
}

async function send(stage: Stage, url: string, creates: boolean): Promise<Measured> {
  const { bench, load, accounts } = stage;
  // autocannon counts whole seconds.
  const seconds = Math.max(1, Math.round(bench.seconds));
  const message: Load = {
    url,
    accounts,
    connections,
    seconds,
    method: creates ? "POST" : "GET",
    headers: creates ? { ...authorization, ...json, "idempotency-key": "[<id>]" } : authorization,
    ...(creates ? { body } : {}),
  };
  const result = await load.ask<LoadResult>(message, (seconds + 30) * 1000);
  if (result.failures > 0) throw new Error(`${result.failures} requests to ${url} failed`);
  return result;
}
