/// <reference path="./s3rver.d.ts" />
import crypto from "node:crypto";
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import S3rver, { type S3Object } from "s3rver";
import type { S3Options } from "../src/s3.ts";

export type S3Server = {
  origin: string;
  /** What a store needs to speak to it. */
  options: S3Options;
  /** Makes an object of the bucket as old as that. */
  age(key: string, at: Date): Promise<void>;
  close(): Promise<void>;
};

const bucket = "files";

/** An S3 server with one empty bucket. */
export async function startS3(): Promise<S3Server> {
  bringDesBack();
  const directory = await mkdtemp(join(tmpdir(), "s3-"));
  const server = new S3rver({
    ...{ directory, port: 0, address: "127.0.0.1", silent: true },
    configureBuckets: [{ name: bucket, configs: [] }],
  });
  writeWhole(server.store);
  const { port }: AddressInfo = await server.run();
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    options: {
      bucket,
      region: "us-east-1",
      endpoint: origin,
      credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
      forcePathStyle: true,
      pauseMs: 5,
      pageKeys: 3,
    },
    age: (key, at) => utimes(join(directory, bucket, `${key}._S3rver_object`), at, at),
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * This server answers before a file is written and mixes up two writes of one key. With S3 a write
 * is whole when it is answered, and the last one wins.
 */
function writeWhole(store: S3rver["store"]): void {
  const write = async ({ bucket, key, content, metadata }: S3Object) => {
    const bytes = Buffer.isBuffer(content) ? content : await buffer(content);
    const path = store.getResourcePath(bucket, key, "object");
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.draft`, bytes);
    await rename(`${path}.draft`, path);
    const md5 = crypto.createHash("md5").update(bytes).digest("hex");
    await store.putMetadata(bucket, key, metadata, md5);
    return { size: bytes.length, md5 };
  };
  let last: Promise<unknown> = Promise.resolve();
  store.putObject = (object) => {
    const written = last.then(() => write(object));
    last = written.catch(() => undefined);
    return written;
  };
}

let hasDes = false;

/**
 * This server makes its page tokens with DES, which OpenSSL 3 has no more, but for its triple form:
 * with one key three times they are the same.
 */
function bringDesBack(): void {
  if (hasDes) return;
  hasDes = true;
  const thrice = (key: Buffer) => Buffer.concat([key, key, key]);
  for (const name of ["createCipheriv", "createDecipheriv"] as const) {
    const make = crypto[name] as (algorithm: string, key: Buffer, iv: Buffer) => unknown;
    const patched = (algorithm: string, key: Buffer, iv: Buffer) =>
      algorithm === "des" ? make("des-ede3-cbc", thrice(key), iv) : make(algorithm, key, iv);
    Object.assign(crypto, { [name]: patched });
  }
}
