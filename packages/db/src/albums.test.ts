import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { assertGallery, keepImage, makeUpload } from "../test/gallery.ts";
import { atOnce, makeRandom, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  countAlbums,
  createAlbum,
  deleteAlbum,
  findAlbum,
  listAlbums,
  updateAlbum,
} from "./albums.ts";
import type { Db } from "./connect.ts";
import {
  countImages,
  deleteImage,
  findImage,
  type ImageDetails,
  type ImageFilter,
  listImages,
  updateImage,
} from "./images.ts";

const database = useDatabase();
afterEach(() => assertGallery(database.admin));

/** With as many places as it likes. */
const makeUser = async () => {
  const { id } = await makeAccount(database.app);
  await database.admin`
    INSERT INTO ducat.feature_overrides (account_id, feature, value)
    VALUES (${id}, 'gallery_images', 'null')`;
  return id;
};
const keep = async (
  account: string,
  details: Partial<ImageDetails> = {},
  db: Db = database.app,
) => {
  const uploadId = (await makeUpload(database.app, account)).id;
  return (await keepImage(db, account, { uploadId }, details)).id;
};
const make = async (account: string, name: string = randomUUID()) =>
  (await createAlbum(database.app, account, { name })).id;

describe("an album", () => {
  it("counts the images in it as they come, move and go", async () => {
    const account = await makeUser();
    const [one, two] = [await make(account), await make(account)];
    const ids = [await keep(account, { album_id: one }), await keep(account, { album_id: one })];
    const counts = async () =>
      (await listAlbums(database.app, account, { limit: 9 })).map((album) => album.image_count);
    expect(await counts()).toEqual([0, 2]);
    const move = (id = "", album_id: string | null = null) =>
      updateImage(database.app, account, { id, change: { album_id } });
    await move(ids[0], two);
    expect(await counts()).toEqual([1, 1]);
    await move(ids[0], two);
    await move(ids[1]);
    expect(await counts()).toEqual([1, 0]);
    await deleteImage(database.app, account, ids[0] ?? "");
    expect(await counts()).toEqual([0, 0]);
  });

  it("that is deleted leaves its images in the gallery", async () => {
    const account = await makeUser();
    const album_id = await make(account);
    const id = await keep(account, { album_id });
    await deleteAlbum(database.app, account, album_id);
    expect(await findImage(database.app, account, id)).toMatchObject({ id, album_id: null });
    expect(await findAlbum(database.app, account, album_id)).toBeUndefined();
    await expect(deleteAlbum(database.app, account, album_id)).rejects.toMatchObject({
      code: "not_found",
    });
  });

  it("has a name of its own, also when two are made at once", async () => {
    const account = await makeUser();
    const sessions = await openSessions(database.url, "ducat_app", 4);
    const calls = atOnce(sessions, 8, (session) =>
      createAlbum(session, account, { name: "Summer" }),
    );
    const done = await Promise.allSettled(calls);
    const codes = done.map((one) => (one.status === "rejected" ? one.reason.code : "made")).sort();
    expect(codes).toEqual([...Array(7).fill("already_exists"), "made"]);
    const other = await make(account, "Winter");
    const rename = (name: string) =>
      updateAlbum(database.app, account, { id: other, change: { name } });
    await expect(rename("Summer")).rejects.toMatchObject({ code: "already_exists" });
    expect(await rename("Winter")).toMatchObject({ name: "Winter", description: null });
    expect(await make(await makeUser(), "Summer")).toBeTruthy();
    expect(await countAlbums(database.app, account)).toBe(2);
  });

  it("is one of a thousand at the most", async () => {
    const account = await makeUser();
    await database.admin`
      INSERT INTO ducat.albums (account_id, name)
      SELECT ${account}, 'n' || n FROM generate_series(1, 1000) n`;
    await expect(make(account)).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "albums", limit: 1000 } } },
    });
  });

  it("counts right when images are moved, removed and albums deleted at once", async () => {
    const account = await makeUser();
    const sessions = await openSessions(database.url, "ducat_app", 6);
    const random = makeRandom(11);
    const albums = await Promise.all([1, 2, 3, 4].map(() => make(account)));
    const images = await Promise.all(Array.from({ length: 12 }, () => keep(account)));
    const pick = (from: string[]) => from[random(from.length)] ?? "";
    const outcomes = await Promise.allSettled(
      atOnce<unknown>(sessions, 90, (session, index) => {
        if (index % 30 === 29) return deleteAlbum(session, account, pick(albums));
        if (index % 10 === 9) return deleteImage(session, account, pick(images));
        if (index % 10 === 8) return keep(account, { album_id: pick(albums) }, session);
        const change = { album_id: random(4) === 0 ? null : pick(albums) };
        return updateImage(session, account, { id: pick(images), change });
      }),
    );
    const refused = outcomes.flatMap((one) => (one.status === "rejected" ? one.reason.code : []));
    expect(refused.filter((code) => code !== "not_found")).toEqual([]);
  });
});

describe("the list of images", () => {
  it("is narrowed by kind, album, tags, what is public and what is looked for", async () => {
    const account = await makeUser();
    const album_id = await make(account);
    const ids = [
      await keep(account, { file_name: "Terrace 100%.jpg", tags: ["summer", "terrace"] }),
      await keep(account, { file_name: "roof.jpg", tags: ["summer"], is_public: true }),
      await keep(account, { tags: ["ایوان"], album_id }),
    ];
    const find = async (filter: ImageFilter) => {
      const found = await listImages(database.app, account, { ...filter, limit: 9 });
      expect(await countImages(database.app, account, filter)).toBe(found.length);
      return found.map(({ id }) => ids.indexOf(id));
    };
    expect(await find({})).toEqual([2, 1, 0]);
    expect(await find({ kind: "user" })).toEqual([2, 1, 0]);
    expect(await find({ kind: "result" })).toEqual([]);
    expect(await find({ albumId: album_id })).toEqual([2]);
    expect(await find({ tags: ["summer"] })).toEqual([1, 0]);
    expect(await find({ tags: ["summer", "terrace"] })).toEqual([0]);
    expect(await find({ isPublic: true })).toEqual([1]);
    expect(await find({ isPublic: false })).toEqual([2, 0]);
    expect(await find({ query: "TERRACE" })).toEqual([0]);
    expect(await find({ query: "یوا" })).toEqual([2]);
    expect(await find({ query: "0%.J" })).toEqual([0]);
    // No pattern, no regular expression, no quote.
    for (const query of ["%", "_oof", ".*", "'", "\\", '"; --']) {
      expect([query, await find({ query })]).toEqual([query, query === "%" ? [0] : []]);
    }
  });

  it("is turned page by page while images come and go", async () => {
    const account = await makeUser();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await keep(account));
    const first = await listImages(database.app, account, { limit: 2 });
    await keep(account);
    await deleteImage(database.app, account, ids[1] ?? "");
    const beforeId = first[1]?.id;
    const rest = await listImages(database.app, account, { beforeId, limit: 9 });
    expect(rest.map(({ id }) => id)).toEqual(ids.slice(2));
  });

  it("is of one account, whatever the other knows", async () => {
    const [account, stranger] = [await makeUser(), await makeUser()];
    const album_id = await make(account);
    const id = await keep(account, { album_id, tags: ["mine"] });
    const filter = { albumId: album_id, tags: ["mine"], limit: 9 };
    expect(await listImages(database.app, stranger, filter)).toEqual([]);
    expect(await findImage(database.app, stranger, id)).toBeUndefined();
    expect(await listAlbums(database.app, stranger, { limit: 9 })).toEqual([]);
    const into = updateImage(database.app, stranger, {
      id: await keep(stranger),
      change: { album_id },
    });
    await expect(into).rejects.toMatchObject({
      ...{ code: "not_found", detail: { extra: { what: "album" } } },
    });
    await expect(keep(stranger, { album_id })).rejects.toMatchObject({ code: "not_found" });
  });
});
