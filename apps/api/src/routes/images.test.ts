import { randomUUID } from "node:crypto";
import { deleteExpiredUploads, findOrphanKeys } from "@ducat/db/blobs";
import { Generation } from "@ducat/types/generations";
import { Image, ImagePage } from "@ducat/types/images";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { assertGallery } from "../../../../packages/db/test/gallery.ts";
import {
  keepUpload,
  listFiles,
  makeResult,
  openUrl,
  sellStylist,
  storeUploads,
  upload,
} from "../../test/gallery.ts";
import { makePhoto } from "../../test/pictures.ts";
import { settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await sellStylist(stage);
  await stage.deps.cache.ready();
});
afterEach(() => assertGallery(stage.db.admin));
afterAll(() => stage.close());

const keep = (account: string, body: object) => stage.call("/v1/images", { account, body });
const list = async (account: string, query = "") =>
  ImagePage.parse((await stage.call(`/v1/images?${query}`, { account })).body);
const countUsed = async (account: string) => {
  const { features } = await stage.deps.entitlements.get(account);
  const feature = features.gallery_images;
  return feature && "used" in feature ? feature.used : undefined;
};

describe("POST /v1/images", () => {
  it("keeps an upload with a small picture beside it, and sending it again is safe", async () => {
    const account = await stage.makeAccount();
    const { id: upload_id } = (await upload(stage, account, { bytes: await makePhoto() })).body;
    expect(await countUsed(account)).toBe(0);
    const details = { file_name: "terrace.jpg", tags: [" Summer ", "summer", "ایوان"] };
    const made = await keep(account, { upload_id, ...details, metadata: { room: 1 } });
    expect(made.status).toBe(201);
    const image = Image.parse(made.body);
    expect(image).toMatchObject({
      ...{ kind: "user", file_name: "terrace.jpg", type: "image/webp", width: 640, height: 480 },
      ...{ tags: ["summer", "ایوان"], is_public: false, metadata: { room: 1 }, album_id: null },
      thumbnail: { width: 320, height: 240 },
    });
    expect(await countUsed(account)).toBe(1);
    const small = Buffer.from(await (await openUrl(stage, image.thumbnail.url)).arrayBuffer());
    const shape = await sharp(small).metadata();
    expect([shape.format, shape.width, shape.height]).toEqual(["webp", 320, 240]);
    expect((await openUrl(stage, image.url)).status).toBe(200);
    const again = await keep(account, { upload_id, file_name: "other.jpg" });
    expect([again.status, again.body.id, again.body.file_name]).toEqual([
      ...[200, image.id, "terrace.jpg"],
    ]);
    expect(await listFiles(stage)).toHaveLength(2);
  });

  it("keeps a result, which outlives its generation", async () => {
    const account = await stage.makeAccount();
    const { id, itemId } = await makeResult(stage, account);
    const made = await keep(account, { generation_item_id: itemId, is_public: true });
    expect(made.status).toBe(201);
    expect(Image.parse(made.body)).toMatchObject({
      ...{ kind: "result", generation_id: id, generation_item_id: itemId, is_public: true },
      thumbnail: { width: 320, height: 240 },
    });
    expect((await keep(account, { generation_item_id: itemId })).status).toBe(200);
    await stage.call(`/v1/generations/${id}`, { account, method: "DELETE" });
    expect((await openUrl(stage, made.body.url)).status).toBe(200);
    await stage.call(`/v1/images/${made.body.id}`, { account, method: "DELETE" });
    expect((await openUrl(stage, made.body.url)).status).toBe(404);
    expect((await openUrl(stage, made.body.thumbnail.url)).status).toBe(404);
  });

  it("keeps the small picture that a result has already, as its own", async () => {
    const account = await stage.makeAccount();
    const { body } = await stage.call("/v1/generations", {
      ...{ account, key: randomUUID(), body: order() },
    });
    await settle(stage, account, body, ["thumbnailed"]);
    // Nobody could make one of it: the picture is none.
    const made = await keep(account, { generation_item_id: body.items[0].id });
    const { thumbnail, url } = Image.parse(made.body);
    expect([made.status, thumbnail.width, thumbnail.height]).toEqual([201, 4, 3]);
    await stage.call(`/v1/generations/${body.id}`, { account, method: "DELETE" });
    expect(await (await openUrl(stage, thumbnail.url)).text()).toContain("the small one of");
    expect((await openUrl(stage, url)).status).toBe(200);
  });

  it("lets exactly five of 100 at once have the plan's five places, and leaves no file", async () => {
    const account = await stage.makeAccount();
    const before = await listFiles(stage);
    const uploads = await storeUploads(stage, account, 100);
    const answers = await Promise.all(uploads.map((upload_id) => keep(account, { upload_id })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(95);
    for (const { status, body } of refused) {
      expect([status, body.code]).toEqual([403, "quota_exceeded"]);
      expect(body).toMatchObject({ quota: "gallery_images", limit: 5, current: 5 });
      expect(body).toMatchObject({ upgrade: "basic", resets_at: null });
    }
    expect(await countUsed(account)).toBe(5);
    const stored = (await listFiles(stage)).filter((key) => !before.includes(key));
    expect(stored).toHaveLength(105);
    expect(await findOrphanKeys(stage.db.worker, stored)).toEqual([]);
    // A day later.
    await stage.db.admin`
      UPDATE ducat.blobs SET expires_at = now()
      WHERE account_id = ${account} AND expires_at IS NOT NULL`;
    const expired = await deleteExpiredUploads(stage.db.worker, 1000);
    expect(expired).toHaveLength(95);
    for (const key of expired) await stage.deps.blobs.remove(key);
    const { data } = await list(account);
    const opened = await Promise.all(
      data.flatMap(({ url, thumbnail }) => [openUrl(stage, url), openUrl(stage, thumbnail.url)]),
    );
    expect(opened.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const left = (await listFiles(stage)).filter((key) => !before.includes(key));
    expect(left).toHaveLength(10);
  });

  it("takes no place when the small picture can't be stored, and what is left is collected", async () => {
    const account = await stage.makeAccount();
    const upload_id = (await upload(stage, account)).body.id;
    const { blobs } = stage.deps;
    const { put } = blobs;
    const left: string[] = [];
    blobs.put = async (key, bytes) => {
      left.push((await put(key, bytes)).key);
      throw new Error("the process dies here");
    };
    const failed = await keep(account, { upload_id }).finally(() => {
      blobs.put = put;
    });
    expect(failed.status).toBe(500);
    expect(await countUsed(account)).toBe(0);
    expect(await findOrphanKeys(stage.db.worker, left)).toEqual(left);
    expect((await keep(account, { upload_id })).status).toBe(201);
  });

  it("says so when the file has been removed since", async () => {
    const account = await stage.makeAccount();
    const upload_id = (await upload(stage, account)).body.id;
    const [row] = await stage.db.admin`SELECT key FROM ducat.blobs WHERE id = ${upload_id}`;
    await stage.deps.blobs.remove(row?.key);
    const refused = await keep(account, { upload_id });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/upload_id"]);
  });

  it("leaves no file behind when the row is refused", async () => {
    const account = await stage.makeAccount();
    const upload_id = (await upload(stage, account)).body.id;
    const before = await listFiles(stage);
    const refused = await keep(account, { upload_id, album_id: randomUUID() });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/album_id"]);
    expect(await listFiles(stage)).toEqual(before);
    expect(await countUsed(account)).toBe(0);
  });

  // A few hundred bytes here, and as many digits of each where they are kept.
  const [many, tiny] = [Array(150).fill(1e300), Array(150).fill(1e-300)];
  it.each([
    ["nothing", {}, ""],
    ["two things", { upload_id: randomUUID(), generation_item_id: randomUUID() }, ""],
    ["an unknown upload", { upload_id: randomUUID() }, "/upload_id"],
    ["an unknown item", { generation_item_id: randomUUID() }, "/generation_item_id"],
    ["a line break in a name", { upload_id: randomUUID(), file_name: "a\nb" }, "/file_name"],
    ["a comma in a tag", { upload_id: randomUUID(), tags: ["a,b"] }, "/tags/0"],
    ["an empty tag", { upload_id: randomUUID(), tags: ["  "] }, "/tags/0"],
    ["21 tags", { upload_id: randomUUID(), tags: Array(21).fill("x") }, "/tags"],
    ["another's word", { upload_id: randomUUID(), kind: "vendor" }, "/kind"],
    ["long metadata", { upload_id: randomUUID(), metadata: { a: "x".repeat(9000) } }, "/metadata"],
    ["numbers that are long", { upload_id: randomUUID(), metadata: { a: many } }, "/metadata"],
    [
      "small numbers that are long",
      { upload_id: randomUUID(), metadata: { a: tiny } },
      "/metadata",
    ],
  ])("refuses %s", async (_, body, pointer) => {
    const refused = await keep(await stage.makeAccount(), body);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
  });

  it("refuses a text and what has not been made yet", async () => {
    const account = await stage.makeAccount();
    const { body } = await stage.call("/v1/generations", {
      ...{ account, key: randomUUID(), body: order() },
    });
    const refused = await keep(account, { generation_item_id: body.items[0].id });
    expect([refused.status, refused.body.code, refused.body.current_status]).toEqual([
      ...[409, "invalid_state", "pending"],
    ]);
  });
});

describe("an image of the gallery", () => {
  it("can be started from, also when its upload would be gone", async () => {
    const account = await stage.makeAccount();
    const image = (await keepUpload(stage, account)).body;
    const input = { type: "photo", photo_id: image.id };
    const made = await stage.call("/v1/generations", {
      ...{ account, key: randomUUID(), body: order({ input }) },
    });
    expect(made.status).toBe(201);
    expect(Generation.parse(made.body).input).toEqual(input);
  });

  it("is changed as it is asked, and by nothing else", async () => {
    const account = await stage.makeAccount();
    const album = await stage.call("/v1/albums", { account, body: { name: "Roofs" } });
    const { id } = (await keepUpload(stage, account, { tags: ["a"], file_name: "x" })).body;
    const change = (body: object) =>
      stage.call(`/v1/images/${id}`, { account, method: "PATCH", body });
    const changed = await change({ album_id: album.body.id, is_public: true });
    expect(Image.parse(changed.body)).toMatchObject({
      ...{ album_id: album.body.id, is_public: true, tags: ["a"], file_name: "x" },
    });
    const emptied = await change({ album_id: null, file_name: null, tags: [], metadata: {} });
    expect(emptied.body).toMatchObject({ album_id: null, file_name: null, tags: [] });
    expect((await stage.call(`/v1/images/${id}`, { account })).body).toEqual(emptied.body);
    expect((await change({})).status).toBe(422);
    expect((await change({ metadata: { a: Array(150).fill(1e300) } })).status).toBe(422);
    const unknown = await change({ album_id: randomUUID() });
    expect([unknown.status, unknown.body.errors[0].pointer]).toEqual([422, "/album_id"]);
    for (const name of ["kind", "blob_id", "key", "sha256", "url", "thumbnail"]) {
      expect((await change({ [name]: "x" })).status).toBe(422);
    }
  });

  it("gives its place back, once", async () => {
    const account = await stage.makeAccount();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await keepUpload(stage, account)).body.id);
    const remove = () => stage.call(`/v1/images/${ids[0]}`, { account, method: "DELETE" });
    const answers = await Promise.all(Array.from({ length: 8 }, remove));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([204, ...Array(7).fill(404)]);
    expect(await countUsed(account)).toBe(4);
    expect((await keepUpload(stage, account)).status).toBe(201);
    expect((await keepUpload(stage, account)).status).toBe(403);
  });

  it("keeps numbers as they were sent, as long as there is room for their digits", async () => {
    const account = await stage.makeAccount();
    const metadata = { a: [-1e21, 1e-7, 0.1, 1e300], b: "1e+300" };
    expect((await keepUpload(stage, account, { metadata })).body).toMatchObject({ metadata });
  });

  it("is found by what it is, page by page", async () => {
    const account = await stage.makeAccount();
    const album_id = (await stage.call("/v1/albums", { account, body: { name: "A" } })).body.id;
    await keepUpload(stage, account, { file_name: "one.jpg", tags: ["x", "y"], album_id });
    await keepUpload(stage, account, { file_name: "Two.jpg", tags: ["x"], is_public: true });
    await keepUpload(stage, account, { tags: ["z z"] });
    const names = async (query: string) =>
      (await list(account, query)).data.map(({ file_name }) => file_name);
    expect(await names("")).toEqual([null, "Two.jpg", "one.jpg"]);
    expect(await names("tags=X,y")).toEqual(["one.jpg"]);
    expect(await names("tags=z%20z")).toEqual([null]);
    expect(await names("is_public=true")).toEqual(["Two.jpg"]);
    expect(await names(`album_id=${album_id}&kind=user`)).toEqual(["one.jpg"]);
    expect(await names("query=two")).toEqual(["Two.jpg"]);
    expect(await names("kind=result")).toEqual([]);
    // Some systems write an accent as a letter of its own.
    await keepUpload(stage, account, { file_name: "Cafe\u0301.jpg", tags: ["e\u0301te\u0301"] });
    for (const query of ["CAF\u00c9", "cafe\u0301", "t\u00e9", "te\u0301"]) {
      const found = await names(`query=${encodeURIComponent(query)}`);
      expect([query, found]).toEqual([query, ["Caf\u00e9.jpg"]]);
    }
    const long = "\ufb1d".repeat(255);
    expect((await keepUpload(stage, account, { file_name: long })).status).toBe(422);
    const first = await list(account, "limit=3&count=true");
    expect([first.data.length, first.total]).toEqual([3, 4]);
    expect(await names(`limit=2&cursor=${first.next_cursor}`)).toEqual(["one.jpg"]);
    const wrong = await stage.call("/v1/images?cursor=bm9wZQ", { account });
    expect(wrong.status).toBe(422);
  });
});
