import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, inject, it, onTestFinished, vi } from "vitest";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import { type RedisServer, startRedis } from "../../queue/test/redis-server.ts";
import { createCache } from "./cache.ts";
import { connectRedisLayer, type RedisLayer } from "./redis-layer.ts";

const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 10_000, interval: 20 });
const log = { warn: () => {} };

/** What is kept under the key, undefined for nothing. */
async function read(layer: RedisLayer, key: string, tags: string[]) {
  const found = await layer.find(key, tags);
  return found && "value" in found ? found.value : undefined;
}

/** As a process does that finds nothing: asks, loads, keeps. */
async function load(layer: RedisLayer, key: string, tags: string[], value: unknown) {
  const keep = await layer.find(key, tags);
  if (typeof keep !== "function") throw new Error("there is something already, or no Redis");
  keep(value, 60_000);
}

describeRedis("values in Redis", () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    redis.on("error", () => undefined);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.kill();
  });

  const open = async (url = server.url) => {
    const layer = connectRedisLayer(url, log);
    onTestFinished(() => layer.close());
    await eventually(async () => expect(await layer.find(randomUUID(), [])).toBeDefined());
    return layer;
  };
  const makeNames = () => ({ key: randomUUID(), tags: [`a:${randomUUID()}`, `b:${randomUUID()}`] });

  it("are loaded by one process for all, until one of their tags is dropped", async () => {
    const [here, there] = [await open(), await open()];
    const { key, tags } = makeNames();
    await load(here, key, tags, { n: 1 });
    expect(await read(there, key, tags)).toEqual({ n: 1 });
    there.drop(tags.slice(1));
    expect(await read(there, key, tags)).toBeUndefined();
    expect(await read(here, key, tags)).toBeUndefined();
    await load(here, key, tags, { n: 2 });
    expect(await read(there, key, tags)).toEqual({ n: 2 });
  });

  it("are worth nothing when another process has dropped them while they were loaded", async () => {
    const [slow, quick] = [await open(), await open()];
    const { key, tags } = makeNames();
    const keep = await slow.find(key, tags);
    quick.drop(tags.slice(0, 1));
    expect(await read(quick, key, tags)).toBeUndefined();
    if (typeof keep === "function") keep("what stood there before", 60_000);
    await eventually(async () => expect(await redis.exists(`{ducat-cache}:value:${key}`)).toBe(1));
    expect(await read(quick, key, tags)).toBeUndefined();
    expect(await read(slow, key, tags)).toBeUndefined();
  });

  it("are not believed once the mark of a tag is lost", async () => {
    const layer = await open();
    const { key, tags } = makeNames();
    await load(layer, key, tags, "old");
    expect(await read(layer, key, tags)).toBe("old");
    await redis.del(`{ducat-cache}:mark:${tags[1]}`);
    expect(await read(layer, key, tags)).toBeUndefined();
  });

  it("are not believed by a process that was cut off, for the drops it may have missed", async () => {
    const layer = await open();
    const { key, tags } = makeNames();
    await load(layer, key, tags, "old");
    await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await eventually(async () => expect(typeof (await layer.find(key, tags))).toBe("function"));
  });

  it("are gone for everybody when a process begins", async () => {
    const layer = await open();
    const { key, tags } = makeNames();
    await load(layer, key, tags, "old");
    await open();
    expect(await read(layer, key, tags)).toBeUndefined();
  });

  it("live no longer than they were given", async () => {
    const layer = await open();
    const { key, tags } = makeNames();
    const keep = await layer.find(key, tags);
    if (typeof keep === "function") keep("short", 5);
    await eventually(async () => expect(await read(layer, key, tags)).toBeUndefined());
    if (typeof keep === "function") keep("none", 0);
    expect(await read(layer, key, tags)).toBeUndefined();
  });

  it("are done without while Redis doesn't take a drop, and forgotten when it does again", async () => {
    const user = `u${randomUUID()}`;
    await redis.call("ACL", "SETUSER", user, "on", ">pw", "~*", "&*", "+@all");
    const layer = await open(server.url.replace("//", `//${user}:pw@`));
    const other = await open();
    const { key, tags } = makeNames();
    await load(layer, key, tags, "old");
    await redis.call("ACL", "SETUSER", user, "-set");
    layer.drop(tags);
    await eventually(async () => expect(await layer.find(key, tags)).toBeUndefined());
    expect(await read(other, key, tags)).toBe("old");
    await redis.call("ACL", "SETUSER", user, "+set");
    await eventually(async () => expect(typeof (await layer.find(key, tags))).toBe("function"));
    expect(await read(other, key, tags)).toBeUndefined();
  });
});

describeRedis("a cache with Redis", () => {
  const open = async (url: string) => {
    const cache = createCache({ postgresUrl: inject("postgres"), redisUrl: url, log });
    onTestFinished(() => cache.close());
    await cache.ready();
    return cache;
  };
  const makeFrom = (isShared = true) => {
    const source = { key: randomUUID(), value: "one", reads: 0 };
    const tags = [`thing:${source.key}`];
    const load = async () => {
      source.reads++;
      return source.value;
    };
    return { source, from: { ttlMs: 60_000, tags, isShared, load } };
  };

  it("loads once for two processes, and anew in both after a drop in one", async () => {
    const server = await startRedis();
    onTestFinished(() => server.kill());
    const [here, there] = [await open(server.url), await open(server.url)];
    await eventually(async () => {
      const { source, from } = makeFrom();
      await here.getOrSet(source.key, from);
      await there.getOrSet(source.key, from);
      expect(source.reads).toBe(1);
    });
    const { source, from } = makeFrom();
    const readBoth = () => Promise.all([here, there].map((c) => c.getOrSet(source.key, from)));
    await readBoth();
    source.value = "two";
    await here.drop(from.tags);
    expect(await here.getOrSet(source.key, from)).toBe("two");
    await eventually(async () => expect(await readBoth()).toEqual(["two", "two"]));
  });

  it("keeps what isn't for the others to itself", async () => {
    const server = await startRedis();
    onTestFinished(() => server.kill());
    const cache = await open(server.url);
    const { source, from } = makeFrom(false);
    await cache.getOrSet(source.key, from);
    const redis = new Redis(server.url);
    expect(await redis.keys(`*${source.key}*`)).toEqual([]);
    redis.disconnect();
  });

  it("answers at once whether Redis was killed, hangs, or never was there", async () => {
    const server = await startRedis();
    onTestFinished(() => server.kill());
    const cache = await open(server.url);
    const within = async (ms: number) => {
      const { source, from } = makeFrom();
      const startedAt = performance.now();
      expect(await cache.getOrSet(source.key, from)).toBe("one");
      await cache.drop(from.tags);
      source.value = "two";
      expect(await cache.getOrSet(source.key, from)).toBe("two");
      expect(performance.now() - startedAt).toBeLessThan(ms);
    };
    await within(5_000);
    server.signal("SIGSTOP");
    // Two commands of half a second each at most, and room for a busy machine.
    await within(5_000);
    server.signal("SIGCONT");
    await server.kill();
    await within(5_000);
    await server.start();
    await within(5_000);
    const alone = await open("redis://127.0.0.1:1");
    const { source, from } = makeFrom();
    expect(await alone.getOrSet(source.key, from)).toBe("one");
    expect(await alone.getOrSet(source.key, from)).toBe("one");
    expect(source.reads).toBe(1);
  });
});
