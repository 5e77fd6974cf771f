import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeRedis, makeJobs } from "../test/backends.ts";
import { type RedisServer, startRedis } from "../test/redis-server.ts";
import { eventually } from "../test/within.ts";
import { connectQueue, type QueueOptions } from "./queue.ts";

describeRedis("the queue on Redis", () => {
  let server: RedisServer;
  let redis: Redis;

  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.kill();
  });

  const withQueue = async (
    use: (queue: ReturnType<typeof connectQueue>) => Promise<void>,
    options: Partial<QueueOptions> = {},
  ) => {
    const queue = connectQueue({ url: server.url, ...options });
    try {
      await use(queue);
    } finally {
      await queue.close();
    }
  };

  it.each(["allkeys-lru", "volatile-ttl"])("is not ready on %s", async (policy) => {
    await redis.config("SET", "maxmemory-policy", policy);
    try {
      await withQueue((queue) =>
        expect(queue.assertReady()).rejects.toThrow(`maxmemory-policy ${policy}`),
      );
    } finally {
      await redis.config("SET", "maxmemory-policy", "noeviction");
    }
    await withQueue((queue) => queue.assertReady());
  });

  it("needs no CONFIG, which a hosted Redis forbids", async () => {
    const name = `u${randomUUID()}`;
    await redis.call("ACL", "SETUSER", name, "on", ">pw", "~*", "&*", "+@all", "-config");
    const url = server.url.replace("//", `//${name}:pw@`);
    await withQueue((queue) => queue.assertReady(), { url });
  });

  it("says that a password is wrong, and does not repeat it", async () => {
    const url = server.url.replace("//", "//somebody:secret@");
    await withQueue(
      async (queue) => {
        const error = await queue.assertReady().catch((caught: Error) => caught);
        expect(String(error)).toMatch(/not reachable: WRONGPASS/);
        expect(String(error)).not.toContain("secret");
      },
      { url },
    );
  });

  it("keeps all of a queue's keys in one slot of a cluster", async () => {
    await withQueue(async (queue) => {
      await queue.add("run-item", makeJobs(2));
      await queue.add("run-item", makeJobs(1, 60_000));
      const keys = await redis.keys("{ducat}:run-item:*");
      expect(keys.length).toBeGreaterThan(5);
      expect(await redis.dbsize()).toBe(keys.length);
    });
  });

  it("is not asked in a busy loop while it refuses every claim", async () => {
    const name = `u${randomUUID()}`;
    const rights = ["on", ">pw", "~*", "&*", "+@all", "-eval", "-evalsha"];
    await redis.call("ACL", "SETUSER", name, ...rights);
    const url = server.url.replace("//", `//${name}:pw@`);
    const prefix = `{${name}}`;
    const refused = async () => {
      const stats = await redis.info("commandstats");
      return Number(/cmdstat_evalsha:.*rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    let runs = 0;
    const handler = async () => {
      runs += 1;
    };
    await withQueue(
      async (queue) => {
        await redis.config("RESETSTAT");
        const startedAt = performance.now();
        const work = queue.work("run-item", handler, { concurrency: 1 });
        await eventually(async () => expect(await refused()).toBeGreaterThanOrEqual(5));
        expect(performance.now() - startedAt).toBeGreaterThan(1_500);
        await redis.call("ACL", "SETUSER", name, "+eval", "+evalsha");
        await eventually(() => queue.add("run-item", makeJobs(1)));
        await eventually(() => expect(runs).toBe(1));
        await work.close({ graceMs: 0 });
      },
      { url, prefix },
    );
  });
});
