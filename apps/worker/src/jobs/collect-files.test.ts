import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { insertUpload } from "@ducat/db/blobs";
import { inputKey, outputKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import { createDiskBlobs } from "@ducat/storage/disk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { makeAccount } from "../../../../packages/db/test/factories.ts";
import { removeExpiredUploads, removeOrphans } from "./collect-files.ts";

let db: TestDatabase;
let dir: string;
let blobs: Blobs;
beforeAll(async () => {
  db = await cloneDatabase();
  dir = await mkdtemp(join(tmpdir(), "ducat-files-"));
  blobs = createDiskBlobs({ dir });
});
afterAll(async () => {
  await db.close();
  await rm(dir, { recursive: true, force: true });
});

const hour = 3_600_000;
const { signal } = new AbortController();
const upload = async (lifetimeSeconds: number) => {
  const account = await makeAccount(db.app);
  const key = inputKey(account.id, randomUUID());
  const { size, sha256 } = await blobs.put(key, Buffer.from("photo"));
  const picture = { type: "image/webp", width: 1, height: 1 };
  await insertUpload(db.app, account.id, { key, size, sha256, ...picture, lifetimeSeconds });
  return key;
};
const isKnown = async (key: string) =>
  (await db.admin`SELECT FROM ducat.blobs WHERE key = ${key}`).length === 1;
/** A result that no row refers to, last written some hours ago. */
const orphan = async (hoursAgo: number, accountId: string) => {
  const sha256 = createHash("sha256").update(randomUUID()).digest("hex");
  const item = { itemId: randomUUID(), attempt: 1 };
  const key = outputKey({ ...item, accountId, sha256, extension: "webp" });
  await blobs.put(key, Buffer.from("picture"));
  await age(key, hoursAgo);
  return key;
};
const age = (key: string, hours: number) => {
  const at = new Date(Date.now() - hours * hour);
  return utimes(join(dir, "blobs", key), at, at);
};

it("removes expired uploads, row and file, and keeps the others", async () => {
  const [expired, fresh] = [await upload(-1), await upload(hour)];
  expect(await removeExpiredUploads({ db: db.worker, blobs }, signal)).toBe(1);
  expect([await isKnown(expired), await blobs.has(expired)]).toEqual([false, false]);
  expect([await isKnown(fresh), await blobs.has(fresh)]).toEqual([true, true]);
  expect(await removeExpiredUploads({ db: db.worker, blobs }, signal)).toBe(0);
});

it("removes files without a row once their grace is over", async () => {
  const used = await upload(hour);
  await age(used, 30);
  const { id } = await makeAccount(db.app);
  const [old, young] = [await orphan(30, id), await orphan(1, id)];
  const options = { graceMs: 24 * hour, signal };
  expect(await removeOrphans({ db: db.worker, blobs }, options)).toBe(1);
  expect(await blobs.has(old)).toBe(false);
  expect(await blobs.has(young)).toBe(true);
  expect(await blobs.has(used)).toBe(true);
});

it("leaves the files of another database alone", async () => {
  const foreign = await orphan(30, randomUUID());
  await removeOrphans({ db: db.worker, blobs }, { graceMs: 24 * hour, signal });
  expect(await blobs.has(foreign)).toBe(true);
});
