import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import { makeJobs } from "../test/backends.ts";
import { type RedisServer, startRedis } from "../test/redis-server.ts";
import { eventually, within } from "../test/within.ts";
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

  describe("that is a cluster", () => {
    let node: RedisServer;

    beforeAll(async () => {
      const file = join(tmpdir(), `ducat-nodes-${randomUUID()}.conf`);
      const settings = ["--cluster-enabled", "yes", "--cluster-config-file", file];
      node = await startRedis(...settings, "--cluster-announce-ip", "127.0.0.1");
      const client = new Redis(node.url);
      await client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await eventually(async () =>
        expect(await client.call("CLUSTER", "INFO")).toContain("cluster_state:ok"),
      );
      client.disconnect();
    });
    afterAll(() => node.kill());

    it("is not ready when the URL does not say so", async () => {
      await withQueue((queue) => expect(queue.assertReady()).rejects.toThrow("?cluster=true"), {
        url: node.url,
      });
    });

    it("runs jobs, also after its connections were lost", async () => {
      await withQueue(
        async (queue) => {
          await queue.assertReady();
          let runs = 0;
          const handler = async () => {
            runs += 1;
          };
          const work = queue.work("run-item", handler, { concurrency: 2 });
          await queue.add("run-item", makeJobs(600));
          await eventually(() => expect(runs).toBe(600));
          const client = new Redis(node.url);
          await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
          client.disconnect();
          await eventually(() => queue.add("run-item", makeJobs(1)));
          await eventually(() => expect(runs).toBe(601));
          await within(5_000, work.close({ graceMs: 1_000 }));
        },
        { url: `${node.url}/?cluster=true` },
      );
    });
  });
});
