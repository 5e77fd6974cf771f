import { randomUUID } from "node:crypto";
import { Generation } from "@ducat/types/generations";
import { Upload } from "@ducat/types/uploads";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeForm, makePhoto, type Part } from "../../test/pictures.ts";
import { claim } from "../../test/settle.ts";
import { type Call, order, type Stage, setStage } from "../../test/stage.ts";

describe("POST /v1/uploads", () => {
  let stage: Stage;
  let photo: Buffer;
  let account: string;
  beforeAll(async () => {
    stage = await setStage();
    photo = await makePhoto();
    account = await stage.makeAccount();
  });
  afterAll(() => stage.close());

  const upload = (parts: Part[], more: Call = {}) => {
    const { raw, headers } = makeForm(parts);
    return stage.call("/v1/uploads", { account, raw, headers, ...more });
  };
  const countRows = async () => (await stage.db.admin`SELECT FROM ducat.blobs`).length;

  it("stores a photo of its own making for a day", async () => {
    const made = await upload([{ bytes: photo }]);
    expect(made.status).toBe(201);
    const { id, type, width, height, size, expires_at } = Upload.parse(made.body);
    expect([type, width, height]).toEqual(["image/webp", 640, 480]);
    expect(Date.parse(expires_at) - Date.now()).toBeGreaterThan(23.9 * 3_600_000);
    const [row] = await stage.db.admin`SELECT key, sha256 FROM ducat.blobs WHERE id = ${id}`;
    const stored = await stage.deps.blobs.readBytes(row?.key, 1e8);
    expect(stored?.length).toBe(size);
    expect((await sharp(stored).metadata()).exif).toBeUndefined();
    expect(stored?.includes("canary-of-the-metadata")).toBe(false);
  });

  it("can be what a generation starts from; its file is named to workers only", async () => {
    const { body } = await upload([{ bytes: photo }]);
    const input = { type: "photo", photo_id: body.id };
    const key = randomUUID();
    const ask = () => stage.call("/v1/generations", { account, key, body: order({ input }) });
    const made = await ask();
    expect(made.status).toBe(201);
    expect(Generation.parse(made.body).input).toEqual(input);
    const claimed = await claim(stage, account, made.body.id, made.body.items[0].id);
    const photoKey = claimed.input.photo_key as string;
    expect(photoKey).toMatch(new RegExp(`^${account}/inputs/`));
    expect(await stage.deps.blobs.has(photoKey)).toBe(true);
    const shown = await stage.call(`/v1/generations/${made.body.id}`, { account });
    expect(shown.body.input).toEqual(input);
    // The upload expires; the request that used it is answered as before.
    await stage.db.admin`UPDATE ducat.blobs SET expires_at = now() WHERE id = ${body.id}`;
    expect((await ask()).text).toBe(made.text);
    const late = await stage.call("/v1/generations", { account, key: "l", body: order({ input }) });
    expect([late.status, late.body.errors[0].pointer]).toEqual([422, "/input/photo_id"]);
  });

  it("belongs to its account alone", async () => {
    const { body } = await upload([{ bytes: photo }]);
    const stranger = await stage.makeAccount();
    const input = { type: "photo", photo_id: body.id };
    const foreign = await stage.call("/v1/generations", {
      account: stranger,
      key: "k",
      body: order({ input }),
    });
    expect([foreign.status, foreign.body.errors[0].pointer]).toEqual([422, "/input/photo_id"]);
    expect(foreign.text).not.toContain(account);
  });

  it.each([
    ["another field", [{ name: "photo" }], 422, "/file"],
    ["two files", [{}, {}], 422, "/file"],
    ["an empty file", [{ bytes: Buffer.alloc(0) }], 422, "/file"],
    ["text called JPEG", [{ bytes: Buffer.from("hello") }], 422, "/file"],
  ])("refuses %s and stores nothing", async (_, parts, status, pointer) => {
    const before = await countRows();
    const refused = await upload(parts.map((part) => ({ bytes: photo, ...part })));
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([status, pointer]);
    expect(await countRows()).toBe(before);
  });

  it("refuses a file over 15 MiB with 413", async () => {
    const refused = await upload([{ bytes: Buffer.alloc(15 * 1024 * 1024 + 20_000) }]);
    expect([refused.status, refused.body.code]).toEqual([413, "payload_too_large"]);
  });

  it.each([
    ["JSON", "application/json", 415],
    ["no type", undefined, 415],
    ["no boundary", "multipart/form-data; charset=utf-8", 400],
    ["another boundary", "multipart/form-data; boundary=other", 400],
  ])("refuses a body with %s", async (_, type, status) => {
    const { raw } = makeForm([{ bytes: photo }]);
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    const refused = await stage.call("/v1/uploads", { account, raw, headers });
    expect(refused.status).toBe(status);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
  });

  it("asks for a key of ours and an account", async () => {
    expect((await upload([{ bytes: photo }], { bearer: null })).status).toBe(401);
    const nobody = await upload([{ bytes: photo }], { account: undefined });
    expect(nobody.body.code).toBe("account_required");
  });
});
