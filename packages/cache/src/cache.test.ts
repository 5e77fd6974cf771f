import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, describe, expect, inject, it, onTestFinished, vi } from "vitest";
import { type Cache, createCache } from "./cache.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: string;
  }
}

const url = inject("postgres");
const admin = postgres(url, { max: 1, onnotice: () => {} });
afterAll(() => admin.end());

async function makeCache(): Promise<Cache> {
  const cache = createCache({ postgresUrl: url, log: { warn: () => {} } });
  onTestFinished(() => cache.close());
  await cache.ready();
  return cache;
}

/** A source that counts how often it was read, and what it is about. */
function makeSource(first = "one") {
  const tag = `thing:${randomUUID()}`;
  const source = { value: first, reads: 0, key: `k:${tag}`, tag };
  const from = {
    ttlMs: 60_000,
    tags: [tag],
    load: async () => {
      source.reads++;
      return source.value;
    },
  };
  return { source, read: (cache: Cache) => cache.getOrSet(source.key, from) };
}

function withResolvers() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe("the cache", () => {
  it("loads a value once for all who ask at the same time, and keeps it", async () => {
    const cache = await makeCache();
    const { source, read } = makeSource();
    const all = await Promise.all(Array.from({ length: 50 }, () => read(cache)));
    expect(new Set(all)).toEqual(new Set(["one"]));
    expect(await read(cache)).toBe("one");
    expect(source.reads).toBe(1);
  });

  it("drops by a tag that only the value told", async () => {
    const cache = await makeCache();
    const { source } = makeSource();
    const read = () =>
      cache.getOrSet(source.key, {
        ttlMs: 60_000,
        tags: [],
        tagsOf: (value: string) => [`${source.tag}:${value}`],
        load: async () => `${++source.reads}`,
      });
    expect([await read(), await read()]).toEqual(["1", "1"]);
    await cache.drop([`${source.tag}:1`]);
    expect(await read()).toBe("2");
    await cache.drop([`${source.tag}:1`]);
    expect(await read()).toBe("2");
    await cache.forget([`${source.tag}:2`]);
    expect(await read()).toBe("3");
  });

  it("drops by tag here at once and in another process as soon as it hears", async () => {
    const [here, there] = [await makeCache(), await makeCache()];
    const { source, read } = makeSource();
    await Promise.all([read(here), read(there)]);
    source.value = "two";
    await here.drop([source.tag]);
    expect(await read(here)).toBe("two");
    await vi.waitFor(async () => expect(await read(there)).toBe("two"));
  });

  it("reads anew once after a drop of its own, and not when it hears its own words", async () => {
    const [here, there] = [await makeCache(), await makeCache()];
    const { source, read } = makeSource();
    await Promise.all([read(here), read(there)]);
    // Gone here at once; the words come back later.
    const told = here.drop([source.tag]);
    await read(here);
    await told;
    await vi.waitFor(async () => {
      await read(there);
      expect(source.reads).toBe(4);
    });
    await read(here);
    expect(source.reads).toBe(4);
  });

  it("leaves other tags alone", async () => {
    const cache = await makeCache();
    const [one, other] = [makeSource(), makeSource()];
    await Promise.all([one.read(cache), other.read(cache)]);
    await cache.drop([one.source.tag]);
    await Promise.all([one.read(cache), other.read(cache)]);
    expect([one.source.reads, other.source.reads]).toEqual([2, 1]);
  });

  it("doesn't keep what was read before a drop and came after it", async () => {
    const cache = await makeCache();
    const { source } = makeSource();
    const gate = withResolvers();
    const from = { ttlMs: 60_000, tags: [source.tag] };
    const slow = cache.getOrSet(source.key, {
      ...from,
      load: async () => {
        const seen = source.value;
        await gate.promise;
        return seen;
      },
    });
    source.value = "two";
    await cache.drop([source.tag]);
    gate.resolve();
    await slow;
    const read = () => cache.getOrSet(source.key, { ...from, load: async () => source.value });
    await vi.waitFor(async () => expect(await read()).toBe("two"));
  });

  it("never answers who asks after a drop with what a load before it finds", async () => {
    const cache = await makeCache();
    const { source } = makeSource();
    const gate = withResolvers();
    const from = { ttlMs: 60_000, tags: [source.tag] };
    const load = async () => {
      const seen = source.value;
      if (source.reads++ === 0) await gate.promise;
      return seen;
    };
    const first = cache.getOrSet(source.key, { ...from, load });
    await vi.waitFor(() => expect(source.reads).toBe(1));
    source.value = "two";
    await cache.drop([source.tag]);
    const later = [1, 2, 3].map(() => cache.getOrSet(source.key, { ...from, load }));
    gate.resolve();
    expect(await Promise.all(later)).toEqual(["two", "two", "two"]);
    expect(await first).toBe("one");
    expect(source.reads).toBe(2);
  });

  it("keeps what is loaded while others are dropped, however many those are", async () => {
    const cache = await makeCache();
    const { source, read } = makeSource();
    const gate = withResolvers();
    const slow = cache.getOrSet(source.key, {
      ttlMs: 60_000,
      tags: [source.tag],
      load: async () => {
        await gate.promise;
        return "slow";
      },
    });
    await cache.drop([makeSource().source.tag]);
    gate.resolve();
    expect([await slow, await read(cache), source.reads]).toEqual(["slow", "slow", 0]);
  });

  it("keeps some thousand values, and for as long as the value tells", async () => {
    const cache = await makeCache();
    const run = randomUUID();
    let reads = 0;
    const readAll = () =>
      Promise.all(
        Array.from({ length: 3_000 }, (_, at) =>
          cache.getOrSet(`${run}:${at}`, { ttlMs: 60_000, tags: [], load: async () => ++reads }),
        ),
      );
    await readAll();
    await readAll();
    expect(reads).toBe(3_000);
    const short = () =>
      cache.getOrSet(run, { ttlMs: 60_000, ttlOf: () => 5, tags: [], load: async () => ++reads });
    const first = await short();
    await vi.waitFor(async () => expect(await short()).toBe(first + 1));
  });

  it("forgets everything when its line to the others was cut, for what it may have missed", async () => {
    const cache = await makeCache();
    const { source, read } = makeSource();
    await read(cache);
    source.value = "two";
    await admin`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE query ILIKE 'listen "ducat_cache"%' AND pid <> pg_backend_pid()`;
    await vi.waitFor(async () => expect(await read(cache)).toBe("two"), { timeout: 10_000 });
  });

  it("tells who wants to know what is dropped, here and elsewhere, until they don't", async () => {
    const [here, there] = [await makeCache(), await makeCache()];
    const { source } = makeSource();
    const heard: (readonly string[] | undefined)[] = [];
    const stop = here.onDrop((tags) => heard.push(tags));
    await here.drop([source.tag]);
    expect(heard).toEqual([[source.tag]]);
    await there.drop([`${source.tag}:2`]);
    await vi.waitFor(() => expect(heard).toContainEqual([`${source.tag}:2`]));
    stop();
    await here.drop([`${source.tag}:3`]);
    expect(heard).not.toContainEqual([`${source.tag}:3`]);
  });

  it("keeps nothing as long as it never heard the others", async () => {
    const cache = createCache({
      postgresUrl: "postgres://nobody@127.0.0.1:1/none",
      log: { warn: () => {} },
    });
    onTestFinished(() => cache.close());
    const { source, read } = makeSource();
    await read(cache);
    await read(cache);
    expect(source.reads).toBe(2);
  });

  it("a failing load is told to who asked and kept for nobody", async () => {
    const cache = await makeCache();
    const { source, read } = makeSource();
    const from = { ttlMs: 60_000, tags: [source.tag] };
    const load = async () => Promise.reject(new Error("away"));
    await expect(cache.getOrSet(source.key, { ...from, load })).rejects.toThrow("away");
    expect(await read(cache)).toBe("one");
  });
});
