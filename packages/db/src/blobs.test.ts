import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { deleteExpiredUploads, findOrphanKeys, findUpload, insertUpload } from "./blobs.ts";
import { cancelGeneration } from "./generations.ts";

const database = useDatabase();

const makeUpload = (accountId: string, lifetimeSeconds = 60) =>
  insertUpload(database.app, accountId, {
    key: `${accountId}/inputs/${randomUUID()}.webp`,
    sha256: "x",
    type: "image/webp",
    size: 5_000_000_000,
    width: 4,
    height: 3,
    lifetimeSeconds,
  });

describe("an upload", () => {
  it("is found by its account until it expires", async () => {
    const { id } = await makeAccount(database.app);
    const upload = await makeUpload(id);
    expect(await findUpload(database.app, id, upload.id)).toEqual(upload);
    expect(upload).toMatchObject({ size: 5_000_000_000, width: 4 });
    expect(upload.expires_at?.getTime()).toBeGreaterThan(Date.now() + 50_000);
    const gone = await makeUpload(id, -1);
    expect(await findUpload(database.app, id, gone.id)).toBeUndefined();
  });

  it("is removed some time after it has expired, a limited number at once", async () => {
    const { id } = await makeAccount(database.app);
    const kept = await makeUpload(id);
    const expired = [
      await makeUpload(id, -30),
      await makeUpload(id, -20),
      await makeUpload(id, -10),
    ];
    const keys = expired.map((upload) => upload.key);
    // The longest expired first; others of this database may be due as well.
    const removed: string[] = [];
    for (let batch: string[] = [""]; batch.length > 0; removed.push(...batch)) {
      batch = await deleteExpiredUploads(database.worker, 2);
      expect(batch.length).toBeLessThanOrEqual(2);
    }
    expect(removed).toEqual(expect.arrayContaining(keys));
    expect(removed).not.toContain(kept.key);
    expect(await findUpload(database.app, id, kept.id)).toEqual(kept);
  });

  it("stays while an item has still to start from it", async () => {
    const { id } = await makeAccount(database.app, 10);
    const [own, shared, other] = [
      await makeUpload(id, -30),
      await makeUpload(id, -30),
      await makeUpload(id, -30),
    ];
    const input = { type: "photo", photo_id: shared.id, photo_key: shared.key } as never;
    const made = await makeGeneration(database.app, id, { input });
    const row = await makeGeneration(database.app, id);
    await database.admin`
      UPDATE ducat.generation_items SET input = jsonb_build_object('photo_key', ${own.key}::text)
      WHERE account_id = ${id} AND generation_id = ${row.id}`;
    const removed = await deleteExpiredUploads(database.worker, 1_000);
    expect(removed).toContain(other.key);
    expect(removed).not.toContain(own.key);
    expect(removed).not.toContain(shared.key);
    for (const generation of [made, row]) {
      await cancelGeneration(database.app, id, generation.id);
    }
    const keys = [own.key, shared.key];
    expect(await deleteExpiredUploads(database.worker, 1_000)).toEqual(
      expect.arrayContaining(keys),
    );
  });
});

describe("an orphan", () => {
  it("is a file of a known account to which no row refers", async () => {
    const { id } = await makeAccount(database.app);
    const upload = await makeUpload(id);
    const orphan = `${id}/inputs/${randomUUID()}.webp`;
    const foreign = `${randomUUID()}/inputs/x.webp`;
    const strange = ["README", "lost+found/x", "", `${id.slice(1)}/x`];
    const found = await findOrphanKeys(database.worker, [upload.key, orphan, foreign, ...strange]);
    expect(found).toEqual([orphan]);
  });
});
