import { randomUUID } from "node:crypto";
import { insertUpload } from "@ducat/db/blobs";
import { completeItem } from "@ducat/db/items";
import { inputKey, outputKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import { createS3Blobs } from "@ducat/storage/s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { makeEntitled } from "../../../../packages/db/test/entitlement-factories.ts";
import { makeAccount, makeGeneration } from "../../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../../packages/db/test/invariants.ts";
import { claim } from "../../../../packages/db/test/work.ts";
import { type FaultyS3, startFaultyS3 } from "../../../../packages/storage/test/faulty-s3.ts";
import { type S3Server, startS3 } from "../../../../packages/storage/test/s3-server.ts";
import { startFileRounds } from "../file-rounds.ts";
import { defaultTimings } from "../timings.ts";
import { removeOrphans } from "./collect-files.ts";
import { removeOutdated } from "./remove-outdated.ts";

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

/** An upload that has expired. */
async function makeExpired(): Promise<string> {
  const { id } = await makeAccount(db.app);
  const key = inputKey(id, randomUUID());
  const { size, sha256 } = await blobs.put(key, Buffer.from("photo"));
  const picture = { type: "image/webp", width: 1, height: 1 };
  await insertUpload(db.app, id, { key, size, sha256, ...picture, lifetimeSeconds: -1 });
  return key;
}

const allThere = (keys: string[]) => Promise.all(keys.map((key) => blobs.has(key)));
const run = () => removeOutdated({ db: db.worker, blobs, log }, signal);

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
    const options = { graceMs: 24 * 3_600_000, signal };
    expect(await removeOrphans({ db: db.worker, blobs }, options)).toBe(2);
    expect(await allThere(keys)).toEqual([false, false]);
  });

  it("are looked for by one of several workers, once in a while", async () => {
    const keys = await makeOld(1, 2);
    const timings = { ...defaultTimings, filesMs: 5 };
    const lists = () => faulty.seen.filter((method) => method === "GET").length;
    const before = lists();
    const rounds = [1, 2, 3].flatMap(() => startFileRounds({ db: db.worker, blobs, log }, timings));
    await expect.poll(lists, { timeout: 10_000 }).toBe(before + 1);
    expect(await allThere(keys)).toEqual([false]);
    // Uploads are looked for in every round: once more of each worker, and no other list.
    for (let round = 0; round < 4; round += 1) {
      const expired = await makeExpired();
      await expect.poll(() => allThere([expired]), { timeout: 10_000 }).toEqual([false]);
    }
    await Promise.all(rounds.map((round) => round.stop()));
    expect(lists()).toBe(before + 1);
  });
});
