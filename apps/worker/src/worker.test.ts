import { settleQueueKind } from "@ducat/db/database";
import { connectQueue } from "@ducat/queue/queue";
import { afterEach, expect, it } from "vitest";
import { requirePart } from "../../../infra/dev/parts.ts";
import { findFreePort } from "../../../infra/dev/ports.ts";
import { describeQueues } from "../../../infra/test/describe-queues.ts";
import { startRedis } from "../../../packages/queue/test/redis-server.ts";
import { eventually, type Stage, setStage } from "../test/stage.ts";

let stage: Stage;
afterEach(() => stage.close());

const redis = requirePart("redis-server", "how a worker starts");

describeQueues("a worker that starts", (kind) => {
  it("refuses a queue of another kind than the deployment's", async () => {
    stage = await setStage(kind);
    const other = kind === "redis" ? "postgres" : "redis";
    await settleQueueKind(stage.db.worker, other);
    const refusal = `queue is on ${other}, and QUEUE_URL names one on ${kind}`;
    await expect(stage.createWorker().start()).rejects.toThrow(refusal);
  });

  it("records the kind of its queue when it is the first", async () => {
    stage = await setStage(kind);
    await stage.createWorker().start();
    expect(await settleQueueKind(stage.db.worker, "other")).toBe(kind);
  });

  it("waits for a database that is away", async () => {
    stage = await setStage(kind);
    let tries = 0;
    const db = new Proxy(stage.db.worker, {
      apply: (target, self, args) => {
        tries += 1;
        if (tries > 3) return Reflect.apply(target, self, args);
        return Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
      },
    });
    await stage.createWorker({ db }).start();
    expect(tries).toBeGreaterThan(3);
    const said = stage.lines.filter(({ message }) => message.startsWith("waiting"));
    expect(said).toHaveLength(3);
  });
});

it.runIf(redis)("refuses a Redis that may throw jobs away (needs Redis)", async () => {
  const forgetful = await startRedis("--maxmemory-policy", "allkeys-lru");
  stage = await setStage("redis", { redisUrl: forgetful.url });
  stage.onClose(forgetful.kill);
  await expect(stage.createWorker().start()).rejects.toThrow("maxmemory-policy");
});

it.runIf(redis)(
  "waits for a Redis that is not up yet, and pays back meanwhile (needs Redis)",
  async () => {
    const late = await startRedis();
    await late.kill();
    stage = await setStage("redis", { redisUrl: late.url });
    stage.onClose(late.kill);
    const overdue = await stage.makeItem();
    await stage.db.admin`UPDATE ducat.generations
    SET deadline_at = created_at - interval '61 s' WHERE id = ${overdue.generationId}`;
    await stage.makeDue(overdue);
    const starting = stage.createWorker().start();
    await stage.ended(overdue);
    const item = await stage.makeItem();
    await late.start();
    await starting;
    await stage.makeDue(item);
    await stage.ended(item);
  },
);

it("stops waiting when it is closed meanwhile", async () => {
  stage = await setStage("postgres");
  const queue = connectQueue({ url: `redis://127.0.0.1:${await findFreePort()}` });
  const worker = stage.createWorker({ queue });
  const starting = worker.start();
  const refusal = expect(starting).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
  await eventually(() => expect(stage.lines.length).toBeGreaterThan(0));
  await worker.close({ graceMs: 0 });
  await refusal;
  await queue.close();
});
