import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { audit, makeEntitled, makeFeatured } from "../test/entitlement-factories.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { assertGallery, keepImage, makeResult } from "../test/gallery.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { listEntries } from "./credits.ts";
import { assignPlan } from "./entitlements.ts";
import { deleteGeneration, findGeneration } from "./generations.ts";
import { deleteImage } from "./images.ts";
import { findOutdatedAccounts, removeOutdatedResults } from "./retention.ts";

const database = useDatabase();

/** An account whose plan keeps results for so many days. */
async function makeKeeper(retention_days?: number): Promise<string> {
  const limits = retention_days === undefined ? {} : { retention_days };
  return (await makeEntitled(database, {}, { limits })).id;
}

const age = (itemId: string, days: number) => database.admin`
  UPDATE ducat.generation_items SET completed_at = completed_at - make_interval(days => ${days})
  WHERE id = ${itemId}`;

/** A picture that was made so many days ago. */
async function makeOld(accountId: string, days: number) {
  const result = await makeResult(database, accountId);
  await age(result.itemId, days);
  return result;
}

const remove = (accountId: string, limit = 100) =>
  removeOutdatedResults(database.worker, accountId, limit);

async function outputOf(accountId: string, generationId: string) {
  const found = await findGeneration(database.app, accountId, generationId);
  const item = found?.items[0];
  return item && { output: item.output, removedAt: item.output_removed_at };
}

const hasBlob = async (key: string) =>
  (await database.admin`SELECT FROM ducat.blobs WHERE key = ${key}`).length === 1;

/** Whether the rounds come upon an account, through all pages. */
async function isDue(accountId: string, limit = 500): Promise<boolean> {
  let after: string | undefined;
  for (let pages = 0; pages < 1_000; pages += 1) {
    const { lastId, due } = await findOutdatedAccounts(database.worker, { after, limit });
    if (due.includes(accountId)) return true;
    if (lastId === null) return false;
    after = lastId;
  }
  throw new Error("pages without an end");
}

describe("a result that is older than the plan keeps it", () => {
  it("goes, with its file's row, and the item says since when; younger ones stay", async () => {
    const id = await makeKeeper(7);
    const [old, young] = [await makeOld(id, 8), await makeOld(id, 6)];
    expect(await isDue(id)).toBe(true);
    expect(await remove(id)).toEqual({ items: 1, keys: [old.key] });
    const gone = await outputOf(id, old.id);
    expect(gone?.output).toBeNull();
    expect(Date.now() - Date.parse(gone?.removedAt ?? "")).toBeLessThan(60_000);
    expect(await outputOf(id, young.id)).toMatchObject({ output: { key: young.key } });
    expect([await hasBlob(old.key), await hasBlob(young.key)]).toEqual([false, true]);
    expect(await isDue(id)).toBe(false);
    expect(await remove(id)).toEqual({ items: 0, keys: [] });
  });

  it("goes with its thumbnail, which the gallery does not keep", async () => {
    const id = await makeKeeper(1);
    const small = () => `${id}/${randomUUID()}/1/thumbnails/ab.webp`;
    const [one, other] = [small(), small()];
    const gone = await makeResult(database, id, { thumbnailKey: one });
    const kept = await makeResult(database, id, { thumbnailKey: other });
    await keepImage(database.app, id, { itemId: kept.itemId });
    for (const { itemId } of [gone, kept]) await age(itemId, 2);
    const { items, keys } = await remove(id);
    expect([items, keys.sort()]).toEqual([2, [gone.key, one, other].sort()]);
    expect(await Promise.all([one, other, kept.key].map(hasBlob))).toEqual([false, false, true]);
    await assertGallery(database.admin);
  });

  it("goes when it is a text as well; what was paid for it stays in the ledger", async () => {
    const id = await makeKeeper(1);
    const made = await makeGeneration(database.app, id);
    await complete(database.worker, await claim(database.worker, id, made));
    await age(made.item_ids[0] ?? "", 2);
    const before = await listEntries(database.app, id, { limit: 10 });
    expect(await remove(id)).toEqual({ items: 1, keys: [] });
    const found = await findGeneration(database.app, id, made.id);
    expect(found).toMatchObject({
      status: "completed",
      cost: 1,
      items: [{ cost: 1, output: null }],
    });
    expect(await listEntries(database.app, id, { limit: 10 })).toEqual(before);
  });

  it("stays for ever where the plan doesn't say, and where there is no plan", async () => {
    for (const id of [await makeKeeper(), (await makeAccount(database.app)).id]) {
      const { key } = await makeOld(id, 4_000);
      expect(await isDue(id)).toBe(false);
      expect(await remove(id)).toEqual({ items: 0, keys: [] });
      expect(await hasBlob(key)).toBe(true);
    }
  });

  it("is judged by the plan of today: an upgrade keeps it, a downgrade lets it go", async () => {
    const id = await makeKeeper(7);
    const { key } = await makeOld(id, 20);
    const { product: longer } = await makeFeatured(database.admin, {
      limits: { retention_days: 30 },
    });
    await assignPlan(database.app, id, { plan: longer.key, audit });
    expect([await isDue(id), (await remove(id)).items]).toEqual([false, 0]);
    const { product: shorter } = await makeFeatured(database.admin, {
      limits: { retention_days: 10 },
    });
    await assignPlan(database.app, id, { plan: shorter.key, audit });
    expect([await isDue(id), (await remove(id)).keys]).toEqual([true, [key]]);
  });

  it("is no other account's: one account's round leaves the rest alone", async () => {
    const [mine, other] = [await makeKeeper(1), await makeKeeper(1)];
    const [gone, kept] = [await makeOld(mine, 3), await makeOld(other, 3)];
    expect((await remove(mine)).keys).toEqual([gone.key]);
    expect(await hasBlob(kept.key)).toBe(true);
    expect(await refusalOf(remove(randomUUID()))).toMatchObject({ code: "not_found" });
  });

  it("is all that goes: failed and running items are left as they are", async () => {
    const id = await makeKeeper(1);
    const made = await makeGeneration(database.app, id, { labels: ["a", "b", "c"] });
    await fail(database.worker, await claim(database.worker, id, made));
    await age(made.item_ids[0] ?? "", 9);
    await claim(database.worker, id, made, { position: 1 });
    expect(await remove(id)).toEqual({ items: 0, keys: [] });
    await fail(database.worker, await claim(database.worker, id, made, { position: 2 }));
  });

  it("of a deleted generation is passed over once", async () => {
    const id = await makeKeeper(1);
    const old = await makeOld(id, 3);
    await deleteGeneration(database.app, id, old.id);
    expect(await remove(id)).toEqual({ items: 1, keys: [] });
    expect([await isDue(id), (await remove(id)).items]).toEqual([false, 0]);
  });
});

describe("many results", () => {
  it("go in batches, the oldest first, and each round goes on where the last one ended", async () => {
    const id = await makeKeeper(1);
    const made = [];
    for (const days of [5, 9, 7]) made.push(await makeOld(id, days));
    const [five, nine, seven] = made.map(({ key }) => key);
    expect((await remove(id, 2)).keys.sort()).toEqual([nine, seven].sort());
    expect((await remove(id, 2)).keys).toEqual([five]);
    expect(await remove(id, 2)).toEqual({ items: 0, keys: [] });
  });

  it("go once each, however many workers look", async () => {
    const id = await makeKeeper(1);
    const made = await Promise.all(Array.from({ length: 12 }, () => makeOld(id, 2)));
    const removed = await Promise.all(Array.from({ length: 6 }, () => remove(id, 4)));
    const rest = await remove(id);
    const keys = [...removed, rest].flatMap((one) => one.keys);
    expect(keys.sort()).toEqual(made.map(({ key }) => key).sort());
  });

  it("are found on whatever page their account is", async () => {
    const ids = [await makeKeeper(1), await makeKeeper(1), await makeKeeper(1)];
    for (const id of ids) await makeOld(id, 2);
    for (const id of ids) expect(await isDue(id, 1)).toBe(true);
  });
});

describe("a result in the gallery", () => {
  it("stays the gallery's when its generation has none any more, and goes with its image", async () => {
    const id = await makeKeeper(7);
    const old = await makeOld(id, 8);
    const { id: imageId } = await keepImage(database.app, id, { itemId: old.itemId });
    expect(await remove(id)).toEqual({ items: 1, keys: [] });
    expect((await outputOf(id, old.id))?.output).toBeNull();
    expect(await hasBlob(old.key)).toBe(true);
    await assertGallery(database.admin);
    expect(await deleteImage(database.app, id, imageId)).toContain(old.key);
    expect(await hasBlob(old.key)).toBe(false);
  });

  it("is saved or gone when both happen at once, and never an image without a file", async () => {
    const id = await makeKeeper(1);
    for (let round = 0; round < 8; round += 1) {
      const old = await makeOld(id, 2);
      const [saved, removed] = await Promise.all([
        keepImage(database.app, id, { itemId: old.itemId }).then(
          () => true,
          (error) => error.code,
        ),
        remove(id),
      ]);
      expect(removed.items).toBe(1);
      const isKept = await hasBlob(old.key);
      expect([saved, removed.keys]).toEqual(isKept ? [true, []] : ["not_found", [old.key]]);
      await assertGallery(database.admin);
    }
  });
});

describe("a round that one makes for all", () => {
  it("is given to one of many, and to one again after its time", async () => {
    const name = `test-${randomUUID()}`;
    const ask = async () => {
      const [row] = await database.worker<{ mine: boolean }[]>`
        SELECT ducat.claim_round(${name}, 3600) AS mine`;
      return row?.mine;
    };
    const many = await Promise.all(Array.from({ length: 8 }, ask));
    expect(many.filter(Boolean).length).toBe(1);
    expect(await ask()).toBe(false);
    await database.admin`
      UPDATE ducat.admin_config SET value = to_jsonb(clock_timestamp() - interval '2 hours')
      WHERE key = ${`round:${name}`}`;
    expect([await ask(), await ask()]).toEqual([true, false]);
  });
});
