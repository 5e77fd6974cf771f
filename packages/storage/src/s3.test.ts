import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type S3Fault, startFaultyS3 } from "../test/faulty-s3.ts";
import { type S3Server, startS3 } from "../test/s3-server.ts";
import { inputKey } from "./blob-key.ts";
import type { Blobs, LinkWish } from "./blobs.ts";
import { createS3Blobs, type S3Options } from "./s3.ts";

const bytes = Buffer.from("a picture of a garden");
const someKey = () => inputKey(randomUUID(), randomUUID());
const soon = () => new Date(Date.now() + 60_000);

let server: S3Server;
/** Asks the server itself, whatever a test's own way to it does. */
let direct: Blobs;
beforeAll(async () => {
  server = await startS3();
  direct = createS3Blobs(server.options);
});
afterAll(() => server.close());

/** A store whose way to the server may fail. */
async function goWrong(more: Partial<S3Options> = {}) {
  const faulty = await startFaultyS3(server.origin);
  onTestFinished(() => faulty.close());
  const options = { ...server.options, endpoint: faulty.origin, pageKeys: 1_000, ...more };
  return { faulty, blobs: createS3Blobs(options) };
}

async function storeOne(): Promise<string> {
  const key = someKey();
  await direct.put(key, bytes);
  return key;
}

async function list(blobs: Blobs): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.listOlderThan(soon())) keys.push(key);
  return keys;
}

/** Each call with what shows that it has worked. */
const operations: Record<string, (blobs: Blobs, key: string) => Promise<void>> = {
  async put(blobs, key) {
    expect(await blobs.put(key, bytes)).toMatchObject({ key, size: bytes.length });
    expect(await direct.readBytes(key, 100)).toEqual(bytes);
  },
  async read(blobs, key) {
    const found = await blobs.read(key);
    expect(found && (await text(found.stream))).toBe(bytes.toString());
  },
  async readBytes(blobs, key) {
    expect(await blobs.readBytes(key, 100)).toEqual(bytes);
  },
  async has(blobs, key) {
    expect(await blobs.has(key)).toBe(true);
  },
  async remove(blobs, key) {
    await blobs.remove(key);
    expect(await direct.has(key)).toBe(false);
  },
  async removePrefix(blobs, key) {
    expect(await blobs.removePrefix(`${key.slice(0, 36)}/`)).toBe(1);
    expect(await direct.has(key)).toBe(false);
  },
  async listOlderThan(blobs, key) {
    expect(await list(blobs)).toContain(key);
  },
};
const names = Object.keys(operations);

const run = async (name: string, blobs: Blobs) => operations[name]?.(blobs, await storeOne());

describe("a store that fails once", () => {
  const passing: S3Fault[] = ["down", "lost", "broken", "busy", "silent"];
  test.each(passing)("%s: every operation tries again and succeeds", async (fault) => {
    const each = async (name: string) => {
      const { faulty, blobs } = await goWrong({ timeoutMs: fault === "silent" ? 500 : 10_000 });
      faulty.next(fault);
      await run(name, blobs);
      expect([name, faulty.seen.length]).toEqual([name, name === "removePrefix" ? 3 : 2]);
    };
    await Promise.all(names.map(each));
  });

  test.each<S3Fault>(["truncated", "changed", "stalled"])(
    "%s: bytes are read again until they are those that were stored",
    async (fault) => {
      const { faulty, blobs } = await goWrong({ timeoutMs: 500 });
      faulty.next(fault);
      await run("readBytes", blobs);
      expect(faulty.seen).toEqual(["GET", "GET"]);
    },
  );

  test("bytes that change on their way to the store are refused there and sent again", async () => {
    const { faulty, blobs } = await goWrong();
    faulty.next("garbled");
    await run("put", blobs);
    expect(faulty.seen).toEqual(["PUT", "PUT"]);
  });

  test("a list that is cut short is no short list", async () => {
    const key = await storeOne();
    const { faulty, blobs } = await goWrong();
    faulty.next("truncated");
    expect(await list(blobs)).toContain(key);
  });
});

describe("a store that stays away", () => {
  const faults: S3Fault[] = ["down", "lost", "broken", "busy", "silent"];
  test.each(faults)(
    "%s: no operation hangs, each says unavailable after three tries",
    async (fault) => {
      const each = async (name: string) => {
        const { faulty, blobs } = await goWrong({ timeoutMs: fault === "silent" ? 150 : 10_000 });
        faulty.always(fault);
        await expect(run(name, blobs), name).rejects.toMatchObject({ code: "unavailable" });
        expect([name, faulty.seen.length]).toEqual([name, 3]);
      };
      await Promise.all(names.map(each));
    },
  );

  test("nobody listening is unavailable too", async () => {
    const { faulty, blobs } = await goWrong();
    await faulty.close();
    await expect(run("put", blobs)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a put whose answers are all lost has stored the blob all the same", async () => {
    const { faulty, blobs } = await goWrong();
    faulty.next("lost", "lost", "lost");
    const key = someKey();
    await expect(blobs.put(key, bytes)).rejects.toMatchObject({ code: "unavailable" });
    expect(await direct.readBytes(key, 100)).toEqual(bytes);
    expect(await blobs.put(key, bytes)).toMatchObject({ key });
  });

  test("an error tells what went wrong, and nothing that was signed", async () => {
    const { faulty, blobs } = await goWrong();
    faulty.always("broken");
    const error = await blobs.readBytes(someKey(), 10).catch((reason: Error) => reason);
    const told = (error as Error).cause as Error;
    expect(told.message).toContain("InternalError, 500");
    expect(Object.keys(told).sort()).toEqual(["name", "status"]);
  });
});

describe("a stream from a store that fails", () => {
  const open = async (fault: S3Fault) => {
    const { faulty, blobs } = await goWrong({ timeoutMs: 500 });
    faulty.next(fault);
    const found = await blobs.read(await storeOne());
    if (!found) throw new Error("no blob");
    return found.stream;
  };

  test.each<S3Fault>(["truncated", "stalled", "changed"])(
    "%s: it ends with an error and never as if it were whole",
    async (fault) => {
      await expect(text(await open(fault))).rejects.toThrow();
    },
  );

  test("nobody needs to listen for its error", async () => {
    const stream = await open("truncated");
    stream.resume();
    await once(stream, "close").catch(() => undefined);
    expect(stream.destroyed).toBe(true);
  });
});

describe("a store that refuses", () => {
  test("a bucket that is not there is an error at once, and no missing blob", async () => {
    const { faulty, blobs } = await goWrong({ bucket: "another" });
    for (const name of ["put", "read", "readBytes", "remove", "removePrefix", "listOlderThan"]) {
      const before = faulty.seen.length;
      await expect(run(name, blobs), name).rejects.toThrow("NoSuchBucket, 404");
      expect(faulty.seen.length - before).toBe(1);
    }
  });

  test("a missing right is an error at once, and no missing blob", async () => {
    const { faulty, blobs } = await goWrong();
    faulty.always("denied");
    for (const name of ["put", "read", "readBytes", "remove", "removePrefix", "listOlderThan"]) {
      await expect(run(name, blobs), name).rejects.toThrow("AccessDenied, 403");
    }
    expect(faulty.seen.length).toBe(6);
  });
});

describe("what else is in the bucket", () => {
  const putByHand = async (key: string) => {
    const {
      bucket,
      region,
      credentials = { accessKeyId: "", secretAccessKey: "" },
    } = server.options;
    const place = { region, endpoint: server.origin, forcePathStyle: true };
    const client = new S3Client({ ...place, credentials });
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: "by hand" }));
    client.destroy();
  };

  test("things that are not ours are neither listed nor removed", async () => {
    const account = randomUUID();
    await putByHand(`${account}/README`);
    await direct.put(inputKey(account, randomUUID()), bytes);
    expect(await direct.removePrefix(`${account}/`)).toBe(1);
    expect((await list(direct)).filter((key) => key.includes("README"))).toEqual([]);
  });

  test("a blob that another program has put there, without a hash, can be read", async () => {
    const key = someKey();
    await putByHand(key);
    expect((await direct.readBytes(key, 100))?.toString()).toBe("by hand");
  });
});

describe("links", () => {
  const wish = (more: Partial<LinkWish> = {}): LinkWish => ({
    ...{ disposition: "inline", method: "GET", expiresAt: new Date(Date.now() + 3_600_000) },
    ...more,
  });
  const linkOf = async (key: string, more: Partial<LinkWish> = {}, blobs = direct) => {
    const link = await blobs.link?.(key, wish(more));
    if (!link) throw new Error("no link");
    return link;
  };

  test("a link opens the blob with our type and disposition, whatever the store keeps", async () => {
    const key = await storeOne();
    const { url } = await linkOf(key, { disposition: "attachment", filename: "a.webp" });
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(bytes.toString());
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "image/webp",
      "content-disposition": 'attachment; filename="a.webp"',
      "cache-control": "private, max-age=3600, immutable",
    });
  });

  test("a text is a download, also when it was wished in place", async () => {
    const key = `${randomUUID()}/${randomUUID()}/1/ab.txt`;
    await direct.put(key, bytes);
    const answer = await fetch((await linkOf(key)).url);
    expect(answer.headers.get("content-disposition")).toBe("attachment");
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  });

  test("a link for HEAD answers HEAD", async () => {
    const key = await storeOne();
    const { url } = await linkOf(key, { method: "HEAD" });
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, `${bytes.length}`]);
    expect(url).not.toBe((await linkOf(key)).url);
  });

  test("type, disposition and end are parts of what is signed", async () => {
    const key = someKey();
    const sign = async (of: string, more: Partial<LinkWish> = {}) =>
      new URL((await linkOf(of, more)).url).searchParams;
    const parts = Object.fromEntries(await sign(key));
    expect(parts).toMatchObject({
      "response-content-type": "image/webp",
      "response-content-disposition": "inline",
      "X-Amz-Expires": "600",
      "X-Amz-SignedHeaders": "host",
    });
    const signature = parts["X-Amz-Signature"];
    expect(signature).toMatch(/^[0-9a-f]{64}$/);
    for (const other of [await sign(someKey()), await sign(key, { disposition: "attachment" })]) {
      expect(other.get("X-Amz-Signature")).not.toBe(signature);
    }
  });

  test("asks within five minutes get the same link, which lives for five to ten", async () => {
    const at = { now: Date.UTC(2026, 10, 21, 12, 0, 1) };
    const blobs = createS3Blobs({ ...server.options, now: () => at.now });
    const urls = new Set<string>();
    const key = someKey();
    for (const minute of [0, 2, 4.9, 5, 9]) {
      at.now = Date.UTC(2026, 10, 21, 12, 0, 1) + minute * 60_000;
      const { url, expiresAt } = await linkOf(key, { expiresAt: new Date(at.now + 9e6) }, blobs);
      const lifeMs = expiresAt.getTime() - at.now;
      expect(lifeMs).toBeGreaterThanOrEqual(300_000);
      expect(lifeMs).toBeLessThanOrEqual(600_000);
      urls.add(url);
    }
    expect(urls.size).toBe(2);
  });

  test("a link ends with what it was wished for, and one that has ended opens nothing", async () => {
    const key = await storeOne();
    const at = Date.now() - 3_600_000;
    const blobs = createS3Blobs({ ...server.options, now: () => at });
    const expiresAt = new Date(Math.floor(at / 1000) * 1000 + 60_000);
    const link = await linkOf(key, { expiresAt }, blobs);
    expect(link.expiresAt).toEqual(expiresAt);
    expect((await fetch(link.url)).status).toBe(403);
  });

  test("a link leads to where browsers reach the store", async () => {
    const key = await storeOne();
    const { faulty } = await goWrong();
    const options = { ...server.options, publicEndpoint: faulty.origin };
    const { url } = await linkOf(key, {}, createS3Blobs(options));
    expect(url.startsWith(faulty.origin)).toBe(true);
    expect(await (await fetch(url)).text()).toBe(bytes.toString());
  });
});
