import { createHash, randomUUID } from "node:crypto";
import { insertUpload } from "@ducat/db/blobs";
import { inputKey, outputKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import { createS3Blobs } from "@ducat/storage/s3";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { makeAccount } from "../../../../packages/db/test/factories.ts";
import { startFaultyS3 } from "../../../../packages/storage/test/faulty-s3.ts";
import { type S3Server, startS3 } from "../../../../packages/storage/test/s3-server.ts";
import { type Kept, stores } from "../../../../packages/storage/test/stores.ts";
import { runTask } from "../../test/run-task.ts";
import { createCollectOrphans, createRemoveUploads } from "./collect-files.ts";

const hour = 3_600_000;

const removeUploads = (blobs: Blobs) => runTask(db.worker, createRemoveUploads(blobs));
/** A few files at a time, so that it takes several batches. */
const collectOrphans = (blobs: Blobs) =>
  runTask(db.worker, createCollectOrphans(blobs, { graceMs: 24 * hour, limit: 2 }));

let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db.close());

const isKnown = async (key: string) =>
  (await db.admin`SELECT FROM ducat.blobs WHERE key = ${key}`).length === 1;

async function upload(blobs: Blobs, lifetimeSeconds: number): Promise<string> {
  const account = await makeAccount(db.app);
  const key = inputKey(account.id, randomUUID());
  const { size, sha256 } = await blobs.put(key, Buffer.from("photo"));
  const picture = { type: "image/webp", width: 1, height: 1 };
  await insertUpload(db.app, account.id, { key, size, sha256, ...picture, lifetimeSeconds });
  return key;
}

/** A result that no row refers to, last written some hours ago. */
async function orphan(kept: Kept, hoursAgo: number, accountId: string): Promise<string> {
  const sha256 = createHash("sha256").update(randomUUID()).digest("hex");
  const item = { itemId: randomUUID(), attempt: 1 };
  const key = outputKey({ ...item, accountId, sha256, extension: "webp" });
  await kept.blobs.put(key, Buffer.from("picture"));
  await kept.age(key, new Date(Date.now() - hoursAgo * hour));
  return key;
}

describe.each(stores)("files on $name", ({ open }) => {
  let kept: Kept;
  let blobs: Blobs;
  beforeAll(async () => {
    kept = await open();
    blobs = kept.blobs;
  });
  afterAll(() => kept.close());

  it("removes expired uploads, row and file, and keeps the others", async () => {
    const [expired, fresh] = [await upload(blobs, -1), await upload(blobs, hour)];
    expect(await removeUploads(blobs)).toBe(1);
    expect([await isKnown(expired), await blobs.has(expired)]).toEqual([false, false]);
    expect([await isKnown(fresh), await blobs.has(fresh)]).toEqual([true, true]);
    expect(await removeUploads(blobs)).toBe(0);
  });

  it("removes files without a row once their grace is over", async () => {
    const used = await upload(blobs, hour);
    await kept.age(used, new Date(Date.now() - 30 * hour));
    const { id } = await makeAccount(db.app);
    const old = [await orphan(kept, 30, id), await orphan(kept, 31, id)];
    const young = await orphan(kept, 1, id);
    expect(await collectOrphans(blobs)).toBe(2);
    for (const key of old) expect(await blobs.has(key)).toBe(false);
    expect([await blobs.has(young), await blobs.has(used)]).toEqual([true, true]);
  });

  it("leaves the files of another database alone", async () => {
    const foreign = await orphan(kept, 30, randomUUID());
    await collectOrphans(blobs);
    expect(await blobs.has(foreign)).toBe(true);
  });
});

describe("a store that goes away meanwhile", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server.close());

  const goWrong = async () => {
    const faulty = await startFaultyS3(server.origin);
    onTestFinished(() => faulty.close());
    return { faulty, blobs: createS3Blobs({ ...server.options, endpoint: faulty.origin }) };
  };

  it("loses no file: what could not be removed is an orphan, and goes when it is back", async () => {
    const { faulty, blobs } = await goWrong();
    const key = await upload(blobs, -1);
    faulty.always("broken");
    const cut = removeUploads(blobs);
    await expect(cut).rejects.toMatchObject({ code: "unavailable" });
    expect(await isKnown(key)).toBe(false);
    await expect(collectOrphans(blobs)).rejects.toThrow();
    faulty.always(undefined);
    expect(await blobs.has(key)).toBe(true);
    await server.age(key, new Date(Date.now() - 30 * hour));
    expect(await collectOrphans(blobs)).toBe(1);
    expect(await blobs.has(key)).toBe(false);
  });
});
