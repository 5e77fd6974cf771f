import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { startS3 } from "../test/s3-server.ts";
import { inputKey } from "./blob-key.ts";
import { checkStorageSettings, openBlobs, StorageSettings } from "./settings.ts";

const Checked = StorageSettings.extend({
  DUCAT_MODE: z.enum(["test", "live"]).default("test"),
}).superRefine(checkStorageSettings);

const faultsOf = (source: Record<string, string>) =>
  Checked.safeParse(source).error?.issues.map(({ path, message }) => `${path} ${message}`) ?? [];

const bucket = { S3_BUCKET: "files", S3_ACCESS_KEY_ID: "S3RVER", S3_SECRET_ACCESS_KEY: "S3RVER" };

describe("settings of the store", () => {
  test("nothing said means the disk; a bucket alone leaves the keys to the machine", () => {
    expect(faultsOf({})).toEqual([]);
    expect(faultsOf({ S3_BUCKET: "files" })).toEqual([]);
    expect(faultsOf({ ...bucket, S3_ENDPOINT: "http://s3:9000", S3_PREFIX: "a/b/" })).toEqual([]);
  });

  test("half a store doesn't start", () => {
    expect(faultsOf({ S3_ENDPOINT: "https://s3.example.com" })).toEqual([
      "S3_BUCKET is needed with S3_ENDPOINT",
    ]);
    expect(faultsOf({ S3_BUCKET: "files", S3_ACCESS_KEY_ID: "abc" })).toEqual([
      "S3_SECRET_ACCESS_KEY is needed with S3_ACCESS_KEY_ID",
    ]);
    expect(faultsOf({ ...bucket, S3_PUBLIC_ENDPOINT: "https://s3.example.com" })).toEqual([
      "S3_ENDPOINT is needed with S3_PUBLIC_ENDPOINT",
    ]);
  });

  test("in live mode links to files don't go over an open line", () => {
    const live = { ...bucket, DUCAT_MODE: "live", S3_ENDPOINT: "http://s3:9000" };
    expect(faultsOf(live).join()).toMatch(/^S3_ENDPOINT begins with https/);
    expect(faultsOf({ ...live, S3_PUBLIC_ENDPOINT: "https://s3.example.com" })).toEqual([]);
  });

  test.each([
    ["S3_BUCKET", "Not A Bucket"],
    ["S3_BUCKET", "a"],
    ["S3_ENDPOINT", "s3.example.com"],
    ["S3_ENDPOINT", "https://user:pw@s3.example.com"],
    ["S3_ENDPOINT", "https://s3.example.com/path"],
    ["S3_REGION", "eu central"],
    ["S3_FORCE_PATH_STYLE", "yes"],
    ["S3_PREFIX", "no-slash"],
    ["S3_PREFIX", "/leading/"],
    ["S3_PREFIX", "../"],
  ])("%s is refused as %s", (name, value) => {
    expect(faultsOf({ ...bucket, [name]: value }).join()).toContain(name);
  });

  test("the store that is opened is the one that was named", async () => {
    const DATA_DIR = await mkdtemp(join(tmpdir(), "blobs-"));
    onTestFinished(() => rm(DATA_DIR, { recursive: true }));
    const server = await startS3();
    onTestFinished(() => server.close());
    const S3 = { ...bucket, S3_ENDPOINT: server.origin, S3_FORCE_PATH_STYLE: "true" };
    const disk = await openBlobs(Checked.parse({ DATA_DIR }));
    const store = await openBlobs(Checked.parse({ DATA_DIR, ...S3, S3_PREFIX: "shop/" }));
    const key = inputKey(randomUUID(), randomUUID());
    await store.put(key, Buffer.from("x"));
    expect([await store.has(key), await disk.has(key)]).toEqual([true, false]);
    expect([store.link === undefined, disk.link === undefined]).toEqual([false, true]);
    const whole = await openBlobs(Checked.parse({ DATA_DIR, ...S3 }));
    expect(await whole.has(key)).toBe(false);
  });
});
