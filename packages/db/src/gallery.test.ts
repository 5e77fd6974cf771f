import { randomUUID } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadCatalog } from "../../../infra/catalog/load-catalog.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import {
  assertGallery,
  keepImage,
  makeResult,
  makeThumbnail,
  makeUpload,
} from "../test/gallery.ts";
import { atOnce, makeRandom, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { claim, complete } from "../test/work.ts";
import { createAccount } from "./accounts.ts";
import { deleteExpiredUploads, findOrphanKeys, findUpload } from "./blobs.ts";
import type { Db } from "./connect.ts";
import { eraseAccount } from "./erasures.ts";
import { deleteGeneration } from "./generations.ts";
import { deleteImage, findImage, findResultThumbnail, prepareImage, saveImage } from "./images.ts";
import { updateProfile } from "./profiles.ts";

const database = useDatabase();
// Free users have five places, vendors ten.
beforeAll(() => loadCatalog({ adminUrl: database.url, catalog: "stylist" }).then(() => undefined));
afterEach(() => assertGallery(database.admin));

const makeUser = async () => (await makeAccount(database.app)).id;
const upload = async (accountId: string) => (await makeUpload(database.app, accountId)).id;
const keep = (accountId: string, uploadId: string) =>
  keepImage(database.app, accountId, { uploadId });
const keepNew = async (accountId: string) => keep(accountId, await upload(accountId));
const countUsed = async (accountId: string): Promise<number> => {
  const [row] = await database.admin`
    SELECT used FROM ducat.usage_counters
    WHERE account_id = ${accountId} AND feature = 'gallery_images'`;
  return row?.used ?? 0;
};
const purposes = async (accountId: string) => {
  const rows = await database.admin`
    SELECT purpose, count(*) AS n FROM ducat.blobs WHERE account_id = ${accountId}
    GROUP BY purpose`;
  return Object.fromEntries(rows.map(({ purpose, n }) => [purpose, n]));
};
/** How many calls succeeded, and how often each code refused. */
const countOutcomes = async (calls: Promise<unknown>[]) => {
  const counts: Record<string, number> = {};
  for (const call of await Promise.allSettled(calls)) {
    if (call.status === "rejected" && !(call.reason instanceof DomainError)) throw call.reason;
    const name = call.status === "fulfilled" ? "ok" : call.reason.code;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
};

describe("an upload that is kept", () => {
  it("takes a place once, stays, and can still be started from", async () => {
    const account = await makeUser();
    const uploadId = await upload(account);
    const { id, replayed } = await keep(account, uploadId);
    expect(replayed).toBe(false);
    expect(await keep(account, uploadId)).toEqual({ id, replayed: true });
    expect(await prepareImage(database.app, account, { uploadId })).toMatchObject({ image_id: id });
    expect([await countUsed(account), await purposes(account)]).toEqual([
      1,
      { gallery: 1, thumbnail: 1 },
    ]);
    const found = await findUpload(database.app, account, uploadId);
    expect(found?.expires_at).toBeNull();
    expect(await findUpload(database.app, account, id)).toEqual(found);
    expect(await findImage(database.app, account, id)).toMatchObject({ kind: "user", tags: [] });
  });

  it("is no avatar any more, and an avatar is no image", async () => {
    const account = await makeUser();
    const [kept, avatar] = [await upload(account), await upload(account)];
    await keep(account, kept);
    await updateProfile(database.app, account, { avatar });
    const unknown = { code: "not_found", detail: { extra: { what: "upload" } } };
    const change = { avatar: kept };
    await expect(updateProfile(database.app, account, change)).rejects.toMatchObject(unknown);
    await expect(keep(account, avatar)).rejects.toMatchObject(unknown);
  });

  it("has to be there, and not expired", async () => {
    const account = await makeUser();
    const expired = (await makeUpload(database.app, account, -1)).id;
    const { thumbnail_key } = (await findImage(
      database.app,
      account,
      (
        await keepNew(account)
      ).id,
    )) ?? { thumbnail_key: "" };
    const [thumbnail] = await database.admin`
      SELECT id FROM ducat.blobs WHERE key = ${thumbnail_key}`;
    for (const id of [expired, randomUUID(), thumbnail?.id]) {
      await expect(keep(account, id)).rejects.toMatchObject({ code: "not_found" });
    }
  });

  it("stays when it was just about to be removed", async () => {
    const account = await makeUser();
    const { id: uploadId, expires_at, key } = await makeUpload(database.app, account, 2);
    let removing: Promise<string[]> | undefined;
    await database.app.begin(async (sql) => {
      const image = { source: { uploadId }, details: {}, thumbnail: makeThumbnail(account) };
      await saveImage(sql as unknown as Db, account, image);
      await expect
        .poll(() => database.admin`SELECT clock_timestamp() > ${expires_at} AS is_past`, {
          timeout: 10_000,
        })
        .toEqual([{ is_past: true }]);
      removing = deleteExpiredUploads(database.worker, 100);
      await waitForLocks(database.admin);
    });
    expect(await removing).not.toContain(key);
    expect(await findUpload(database.app, account, uploadId)).toMatchObject({ key });
  });
});

describe("a place in the gallery", () => {
  it("is taken by exactly as many of 100 at once as the plan has", async () => {
    const account = await makeUser();
    const uploads = await Promise.all(Array.from({ length: 100 }, () => upload(account)));
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const calls = atOnce(sessions, 100, (session, index) =>
      keepImage(session, account, { uploadId: uploads[index] ?? "" }),
    );
    expect(await countOutcomes(calls)).toEqual({ ok: 5, quota_exceeded: 95 });
    expect(await countUsed(account)).toBe(5);
    // The rest waits for its end as before.
    expect(await purposes(account)).toEqual({ input: 95, gallery: 5, thumbnail: 5 });
    const left = await database.admin`
      SELECT FROM ducat.blobs
      WHERE account_id = ${account} AND purpose = 'input' AND expires_at IS NULL`;
    expect(left).toHaveLength(0);
  });

  it("is refused with what the plan has and which has more, before and at the row", async () => {
    const { account: vendor } = await createAccount(database.app, {
      external_id: randomUUID(),
      kind: "vendor",
    });
    for (let n = 0; n < 10; n++) await keepNew(vendor.id);
    const uploadId = await upload(vendor.id);
    const full = {
      code: "quota_exceeded",
      detail: {
        extra: {
          quota: "gallery_images",
          limit: 10,
          current: 10,
          resets_at: null,
          upgrade: "vendor_pro",
        },
      },
    };
    await expect(keep(vendor.id, uploadId)).rejects.toMatchObject(full);
    await expect(prepareImage(database.app, vendor.id, { uploadId })).rejects.toMatchObject(full);
    expect(await countUsed(vendor.id)).toBe(10);
  });

  it("is one for the same upload, however often it is sent at once", async () => {
    const account = await makeUser();
    const uploadId = await upload(account);
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const saved = await Promise.all(
      atOnce(sessions, 16, (session) => keepImage(session, account, { uploadId })),
    );
    expect(new Set(saved.map(({ id }) => id)).size).toBe(1);
    expect(saved.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await purposes(account)).toEqual({ gallery: 1, thumbnail: 1 });
  });

  it("is given back once, however often it is asked for at once", async () => {
    const account = await makeUser();
    await keepNew(account);
    const { id } = await keepNew(account);
    const sessions = await openSessions(database.url, "ducat_app", 8);
    const calls = atOnce(sessions, 16, (session) => deleteImage(session, account, id));
    expect(await countOutcomes(calls)).toEqual({ ok: 1, not_found: 15 });
    expect(await countUsed(account)).toBe(1);
  });

  it("is free again for another, also beyond what a smaller plan has", async () => {
    const account = await makeUser();
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push((await keepNew(account)).id);
    await database.admin`
      UPDATE ducat.products SET features = jsonb_set(features, '{gallery_images,limit}', '3')
      WHERE key = 'free'`;
    try {
      await deleteImage(database.app, account, ids[0] ?? "");
      const full = { code: "quota_exceeded", detail: { extra: { limit: 3, current: 4 } } };
      await expect(keepNew(account)).rejects.toMatchObject(full);
      for (const id of ids.slice(1, 3)) await deleteImage(database.app, account, id);
      await keepNew(account);
      expect(await countUsed(account)).toBe(3);
    } finally {
      await database.admin`
        UPDATE ducat.products SET features = jsonb_set(features, '{gallery_images,limit}', '5')
        WHERE key = 'free'`;
    }
  });

  it("is counted where the catalog has no such limit, too", async () => {
    const account = await makeUser();
    await database.admin`UPDATE ducat.products SET is_default = false WHERE key = 'free'`;
    try {
      const ids = [];
      for (let n = 0; n < 7; n++) ids.push((await keepNew(account)).id);
      for (const id of ids.slice(0, 4)) await deleteImage(database.app, account, id);
    } finally {
      await database.admin`UPDATE ducat.products SET is_default = true WHERE key = 'free'`;
    }
    expect(await countUsed(account)).toBe(3);
  });
});

describe("a result that is kept", () => {
  const keepResult = (account: string, itemId: string) =>
    keepImage(database.app, account, { itemId });

  it("outlives its generation, and goes with its image then", async () => {
    const account = await makeUser();
    const { id: generation, itemId, key } = await makeResult(database, account);
    const { id } = await keepResult(account, itemId);
    expect(await keepResult(account, itemId)).toEqual({ id, replayed: true });
    expect(await findImage(database.app, account, id)).toMatchObject({
      ...{ kind: "result", key, generation_id: generation, item_id: itemId },
    });
    expect(await deleteGeneration(database.app, account, generation)).toEqual([]);
    const image = await findImage(database.app, account, id);
    expect(image).toMatchObject({ key });
    const keys = await deleteImage(database.app, account, id);
    expect(keys.sort()).toEqual([key, image?.thumbnail_key].sort());
    expect(await purposes(account)).toEqual({});
  });

  it("has the generation's thumbnail until that goes, and the gallery's beside it", async () => {
    const account = await makeUser();
    const thumbnailKey = `${account}/${randomUUID()}/1/thumbnails/ab.webp`;
    const { id: generation, itemId, key } = await makeResult(database, account, { thumbnailKey });
    expect(await findResultThumbnail(database.app, account, itemId)).toMatchObject({
      ...{ key: thumbnailKey, width: 4, height: 3 },
    });
    const other = await makeUser();
    expect(await findResultThumbnail(database.app, other, itemId)).toBeUndefined();
    const { id } = await keepResult(account, itemId);
    const image = await findImage(database.app, account, id);
    expect(await deleteImage(database.app, account, id)).toEqual([image?.thumbnail_key]);
    expect(await purposes(account)).toEqual({ output: 1, thumbnail: 1 });
    await keepResult(account, itemId);
    expect(await deleteGeneration(database.app, account, generation)).toEqual([thumbnailKey]);
    expect(await purposes(account)).toEqual({ gallery: 1, thumbnail: 1 });
    expect(await findOrphanKeys(database.worker, [key, thumbnailKey])).toEqual([thumbnailKey]);
    expect(await findResultThumbnail(database.app, account, itemId)).toBeUndefined();
  });

  it("is the generation's again when it leaves the gallery", async () => {
    const account = await makeUser();
    const { id: generation, itemId, key } = await makeResult(database, account);
    const { id } = await keepResult(account, itemId);
    const image = await findImage(database.app, account, id);
    expect(await deleteImage(database.app, account, id)).toEqual([image?.thumbnail_key]);
    expect(await purposes(account)).toEqual({ output: 1 });
    const again = await keepResult(account, itemId);
    expect([again.replayed, again.id === id]).toEqual([false, false]);
    await deleteImage(database.app, account, again.id);
    expect(await deleteGeneration(database.app, account, generation)).toEqual([key]);
  });

  it("is a picture that has been made, and not forgotten", async () => {
    const account = await makeUser();
    const text = await makeGeneration(database.app, account, { unitCost: 0 });
    await complete(database.worker, await claim(database.worker, account, text));
    const pending = await makeGeneration(database.app, account, { unitCost: 0 });
    const gone = await makeResult(database, account);
    await deleteGeneration(database.app, account, gone.id);
    const refused = async (itemId = "") =>
      keepResult(account, itemId).then(
        () => "kept",
        (error: DomainError) => [error.code, error.detail.extra],
      );
    expect(await refused(text.item_ids[0])).toEqual(["invalid_state", { reason: "text" }]);
    expect(await refused(pending.item_ids[0])).toEqual(["invalid_state", { status: "pending" }]);
    expect(await refused(gone.itemId)).toEqual(["not_found", { what: "item" }]);
    expect(await refused(randomUUID())).toEqual(["not_found", { what: "item" }]);
    expect(await countUsed(account)).toBe(0);
  });

  it("has an owner or is gone, whoever lets go of it at once", async () => {
    const account = await makeUser();
    const sessions = await openSessions(database.url, "ducat_app", 6);
    const random = makeRandom(7);
    const seen = new Set<string>();
    for (let round = 0; round < 30; round++) {
      const { id: generation, itemId, key } = await makeResult(database, account);
      const image = random(3) > 0 ? await keepResult(account, itemId) : undefined;
      const acts: ((session: Db) => Promise<unknown>)[] = [
        (session) => keepImage(session, account, { itemId }),
        (session) => deleteGeneration(session, account, generation),
        (session) => deleteImage(session, account, image?.id ?? randomUUID()),
        (session) => keepImage(session, account, { itemId }),
      ];
      acts.sort(() => random(3) - 1);
      const calls = atOnce(
        sessions,
        4,
        (session, index) => acts[index]?.(session) ?? Promise.resolve(),
      );
      for (const name of Object.keys(await countOutcomes(calls))) seen.add(name);
      await assertGallery(database.admin);
      const [left] = await database.admin`
        SELECT i.id FROM ducat.images i JOIN ducat.blobs b ON b.id = i.blob_id
        WHERE b.key = ${key}`;
      if (left) await deleteImage(database.app, account, left.id);
      const known = await database.admin`SELECT FROM ducat.blobs WHERE key = ${key}`;
      expect(known).toHaveLength(0);
    }
    expect([...seen].sort()).toEqual(["not_found", "ok"]);
  });
});

describe("the files of a gallery", () => {
  it("are no orphans, and go with the account", async () => {
    const account = await makeUser();
    const other = await makeUser();
    await keepNew(other);
    const { itemId } = await makeResult(database, account);
    const ids = [
      (await keepNew(account)).id,
      (await keepImage(database.app, account, { itemId })).id,
    ];
    const images = await Promise.all(ids.map((id) => findImage(database.app, account, id)));
    const keys = images.flatMap((one) => [one?.key ?? "", one?.thumbnail_key ?? ""]);
    expect(await findOrphanKeys(database.worker, keys)).toEqual([]);
    const audit = { actor: "test", request_id: "r", ip: null };
    const erased = await eraseAccount(database.app, account, { isConfirmed: false, audit });
    expect(erased.sort()).toEqual(keys.sort());
    expect([await countUsed(account), await countUsed(other)]).toEqual([0, 1]);
    await expect(keep(account, randomUUID())).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "erased" } } },
    });
  });
});
