import { randomUUID } from "node:crypto";
import { completeItem } from "@ducat/db/items";
import { outputKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import { createS3Blobs } from "@ducat/storage/s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { makeEntitled } from "../../../../packages/db/test/entitlement-factories.ts";
import { makeGeneration } from "../../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../../packages/db/test/invariants.ts";
import { claim } from "../../../../packages/db/test/work.ts";
import { type FaultyS3, startFaultyS3 } from "../../../../packages/storage/test/faulty-s3.ts";
import { type S3Server, startS3 } from "../../../../packages/storage/test/s3-server.ts";
import { runTask } from "../../test/run-task.ts";
import { createCollectOrphans } from "./collect-files.ts";
import { createRemoveOutdated } from "./remove-outdated.ts";

const { signal } = new AbortController();
const log = { info() {}, warn() {}, error() {} };

let db: TestDatabase;
let server: S3Server;
let faulty: FaultyS3;
let blobs: Blobs;
beforeAll(async () => {
  [db, server] = await Promise.all([cloneDatabase(), startS3()]);
  faulty = await startFaultyS3(server.origin);
  blobs = createS3Blobs({ ...server.options, endpoint: faulty.origin, pageKeys: 1_000 });
});
afterAll(async () => {
  await assertInvariants(db.admin);
  await faulty.close();
  await Promise.all([db.close(), server.close()]);
});

/** An account that keeps results for a day, with some that are that many days old. */
async function makeOld(count: number, days: number) {
  const limits = { retention_days: 1 };
  const { id: accountId } = await makeEntitled({ app: db.app, admin: db.admin }, {}, { limits });
  const keys: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const made = await makeGeneration(db.app, accountId, { unitCost: 0 });
    const item = await claim(db.worker, accountId, made);
    const place = { accountId, itemId: item.item_id, attempt: 1 };
    const key = outputKey({ ...place, sha256: randomUUID(), extension: "webp" });
    const { size, sha256 } = await blobs.put(key, Buffer.from("picture"));
    const picture = { kind: "image", key, type: "image/webp", width: 1, height: 1 } as const;
    await completeItem(db.worker, item, { output: { ...picture, size, sha256 }, usage: {} });
    keys.push(key);
  }
  await db.admin`
    UPDATE ducat.generation_items SET completed_at = completed_at - make_interval(days => ${days})
    WHERE account_id = ${accountId}`;
  return keys;
}

const allThere = (keys: string[]) => Promise.all(keys.map((key) => blobs.has(key)));
const run = () => runTask(db.worker, createRemoveOutdated(blobs));

describe("results that are kept no longer", () => {
  it("go from every account, row and file; the others stay", async () => {
    const [mine, other, young] = [await makeOld(3, 2), await makeOld(1, 2), await makeOld(2, 0)];
    expect(await run()).toBe(4);
    expect(await allThere([...mine, ...other])).toEqual([false, false, false, false]);
    expect(await allThere(young)).toEqual([true, true]);
    expect(await run()).toBe(0);
  });

  it("are orphans when the store goes away in between, and are collected when it is back", async () => {
    const keys = await makeOld(2, 2);
    faulty.always("broken");
    await expect(run()).rejects.toMatchObject({ code: "unavailable" });
    faulty.always(undefined);
    expect(await allThere(keys)).toEqual([true, true]);
    expect(await run()).toBe(0);
    const dayAgo = new Date(Date.now() - 25 * 3_600_000);
    for (const key of keys) await server.age(key, dayAgo);
    const collect = createCollectOrphans(blobs, { graceMs: 24 * 3_600_000 });
    expect(await runTask(db.worker, collect)).toBe(2);
    expect(await allThere(keys)).toEqual([false, false]);
  });

  it("go in bounded batches, and none is passed over between two of them", async () => {
    const keys = [...(await makeOld(1, 2)), ...(await makeOld(1, 2)), ...(await makeOld(1, 2))];
    const remove = createRemoveOutdated(blobs, { limit: 1 });
    const context = { db: db.worker, log, signal, cursor: null, saveCursor: async () => {} };
    expect(await remove(context)).toEqual({ done: 1, more: true });
    expect((await allThere(keys)).filter(Boolean)).toHaveLength(2);
    expect(await runTask(db.worker, remove)).toBe(2);
    expect(await allThere(keys)).toEqual([false, false, false]);
  });

  it("are looked through account by account, from where a run was cut short", async () => {
    const keys = [...(await makeOld(1, 2)), ...(await makeOld(1, 2))];
    const first = [...keys].sort()[0] ?? "";
    const places: unknown[] = [];
    const remove = createRemoveOutdated(blobs);
    const context = { db: db.worker, log, signal, cursor: first.slice(0, 36) };
    const saveCursor = async (at: unknown) => void places.push(at);
    expect(await remove({ ...context, saveCursor })).toEqual({ done: 1, more: false });
    expect(await blobs.has(first)).toBe(true);
    // A place that this release can't read is the beginning.
    const anew = await remove({ ...context, saveCursor, cursor: { of: "another release" } });
    expect(anew).toEqual({ done: 1, more: false });
    expect(await allThere(keys)).toEqual([false, false]);
    expect(places).toEqual([]);
  });
});
