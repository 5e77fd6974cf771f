import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { isBlobKey } from "@ducat/storage/blob-key";
import { createDiskBlobs } from "@ducat/storage/disk";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hostileKeys } from "../../../../packages/storage/test/hostile-keys.ts";
import { makeVendor, openUrl, upload } from "../../test/gallery.ts";
import { makePhoto } from "../../test/pictures.ts";
import { type Answer, type Stage, setStage } from "../../test/stage.ts";

const script = "<script>alert(1)</script>";
const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">${script}</svg>`;
const page = `<!doctype html><title>x</title>${script}`;

/** Words that mean something to a shell, a header, a page, a path, a terminal or a reader. */
const hostileNames = [
  ...["../../etc/passwd", "..\\..\\win.ini", "/etc/passwd", "C:\\a.jpg", "a.jpg\0.html"],
  ...[script, svg, "javascript:alert(1)", "data:text/html,x", '"><img src=x onerror=alert(1)>'],
  ...["x.html", "x.svg", "x.jpg.php", "con", ".htaccess", "$(id)", "`id`", "'; DROP TABLE images"],
  ...["a\r\nContent-Type: text/html\r\n\r\n", 'a"; filename="b.html', "\u202egpj.exe", "a\u0085b"],
  ...["__proto__", "constructor", "%2e%2e%2f", "\ud800", "😀".repeat(100), "x".repeat(300)],
];

let folder: string;
let stage: Stage;
let account: string;
let album: string;
let image: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ducat-hostile-"));
  stage = await setStage({ deps: { blobs: createDiskBlobs({ dir: join(folder, "data") }) } });
  account = await makeVendor(stage);
  await stage.db.admin`
    INSERT INTO ducat.feature_overrides (account_id, feature, value)
    VALUES (${account}, 'gallery_images', 'null')`;
  album = (await send("/v1/albums", { name: "A" })).body.id;
  image = (await keep({})).body.id;
});
afterAll(async () => {
  await stage.close();
  await rm(folder, { recursive: true, force: true });
});
/** Nothing is written anywhere but under keys of ours in the account's own folder. */
afterEach(async () => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(join(folder, "data/blobs"), join(entry.parentPath, entry.name)));
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) expect([file, isBlobKey(file)]).toEqual([file, true]);
  expect(new Set(files.map((file) => file.split("/")[0]))).toEqual(new Set([account]));
});

const send = (path: string, body: object, method = "POST") =>
  stage.call(path, { account, method, body });
async function keep(details: object, part: object = {}): Promise<Answer> {
  const made = await upload(stage, account, part);
  expect(made.status).toBe(201);
  return await send("/v1/images", { upload_id: made.body.id, ...details });
}

describe("spellings of a way out", () => {
  it("are no ids of anything in a body", async () => {
    expect(hostileKeys.length).toBeGreaterThanOrEqual(60);
    for (const id of hostileKeys) {
      const answers = [
        await send("/v1/images", { upload_id: id }),
        await send("/v1/images", { generation_item_id: id }),
        await send(`/v1/images/${image}`, { album_id: id }, "PATCH"),
      ];
      expect([id, answers.map(({ status }) => status)]).toEqual([id, [422, 422, 422]]);
    }
  });

  it("are 404 in a path, and nothing in a query", async () => {
    for (const id of hostileKeys) {
      const one = encodeURIComponent(id);
      const at = [`/v1/images/${one}`, `/v1/albums/${one}`].filter(
        (path) => !/\/\.{0,2}$/.test(path),
      );
      const answers = await Promise.all([
        ...at.map((path) => stage.call(path, { account })),
        ...at.map((path) => stage.call(path, { account, method: "DELETE" })),
        stage.call(`/v1/vendors/${one}/portfolio`, { bearer: null }),
      ]);
      for (const { status, text } of answers) {
        expect([id, status]).toEqual([id, 404]);
        expect(text).not.toContain(account);
      }
      const asked = await Promise.all(
        ["album_id", "cursor"].map((name) => stage.call(`/v1/images?${name}=${one}`, { account })),
      );
      // One of them is a whole id, of no album.
      const found = asked.map(({ status, body }) => body.data?.length ?? status);
      expect([
        [0, 422],
        [422, 422],
      ]).toContainEqual(found);
    }
    expect((await stage.call(`/v1/images/${image}`, { account })).status).toBe(200);
  });

  it("are words like any other where words go", async () => {
    const some = hostileKeys.filter((_, index) => index % 5 === 0);
    for (const word of [...some, ...hostileNames]) {
      const change = { file_name: word, metadata: { [word]: word, word } };
      const changed = await send(`/v1/images/${image}`, change, "PATCH");
      const tagged = await send(`/v1/images/${image}`, { tags: [word] }, "PATCH");
      const named = await send(`/v1/albums/${album}`, { name: word, description: word }, "PATCH");
      const query = new URLSearchParams({ query: word, tags: word });
      const found = await stage.call(`/v1/images?${query}`, { account });
      for (const { status, body, headers } of [changed, tagged, named, found]) {
        expect([word, [200, 400, 422].includes(status)]).toEqual([word, true]);
        expect(headers.get("content-type")).toMatch(/^application\/(problem\+)?json/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        if (status === 200 && "url" in body) expect(new URL(body.url).pathname).not.toContain("..");
      }
      if (changed.status === 200) expect(changed.body.file_name).toBe(word);
      if (named.status === 200) expect(named.body.name).toBe(word);
    }
  });
});

describe("what is uploaded", () => {
  it.each([
    ["SVG", "image/svg+xml", svg],
    ["SVG that is called a WebP", "image/webp", `<?xml version="1.0"?>${svg}`],
    ["HTML", "text/html", page],
    ["HTML that is called a JPEG", "image/jpeg", page],
    ["a script", "application/javascript", "alert(1)"],
    ["HTML behind a JPEG's first bytes", "image/jpeg", `\xff\xd8\xff\xe0${page}`],
    ["HTML behind a GIF's first bytes", "image/gif", `GIF89a/*${page}`],
    ["a PDF", "application/pdf", `%PDF-1.7\n${page}`],
  ])("is no %s", async (_, type, content) => {
    const bytes = Buffer.from(content, "latin1");
    for (const filename of ["a.svg", "a.html", "a.webp"]) {
      const refused = await upload(stage, account, { bytes, type, filename });
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/file"]);
    }
  });

  it("runs in no browser, whatever it is called and whatever hides in it", async () => {
    const photo = await makePhoto(64, 48);
    const png = await sharp(photo).png().toBuffer();
    const withXmp = await sharp(photo)
      .withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${script}</x:xmpmeta>`)
      .webp()
      .toBuffer();
    const disguises: [string, Buffer][] = [
      ["text/html", Buffer.concat([photo, Buffer.from(page)])],
      ["image/svg+xml", Buffer.concat([png, Buffer.from(svg)])],
      ["text/xml", withXmp],
      [
        "application/xhtml+xml",
        await sharp(photo)
          .withExif({ IFD0: { Copyright: script } })
          .jpeg()
          .toBuffer(),
      ],
    ];
    for (const [index, [type, bytes]] of disguises.entries()) {
      expect(bytes.includes("<script>")).toBe(true);
      const filename = (hostileNames[index] ?? "").replace(/["\r\n\0]/g, "");
      const kept = await keep({ is_public: true, file_name: page }, { bytes, type, filename });
      expect(kept.status).toBe(201);
      for (const url of [kept.body.url, kept.body.thumbnail.url]) {
        const file = await openUrl(stage, url);
        expect(Object.fromEntries(file.headers)).toMatchObject({
          "content-type": "image/webp",
          "content-disposition": "inline",
          "content-security-policy": "default-src 'none'; sandbox",
          "x-content-type-options": "nosniff",
        });
        const stored = Buffer.from(await file.arrayBuffer());
        expect((await sharp(stored).metadata()).format).toBe("webp");
        for (const sign of ["<script", "<svg", "<!doctype", "alert"]) {
          expect([sign, stored.includes(sign)]).toEqual([sign, false]);
        }
      }
    }
    const shown = await stage.call(`/v1/vendors/${account}/portfolio`, { bearer: null });
    expect(shown.text).toContain("script");
    expect(shown.headers.get("content-type")).toBe("application/json");
    expect(shown.headers.get("x-content-type-options")).toBe("nosniff");
  });
});
