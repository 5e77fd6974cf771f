import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { type HostileImage, makeHostileImages } from "../test/hostile-images.ts";
import { measureMemory } from "../test/measure-memory.ts";
import { createImageIntake } from "./image-intake.ts";

const { intake, shrink } = createImageIntake();
let hostile: HostileImage[] = [];
beforeAll(async () => {
  hostile = await makeHostileImages();
});

/** Wider than high and different in each corner, so that every turn of it shows. */
function makePhoto(width = 600, height = 400) {
  const corners = `<svg width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#789"/>
    <rect width="50%" height="50%" fill="#c22"/>
    <rect x="50%" y="50%" width="50%" height="50%" fill="#2a3"/></svg>`;
  return sharp(Buffer.from(corners));
}

async function distance(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((bytes) => sharp(bytes).raw().toBuffer()));
  let sum = 0;
  for (let at = 0; at < a!.length; at += 1) sum += Math.abs(a![at]! - b![at]!);
  return a!.length === b!.length ? sum / a!.length : Number.POSITIVE_INFINITY;
}

describe("good pictures", () => {
  test("a photo comes out upright and with nothing that says where it was taken", async () => {
    const photo = await makePhoto()
      .withMetadata({ orientation: 6 })
      .withExifMerge({ IFD0: { Make: "canary-maker" }, IFD3: { GPSLatitude: "52/1 30/1 0/1" } })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/">canary-place</x:xmpmeta>')
      .jpeg()
      .toBuffer();
    expect((await sharp(photo).metadata()).exif?.includes("canary-maker")).toBe(true);

    const { bytes, ...shape } = await intake(photo);
    expect(shape).toEqual({ type: "image/webp", width: 400, height: 600 });
    const found = await sharp(bytes).metadata();
    expect(found.format).toBe("webp");
    expect([found.exif, found.xmp, found.icc, found.iptc, found.orientation]).toEqual(
      Array.from({ length: 5 }),
    );
    expect(bytes.includes("canary")).toBe(false);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("orientation %i is turned the right way", async (to) => {
    const photo = await makePhoto().withMetadata({ orientation: to }).jpeg().toBuffer();
    const upright = await sharp(photo).autoOrient().png().toBuffer();
    expect(await distance((await intake(photo)).bytes, upright)).toBeLessThan(6);
  });

  test("a small one stands for a stored one, and a smaller one stays as it is", async () => {
    const stored = [
      (await intake(await makePhoto(2000, 800).jpeg().toBuffer())).bytes,
      await makePhoto(300, 1500).png().toBuffer(),
      await makePhoto(90, 60).jpeg().toBuffer(),
    ];
    const small = await Promise.all(stored.map(shrink));
    expect(small.map(({ type, width, height }) => [type, width, height])).toEqual([
      ["image/webp", 320, 128],
      ["image/webp", 64, 320],
      ["image/webp", 90, 60],
    ]);
    await expect(shrink(Buffer.from("a text"))).rejects.toMatchObject({
      code: "validation_failed",
    });
  });

  test("a transparent PNG stays transparent", async () => {
    const logo = await sharp({
      create: { width: 50, height: 40, channels: 4, background: "#f008" },
    })
      .png()
      .toBuffer();
    const { bytes, width, height } = await intake(logo);
    expect([width, height]).toEqual([50, 40]);
    const pixels = await sharp(bytes).ensureAlpha().raw().toBuffer();
    expect(pixels[3]).toBeGreaterThan(120);
    expect(pixels[3]).toBeLessThan(150);
  });

  test.each([
    ["WebP", () => makePhoto().webp()],
    ["lossless WebP", () => makePhoto().webp({ lossless: true })],
    ["progressive JPEG", () => makePhoto().jpeg({ progressive: true })],
    ["grey JPEG", () => makePhoto().greyscale().jpeg()],
    ["CMYK JPEG", () => makePhoto().toColourspace("cmyk").jpeg()],
    ["interlaced PNG", () => makePhoto().png({ progressive: true })],
    ["PNG with a palette", () => makePhoto().png({ palette: true })],
    ["PNG of 16 bits", () => makePhoto().toColourspace("rgb16").png()],
  ])("a %s is taken", async (_, make) => {
    const { bytes, width, height } = await intake(await make().toBuffer());
    expect([width, height]).toEqual([600, 400]);
    const colours = await sharp(bytes).toColourspace("srgb").removeAlpha().png().toBuffer();
    expect(colours.length).toBeGreaterThan(100);
  });

  test("a large photo is made smaller and a small one is left as it is", async () => {
    const large = await makePhoto(5000, 3000).jpeg().toBuffer();
    expect(await intake(large)).toMatchObject({ width: 2048, height: 1229 });
    expect(await intake(await makePhoto(7, 5).png().toBuffer())).toMatchObject({ width: 7 });
  });

  test("a page hidden around a good picture is gone afterwards", async () => {
    const page = "<script>canary()</script>";
    const photo = await makePhoto().jpeg().toBuffer();
    const comment = Buffer.from(`\xff\xfe\0\x1b${page}`, "latin1");
    const polyglot = Buffer.concat([
      photo.subarray(0, 2),
      comment,
      photo.subarray(2),
      Buffer.from(`<html>${page}`),
    ]);
    const { bytes } = await intake(polyglot);
    expect(bytes.includes("canary")).toBe(false);
    expect(bytes.includes("<html")).toBe(false);
  });
});

describe("hostile uploads", () => {
  test("there are at least 25 different ones", () => {
    expect(new Set(hostile.map(({ name }) => name)).size).toBeGreaterThanOrEqual(25);
  });

  test("each is refused as not valid, at /file, in a sentence of our own", async () => {
    for (const { name, bytes } of hostile) {
      const refused = await intake(bytes).then(
        () => "taken",
        (error) => error,
      );
      expect(refused, name).toMatchObject({
        code: "validation_failed",
        detail: { errors: [{ pointer: "/file", detail: expect.any(String) }] },
      });
      expect(refused.message, name).not.toMatch(/vips|webp:|png:|buffer/i);
    }
  });

  test("a file over the byte limit is not even looked at", async () => {
    const small = createImageIntake({ maxBytes: 1000 });
    await expect(small.intake(Buffer.alloc(1001))).rejects.toMatchObject({
      code: "payload_too_large",
    });
  });
});

test("hostile uploads take at most 300 MiB more than an idle process", async () => {
  const report = await measureMemory(
    Object.fromEntries(hostile.map(({ name, bytes }) => [name, bytes])),
  );
  const { good, ...others } = report.outcomes;
  expect(good).toBe("2048 x 1365");
  expect(new Set(Object.values(others))).toEqual(new Set(["validation_failed"]));
  expect(Object.keys(others)).toHaveLength(hostile.length);
  expect(report.peak - report.idle).toBeLessThanOrEqual(300);
}, 120_000);
