import { randomUUID } from "node:crypto";
import { outputKey } from "@ducat/storage/blob-key";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostileKeys } from "../../../../packages/storage/test/hostile-keys.ts";
import { type Stage, setStage } from "../../test/stage.ts";

describe("GET /v1/files", () => {
  let stage: Stage;
  const opened: { destroyed: boolean }[] = [];
  beforeAll(async () => {
    stage = await setStage();
    const { blobs } = stage.deps;
    const { read } = blobs;
    blobs.read = async (key) => {
      const blob = await read(key);
      if (blob) opened.push(blob.stream);
      return blob;
    };
  });
  afterAll(() => stage.close());

  const put = async (extension: "webp" | "txt", content: string) => {
    const parts = { accountId: randomUUID(), itemId: randomUUID(), attempt: 1, extension };
    const key = outputKey({ ...parts, sha256: "cd".repeat(32) });
    await stage.deps.blobs.put(key, Buffer.from(content));
    return key;
  };
  const sign = (key: string, how = {}) => {
    const url = new URL(stage.deps.urlSigner.sign(key, how));
    return url.pathname + url.search;
  };

  it("serves a picture to whoever has its URL, with the type of our own naming", async () => {
    const file = await stage.app.request(sign(await put("webp", "<script>")));
    expect(file.status).toBe(200);
    expect(await file.text()).toBe("<script>");
    const headers = Object.fromEntries(file.headers);
    expect(headers).toMatchObject({
      "content-type": "image/webp",
      "content-length": "8",
      "content-disposition": "inline",
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "cross-origin",
    });
    expect(headers["cache-control"]).toMatch(/^private, max-age=3[5-9]\d\d, immutable$/);
  });

  it("serves anything but a picture as a download", async () => {
    const file = await stage.app.request(sign(await put("txt", "hello")));
    expect(file.headers.get("content-disposition")).toBe("attachment");
    const named = sign(await put("webp", "x"), { disposition: "attachment", filename: "a.webp" });
    const download = await stage.app.request(named);
    expect(download.headers.get("content-disposition")).toBe('attachment; filename="a.webp"');
  });

  it("answers HEAD without leaving the file open", async () => {
    const url = sign(await put("webp", "12345"));
    opened.length = 0;
    const head = await stage.app.request(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      "5",
      "",
    ]);
    expect(opened.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  it("answers 404 when anything is wrong with the URL", async () => {
    const key = await put("webp", "secret");
    const other = await put("webp", "other");
    const good = sign(key);
    const [path = "", query = ""] = good.split("?");
    const past = new URLSearchParams(query);
    past.set("expires", "1700000100");
    const download = new URLSearchParams(query);
    download.set("disposition", "attachment");
    const flipped = good.slice(0, -1) + (good.endsWith("A") ? "B" : "A");
    const bad = [
      path,
      `/v1/files/${other}?${query}`,
      `${path}?${past}`,
      `${path}?${download}`,
      `${good}&filename=x.html`,
      flipped,
      `${path.replaceAll("-", "%252D")}?${query}`,
      ...hostileKeys.map((hostile) => `/v1/files/${encodeURI(hostile)}?${query}`),
    ];
    for (const url of bad) {
      const refused = await stage.app.request(url);
      expect([url, refused.status]).toEqual([url, 404]);
      expect(await refused.text()).not.toContain("secret");
    }
  });

  it("answers 404 for a file that is gone", async () => {
    const key = await put("webp", "x");
    const url = sign(key);
    await stage.deps.blobs.remove(key);
    expect((await stage.app.request(url)).status).toBe(404);
  });
});
