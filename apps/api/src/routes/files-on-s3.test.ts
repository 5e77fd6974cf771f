import { randomUUID } from "node:crypto";
import { outputKey } from "@ducat/storage/blob-key";
import { createS3Blobs } from "@ducat/storage/s3";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FaultyS3, startFaultyS3 } from "../../../../packages/storage/test/faulty-s3.ts";
import { hostileKeys } from "../../../../packages/storage/test/hostile-keys.ts";
import { type S3Server, startS3 } from "../../../../packages/storage/test/s3-server.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let server: S3Server;
let faulty: FaultyS3;
let stage: Stage;
beforeAll(async () => {
  server = await startS3();
  faulty = await startFaultyS3(server.origin);
  const blobs = createS3Blobs({ ...server.options, endpoint: faulty.origin });
  stage = await setStage({ deps: { blobs } });
});
afterAll(async () => {
  await stage.close();
  await faulty.close();
  await server.close();
});

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

describe("GET /v1/files, with files on S3", () => {
  it("sends to the store for some minutes, which answers with the type of our own naming", async () => {
    const sent = await stage.app.request(sign(await put("webp", "<script>")));
    expect([sent.status, await sent.text()]).toEqual([302, ""]);
    const maxAge = Number(
      /^private, max-age=(\d+)$/.exec(`${sent.headers.get("cache-control")}`)?.[1],
    );
    expect(maxAge).toBeGreaterThanOrEqual(270);
    expect(maxAge).toBeLessThan(600);
    const location = new URL(sent.headers.get("location") ?? "");
    expect(location.origin).toBe(faulty.origin);
    const file = await fetch(location);
    expect([file.status, await file.text()]).toEqual([200, "<script>"]);
    expect(file.headers.get("content-type")).toBe("image/webp");
    expect(file.headers.get("content-disposition")).toBe("inline");
  });

  it("sends anything but a picture there as a download, under the name that was signed", async () => {
    const text = await stage.app.request(sign(await put("txt", "hello")));
    const file = await fetch(text.headers.get("location") ?? "");
    expect(file.headers.get("content-disposition")).toBe("attachment");
    const url = sign(await put("webp", "x"), { disposition: "attachment", filename: "a.webp" });
    const picture = await fetch((await stage.app.request(url)).headers.get("location") ?? "");
    expect(picture.headers.get("content-disposition")).toBe('attachment; filename="a.webp"');
  });

  it("sends HEAD to a link that answers HEAD", async () => {
    const url = sign(await put("webp", "12345"));
    const sent = await stage.app.request(url, { method: "HEAD" });
    expect(sent.status).toBe(302);
    const head = await fetch(sent.headers.get("location") ?? "", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "5"]);
  });

  it("sends nobody anywhere whose URL is not signed", async () => {
    const good = sign(await put("webp", "secret"));
    const [path = "", query = ""] = good.split("?");
    const other = await put("webp", "other");
    const bad = [
      path,
      `/v1/files/${other}?${query}`,
      `${good}&filename=x.html`,
      good.replace("inline", "attachment"),
      ...hostileKeys.map((hostile) => `/v1/files/${encodeURI(hostile)}?${query}`),
    ];
    for (const url of bad) {
      const refused = await stage.app.request(url);
      expect([url, refused.status, refused.headers.get("location")]).toEqual([url, 404, null]);
    }
  });

  it("sends no further than the URL itself works", async () => {
    const url = sign(await put("webp", "x"), { expiresInS: 1 });
    const sent = await stage.app.request(url);
    const { searchParams } = new URL(sent.headers.get("location") ?? "");
    const [, date = "", time = ""] =
      /^(\d{8})T(\d{6})Z$/.exec(`${searchParams.get("X-Amz-Date")}`) ?? [];
    const signedAt = Date.parse(
      `${date.replace(/(....)(..)/, "$1-$2-")}T${time.replace(/(..)(..)/, "$1:$2:")}Z`,
    );
    const end = signedAt / 1000 + Number(searchParams.get("X-Amz-Expires"));
    expect(end).toBe(Number(new URL(url, "http://x").searchParams.get("expires")));
  });
});

describe("a store that is away", () => {
  const upload = async (account: string) => {
    const photo = await sharp({
      create: { width: 4, height: 4, channels: 3, background: "#123" },
    })
      .png()
      .toBuffer();
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(photo)], { type: "image/png" }), "a.png");
    return stage.call("/v1/uploads", { account, raw: form });
  };

  it("makes an upload unavailable, and leaves neither row nor half a file", async () => {
    const account = await stage.makeAccount();
    faulty.always("broken");
    const refused = await upload(account);
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: "unavailable" });
    expect(refused.text).not.toMatch(/S3|files\/|InternalError/);
    faulty.always(undefined);
    expect((await upload(account)).status).toBe(201);
    const rows = await stage.db.admin`SELECT FROM ducat.blobs WHERE account_id = ${account}`;
    expect(rows.length).toBe(1);
  });

  it("keeps no generation from being made or read", async () => {
    const account = await stage.makeAccount();
    faulty.always("down");
    const made = await stage.call("/v1/generations", { account, key: randomUUID(), body: order() });
    expect(made.status).toBe(201);
    const read = await stage.call(`/v1/generations/${made.body.id}`, { account });
    expect(read.status).toBe(200);
    faulty.always(undefined);
  });
});
