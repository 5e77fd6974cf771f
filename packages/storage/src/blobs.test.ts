import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostileKeys } from "../test/hostile-keys.ts";
import { type Kept, stores } from "../test/stores.ts";
import { inputKey, outputKey } from "./blob-key.ts";
import type { Blobs } from "./blobs.ts";

const hour = 3_600_000;
const someKey = () => inputKey(randomUUID(), randomUUID());
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const soon = () => new Date(Date.now() + 60_000);
const ago = (hours: number) => new Date(Date.now() - hours * hour);

async function keysOf(entries: AsyncIterable<{ key: string }>) {
  const keys: string[] = [];
  for await (const { key } of entries) keys.push(key);
  return keys.sort();
}

// What every store promises; what only one of them does is in disk.test.ts and s3.test.ts.
describe.each(stores)("blobs on $name", ({ open }) => {
  const maxBytes = 100_000;
  let kept: Kept;
  let blobs: Blobs;
  beforeAll(async () => {
    kept = await open({ maxBytes });
    blobs = kept.blobs;
  });
  afterAll(() => kept.close());

  test("what was put is read back, with its size and hash", async () => {
    const key = someKey();
    const bytes = Buffer.from("a picture");
    expect(await blobs.put(key, bytes)).toEqual({ key, size: 9, sha256: sha256(bytes) });
    expect(await blobs.readBytes(key, 9)).toEqual(bytes);
    expect(await blobs.has(key)).toBe(true);
    const found = await blobs.read(key);
    expect(found?.size).toBe(9);
    expect(found && (await buffer(found.stream))).toEqual(bytes);
  });

  test("an empty blob is a blob", async () => {
    const key = someKey();
    expect(await blobs.put(key, new Uint8Array())).toMatchObject({ size: 0 });
    expect(await blobs.has(key)).toBe(true);
    expect(await blobs.readBytes(key, 10)).toEqual(Buffer.alloc(0));
    expect((await blobs.read(key))?.size).toBe(0);
  });

  test("what is not there reads as undefined and may be removed", async () => {
    const key = someKey();
    expect(await blobs.read(key)).toBeUndefined();
    expect(await blobs.readBytes(key, 100)).toBeUndefined();
    expect(await blobs.has(key)).toBe(false);
    await blobs.remove(key);
    await blobs.remove(key);
  });

  test("a removed blob is gone, and no other", async () => {
    const account = randomUUID();
    const [gone, left] = [inputKey(account, randomUUID()), inputKey(account, randomUUID())];
    await blobs.put(gone, Buffer.of(1));
    await blobs.put(left, Buffer.of(2));
    await blobs.remove(gone);
    expect(await blobs.readBytes(gone, 10)).toBeUndefined();
    expect(await blobs.readBytes(left, 10)).toEqual(Buffer.of(2));
  });

  test("a repeated put is the same put, also in parallel", async () => {
    const bytes = Buffer.alloc(50_000, 7);
    const output = { accountId: randomUUID(), itemId: randomUUID(), attempt: 1 };
    const key = outputKey({ ...output, sha256: sha256(bytes), extension: "png" });
    const results = await Promise.all(Array.from({ length: 8 }, () => blobs.put(key, bytes)));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(await blobs.readBytes(key, 50_000)).toEqual(bytes);
  });

  test("a stream that nobody reads to its end lets go of what it holds", async () => {
    const key = someKey();
    await blobs.put(key, Buffer.alloc(maxBytes, 1));
    const found = await blobs.read(key);
    const closed = found && once(found.stream, "close");
    found?.stream.destroy();
    await closed;
    expect(await blobs.readBytes(key, maxBytes)).toHaveLength(maxBytes);
  });

  test("a blob over the limit is neither written nor read into memory", async () => {
    const key = someKey();
    await expect(blobs.put(key, Buffer.alloc(maxBytes + 1))).rejects.toThrow("at most 100000");
    expect(await blobs.has(key)).toBe(false);
    await blobs.put(key, Buffer.alloc(100));
    await expect(blobs.readBytes(key, 99)).rejects.toThrow("more than 99 bytes");
  });

  test("a prefix removes everything of one account or item and nothing else", async () => {
    const [mine, other, itemId] = [randomUUID(), randomUUID(), randomUUID()];
    const output = { accountId: mine, itemId, sha256: "ab", extension: "txt" } as const;
    const ids = Array.from({ length: 7 }, () => randomUUID());
    for (const id of ids) await blobs.put(inputKey(mine, id), Buffer.of(1));
    await blobs.put(outputKey({ ...output, attempt: 1 }), Buffer.of(1));
    await blobs.put(outputKey({ ...output, attempt: 2 }), Buffer.of(1));
    const kept = inputKey(other, randomUUID());
    await blobs.put(kept, Buffer.of(1));
    expect(await blobs.removePrefix(`${mine}/${itemId}/`)).toBe(2);
    expect(await blobs.removePrefix(`${mine}/`)).toBe(7);
    expect(await blobs.removePrefix(`${mine}/`)).toBe(0);
    expect(await blobs.has(kept)).toBe(true);
    const left = await keysOf(blobs.listOlderThan(soon()));
    expect(left.filter((key) => key.startsWith(mine))).toEqual([]);
    expect(left).toContain(kept);
  });

  test("only what is older than the date is listed, and a second put makes it young", async () => {
    const account = randomUUID();
    const old = Array.from({ length: 8 }, () => inputKey(account, randomUUID())).sort();
    const young = inputKey(account, randomUUID());
    for (const key of [...old, young]) await blobs.put(key, Buffer.from("1234"));
    for (const key of old) await kept.age(key, ago(2));
    expect(await keysOf(blobs.listOlderThan(ago(1)))).toEqual(old);
    for await (const entry of blobs.listOlderThan(ago(1))) {
      expect(entry).toMatchObject({ size: 4 });
      expect(Math.abs(entry.modifiedAt.getTime() - ago(2).getTime())).toBeLessThan(60_000);
      break;
    }
    await blobs.put(old[0] ?? "", Buffer.from("1234"));
    expect(await keysOf(blobs.listOlderThan(ago(1)))).toEqual(old.slice(1));
  });

  test("a list goes on behind any key, be it there or not, and misses and repeats none", async () => {
    const accounts: string[] = [randomUUID(), randomUUID()];
    const output = { itemId: randomUUID(), attempt: 1, sha256: "ab", extension: "txt" } as const;
    for (const accountId of accounts) {
      for (let n = 0; n < 4; n += 1)
        await blobs.put(inputKey(accountId, randomUUID()), Buffer.of(1));
      await blobs.put(outputKey({ ...output, accountId }), Buffer.of(1));
    }
    const all: string[] = [];
    for await (const { key } of blobs.list()) all.push(key);
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((key) => accounts.includes(key.slice(0, 36)))).toHaveLength(10);
    for (const place of [0, 3, all.length - 2, all.length - 1]) {
      const after = all[place] ?? "";
      if (place === 3) await blobs.remove(after);
      const rest: string[] = [];
      for await (const { key } of blobs.list(after)) rest.push(key);
      expect(rest).toEqual(all.slice(place + 1));
    }
    await expect(keysOf(blobs.list("../x"))).rejects.toThrow("not a blob key");
  });

  test("no hostile spelling of a key reaches the store", async () => {
    const before = await keysOf(blobs.listOlderThan(soon()));
    expect(hostileKeys.length).toBeGreaterThanOrEqual(60);
    const wish = { disposition: "inline", method: "GET", expiresAt: soon() } as const;
    for (const key of hostileKeys) {
      const calls = [
        () => blobs.put(key, Buffer.from("x")),
        () => blobs.read(key),
        () => blobs.readBytes(key, 10),
        () => blobs.has(key),
        () => blobs.remove(key),
        () => blobs.removePrefix(key),
        ...(blobs.link ? [() => blobs.link?.(key, wish)] : []),
      ];
      for (const call of calls) await expect(call(), key).rejects.toThrow("not a");
    }
    expect(await keysOf(blobs.listOlderThan(soon()))).toEqual(before);
  });

  test("a folder is no key and a key is no folder", async () => {
    const folder = `${randomUUID()}/`;
    await expect(blobs.put(folder, Buffer.from("x"))).rejects.toThrow("not a blob key");
    await expect(blobs.readBytes(folder, 10)).rejects.toThrow("not a blob key");
    await expect(blobs.removePrefix(someKey())).rejects.toThrow("not a prefix");
  });

  test("there is nothing half-written where nobody writes", async () => {
    expect(await blobs.removeLeftovers(soon())).toBe(0);
  });
});
