import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase } from "@ducat/db/connect";
import { connectRedis } from "@ducat/queue/redis-client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { describeRedis } from "../../../../infra/test/describe-queues.ts";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { type RedisServer, startRedis } from "../../../../packages/queue/test/redis-server.ts";
import { eventually, setStage } from "../../test/stage.ts";
import { connectLimits, type Limits } from "./connect-limits.ts";
import { createRedisLimits } from "./redis-limits.ts";

/** What the client of Redis waits at most, and what a busy machine adds to it. */
const commandMs = 500;
const patienceMs = 2_000;

const makeLimit = (limit: number) => {
  return { name: "test", key: `test:${randomUUID()}`, limit, windowSeconds: 3_600 };
};
const takeMany = (limits: Limits, limit: ReturnType<typeof makeLimit>, count: number) =>
  Promise.all(Array.from({ length: count }, () => limits.take([limit])));
const countTaken = (verdicts: { isTaken: boolean }[]) =>
  verdicts.filter(({ isTaken }) => isTaken).length;
async function measure<T>(run: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAt = performance.now();
  const value = await run();
  return { ms: performance.now() - startedAt, value };
}

describeRedis("limits in a Redis that fails", () => {
  let database: TestDatabase;
  let redis: RedisServer;
  beforeAll(async () => {
    database = await cloneDatabase();
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.kill();
    await database.close();
  });

  const lines: string[] = [];
  const write = (...told: unknown[]) => void lines.push(String(told.at(-1)));
  const connect = (redisUrl = redis.url) => {
    const log = { warn: write, info: write };
    const limits = connectLimits({ redisUrl, db: database.app, now: Date.now, log, retryMs: 50 });
    onTestFinished(() => limits.close());
    return limits;
  };
  /** A process that counts in Redis. */
  const open = async () => {
    const limits = connect();
    await eventually(async () => {
      await limits.take([makeLimit(1)]);
      expect(limits.isShared()).toBe(true);
    });
    return limits;
  };

  it("by saying nothing keeps those that wait for one time-out, and nobody after them", async () => {
    const limits = await open();
    const limit = makeLimit(5);
    await takeMany(limits, limit, 2);
    redis.signal("SIGSTOP");
    const first = await measure(() => takeMany(limits, limit, 40));
    // Two were taken before: that is known here, so that the gate is no wider than it was.
    expect(countTaken(first.value)).toBe(3);
    expect(first.ms).toBeGreaterThan(commandMs * 0.8);
    expect(first.ms).toBeLessThan(commandMs + patienceMs);
    expect(limits.isShared()).toBe(false);
    const after = await measure(async () => {
      for (let n = 0; n < 40; n++) await limits.take([makeLimit(1)]);
    });
    expect(after.ms).toBeLessThan(commandMs);
    redis.signal("SIGCONT");
    await eventually(() => expect(limits.isShared()).toBe(true));
    // The new process asks Redis, which knows what was taken before.
    const other = await open();
    expect(countTaken(await takeMany(other, limit, 40))).toBeLessThanOrEqual(3);
  });

  it("by dying neither opens the gate nor closes it, and is used again when it is back", async () => {
    const [one, other] = [await open(), await open()];
    const limit = makeLimit(5);
    const known = makeLimit(2);
    await takeMany(one, known, 2);
    await redis.kill();
    const taken = await Promise.all([takeMany(one, limit, 40), takeMany(other, limit, 40)]);
    expect(taken.map(countTaken)).toEqual([5, 5]);
    expect(countTaken(await takeMany(one, known, 5))).toBe(0);
    await redis.start();
    await eventually(() => expect([one.isShared(), other.isShared()]).toEqual([true, true]));
    const next = makeLimit(5);
    const together = await Promise.all([takeMany(one, next, 20), takeMany(other, next, 20)]);
    expect(countTaken(together.flat())).toBe(5);
    expect(lines).toContain("requests are counted together again");
  });

  it("that isn't there when the process starts is counted for, and found later", async () => {
    await redis.kill();
    const limits = connect();
    expect(countTaken(await takeMany(limits, makeLimit(5), 40))).toBe(5);
    await redis.start();
    await eventually(() => expect(limits.isShared()).toBe(true));
  });

  it("by refusing every write is away, and is told of once and not with each request", async () => {
    const limits = await open();
    const before = lines.length;
    const admin = connectRedis(redis.url, "consumer");
    onTestFinished(() => admin.disconnect());
    await admin.config("SET", "maxmemory", "1");
    const limit = makeLimit(5);
    let passed = 0;
    for (let n = 0; n < 40; n++) passed += countTaken([await limits.take([limit])]);
    expect(passed).toBe(5);
    expect(lines.length - before).toBe(1);
    await admin.config("SET", "maxmemory", "0");
    await eventually(() => expect(limits.isShared()).toBe(true));
  });

  it("answers requests all the same, with their limits", async () => {
    const limits = await open();
    const metricsToken = "m".repeat(16);
    const stage = await setStage({ deps: { limits, metricsToken } });
    onTestFinished(() => stage.close());
    await stage.deps.cache.ready();
    const key = await stage.call("/v1/api-keys", {
      body: { name: "a key", scopes: ["credits"], limit_per_minute: 4 },
    });
    const account = await stage.makeAccount();
    const ask = () => stage.call("/v1/credits/balance", { account, bearer: key.body.key });
    expect((await ask()).headers.get("ratelimit")).toMatch(/"key-minute";r=3/);
    await redis.kill();
    const answers = await Promise.all(Array.from({ length: 40 }, ask));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(37);
    const { text } = await stage.call("/metrics", { bearer: metricsToken });
    expect(text).toContain('ducat_up{part="limits"} 0');
    await redis.start();
  });
});

describeRedis("limits in a Redis Cluster", () => {
  it("are taken in one step all the same", async () => {
    const file = join(tmpdir(), `ducat-nodes-${randomUUID()}.conf`);
    const settings = ["--cluster-enabled", "yes", "--cluster-config-file", file];
    const node = await startRedis(...settings, "--cluster-announce-ip", "127.0.0.1");
    onTestFinished(() => node.kill());
    const admin = connectRedis(node.url, "consumer");
    onTestFinished(() => admin.disconnect());
    await admin.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await eventually(async () =>
      expect(await admin.call("CLUSTER", "INFO")).toContain("cluster_state:ok"),
    );
    const client = connectRedis(`${node.url}?cluster=true`, "limits");
    onTestFinished(() => client.disconnect());
    client.on("error", () => undefined);
    const store = createRedisLimits(client);
    const limits = [makeLimit(5), makeLimit(9), makeLimit(100)];
    await eventually(() => store.take([makeLimit(1)]));
    const verdicts = await Promise.all(Array.from({ length: 40 }, () => store.take(limits)));
    expect(countTaken(verdicts)).toBe(5);
    expect((await store.take(limits)).standings.map(({ used }) => used)).toEqual([5, 5, 5]);
  });
});

describe("limits in a PostgreSQL that is away", () => {
  it("are counted by each process for itself", async () => {
    const db = connectDatabase({ url: "postgres://nobody@127.0.0.1:1/none", role: "ducat_app" });
    const log = { warn: () => {}, info: () => {} };
    const limits = connectLimits({ db, now: Date.now, log });
    onTestFinished(async () => {
      limits.close();
      await db.end({ timeout: 1 });
    });
    const { ms, value } = await measure(() => takeMany(limits, makeLimit(5), 40));
    expect([countTaken(value), limits.isShared()]).toEqual([5, false]);
    expect(ms).toBeLessThan(2_000 + patienceMs);
  });
});
