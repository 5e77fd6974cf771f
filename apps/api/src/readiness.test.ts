import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import { startRedis } from "../../../infra/test/redis.ts";
import { connectDatabase } from "../../../packages/db/src/connect.ts";
import { connectQueue } from "../../../packages/queue/src/queue.ts";
import { type Stage, setStage } from "../test/stage.ts";
import { createReadiness } from "./readiness.ts";

describe("readiness", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());

  it("is a 200 with everything that was looked at", async () => {
    const ready = await stage.call("/readyz", { bearer: null });
    expect([ready.status, ready.body]).toEqual([
      200,
      {
        status: "ok",
        checks: { process: { status: "ok" }, database: { status: "ok" }, queue: { status: "ok" } },
      },
    ]);
    expect((await stage.call("/livez", { bearer: null })).body).toEqual({ status: "ok" });
    const health = await stage.call("/health", { bearer: null });
    expect(health.body).toMatchObject({ status: "ok", version: "0.1.0", mode: "test" });
    expect((await stage.call("/", { bearer: null })).body).toEqual({
      name: "Ducat",
      version: "0.1.0",
      docs: "http://ducat.test/docs",
    });
  });

  it("ends when the process is to stop", async () => {
    const closing = AbortSignal.abort();
    const { ready, checks } = await createReadiness({ ...stage.deps, closing })();
    expect([ready, checks.process.status]).toEqual([false, "failed"]);
  });

  it("needs every migration of this release", async () => {
    await stage.db.admin`UPDATE ducat.migrations SET name = 'later' WHERE name = 'functions'`;
    const { ready, checks } = await createReadiness(stage.deps)();
    expect([ready, checks.database]).toEqual([
      false,
      { status: "failed", detail: "These migrations are not applied: functions." },
    ]);
    await stage.db.admin`UPDATE ducat.migrations SET name = 'functions' WHERE name = 'later'`;
    await stage.db.admin`INSERT INTO ducat.migrations VALUES ('9999_of_a_newer_release', '')`;
    expect((await createReadiness(stage.deps)()).ready).toBe(true);
  });

  it("needs PostgreSQL; liveness does not", async () => {
    const db = connectDatabase({ url: "postgres://nobody@127.0.0.1:1/none", role: "ducat_app" });
    const away = await setStage({ deps: { db } });
    const ready = await away.call("/readyz");
    expect([ready.status, ready.body.checks.database.status]).toEqual([503, "failed"]);
    expect((await away.call("/livez")).status).toBe(200);
    const refused = await away.call("/v1/styles");
    expect([refused.status, refused.body.code]).toEqual([503, "unavailable"]);
    expect(refused.headers.get("retry-after")).toBe("5");
    await away.close();
    await db.end({ timeout: 1 });
  });

  it("does not need a queue that answers", async () => {
    const queue = connectQueue({ url: "postgres://nobody@127.0.0.1:1/none" });
    const { ready, status, checks } = await createReadiness({ ...stage.deps, queue })();
    expect([ready, status, checks.queue.status]).toEqual([true, "degraded", "degraded"]);
    expect(JSON.stringify(checks)).not.toContain("127.0.0.1");
    await queue.close();
  });

  it("asks database and queue at most once a second", async () => {
    let now = 0;
    let asked = 0;
    const assertReady = async () => {
      asked += 1;
    };
    const queue = { ...stage.deps.queue, assertReady };
    const read = createReadiness({ ...stage.deps, queue, now: () => now });
    await Promise.all([read(), read(), read()]);
    expect(asked).toBe(1);
    now = 1_001;
    await read();
    expect(asked).toBe(2);
  });
});

describeRedis("readiness on Redis", () => {
  it("refuses a kind of queue that the deployment does not use, in clear words", async () => {
    const stage = await setStage();
    expect((await createReadiness(stage.deps)()).ready).toBe(true);
    const redis = await startRedis();
    const queue = connectQueue({ url: redis.url });
    const { ready, checks } = await createReadiness({ ...stage.deps, queue })();
    expect(ready).toBe(false);
    expect(checks.queue.detail).toMatch(/queue is on postgres, and QUEUE_URL names redis/);
    await queue.close();
    await redis.stop();
    await stage.close();
  });

  it("refuses a Redis that may throw jobs away, in clear words", async () => {
    const stage = await setStage();
    const redis = await startRedis(["--maxmemory-policy", "allkeys-lru"]);
    const queue = connectQueue({ url: redis.url });
    const { ready, checks } = await createReadiness({ ...stage.deps, queue })();
    expect(ready).toBe(false);
    expect(checks.queue.detail).toContain("set maxmemory-policy to noeviction");
    await queue.close();
    await redis.stop();
    await stage.close();
  });
});
