import { deflateRawSync, deflateSync } from "node:zlib";
import sharp from "sharp";
import {
  deflatedZeros,
  pngChunk,
  zeroLosslessWebp,
  zeroPng,
  zeroProgressiveJpeg,
} from "./image-parts.ts";

/** An upload that must be refused. `type` is what a client would claim it to be. */
export type HostileImage = { name: string; type: string; bytes: Buffer };

const tiny = { width: 16, height: 16, depth: 8, colour: 2 } as const;

/** At least 25 of them, made in code in about a second: broken files, bombs and disguises. */
export async function makeHostileImages(): Promise<HostileImage[]> {
  const photo = sharp(await makeNoise(640, 480));
  const [jpeg, png, webp, tiff, gif] = await Promise.all([
    photo.clone().jpeg().toBuffer(),
    photo.clone().png().toBuffer(),
    photo.clone().webp().toBuffer(),
    photo.clone().tiff().toBuffer(),
    photo.clone().gif({ colours: 4, effort: 1 }).toBuffer(),
  ]);
  return [
    ...brokenFiles({ jpeg, png, webp }),
    ...bombs(jpeg),
    ...disguises({ jpeg, gif }),
    named("a TIFF", "image/tiff", tiff),
    named("a moving WebP", "image/webp", await makeMovingWebp()),
  ];
}

function named(name: string, type: string, bytes: Buffer | string): HostileImage {
  return { name, type, bytes: Buffer.from(bytes as string, "latin1") };
}

async function makeNoise(width: number, height: number): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  return await sharp({ create: { width, height, channels: 3, background: "#888", noise } })
    .png()
    .toBuffer();
}

function brokenFiles(good: { jpeg: Buffer; png: Buffer; webp: Buffer }): HostileImage[] {
  const badCrc = Buffer.from(good.png);
  const at = badCrc.indexOf("IDAT") + 100;
  badCrc.writeUInt8(badCrc.readUInt8(at) ^ 0xff, at);
  return [
    named("an empty file", "image/jpeg", ""),
    named("one byte", "image/png", "\xff"),
    named("only the first bytes of a JPEG", "image/jpeg", "\xff\xd8\xff"),
    named("random bytes", "image/webp", pseudoRandom(200_000)),
    named("a JPEG cut short", "image/jpeg", good.jpeg.subarray(0, good.jpeg.length / 2)),
    named("a PNG cut short", "image/png", good.png.subarray(0, good.png.length / 2)),
    named("a WebP cut short", "image/webp", good.webp.subarray(0, good.webp.length / 2)),
    named("a PNG with a wrong checksum", "image/png", badCrc),
  ];
}

function bombs(jpeg: Buffer): HostileImage[] {
  const header = Buffer.from(jpeg.subarray(0, 2000));
  const frame = header.indexOf(Buffer.of(0xff, 0xc0));
  header.writeUInt16BE(65_500, frame + 5);
  header.writeUInt16BE(65_500, frame + 7);
  const text = pngChunk("zTXt", Buffer.concat([Buffer.from("k\0\0"), deflatedZeros(1e9)]));
  const profile = pngChunk("iCCP", Buffer.concat([Buffer.from("p\0\0"), deflatedZeros(5e8)]));
  const wide = { width: 7000, height: 7000 };
  // The last ones stay inside the limits and break at their end, when all of it is in memory.
  const interlaced = zeroPng({ width: 6600, height: 6600, depth: 8, colour: 2, interlaced: true });
  const progressive = zeroProgressiveJpeg({ width: 4600, height: 4600 });
  return [
    named("a PNG of 900 megapixels", "image/png", zeroPng({ ...tiny, width: 3e4, height: 3e4 })),
    named(
      "an interlaced PNG of 16 bits",
      "image/png",
      zeroPng({ ...wide, depth: 16, colour: 6, interlaced: true }),
    ),
    named("a progressive JPEG of 300 MB", "image/jpeg", zeroProgressiveJpeg(wide)),
    named(
      "a lossless WebP of 1 GB in 34 bytes",
      "image/webp",
      zeroLosslessWebp({ width: 16_384, height: 16_384 }),
    ),
    named("a GIF of 4 gigapixels", "image/gif", "GIF89a\xff\xff\xff\xff\xf0\0\0\0\0\0;"),
    named("a huge header with a tiny body", "image/jpeg", header),
    named("a PNG with 1 GB of text", "image/png", zeroPng(tiny, [text])),
    named("a PNG with 500 MB of profile", "image/png", zeroPng(tiny, [profile])),
    named("an interlaced PNG broken at its end", "image/png", breakEnd(interlaced)),
    named("a progressive JPEG cut at its end", "image/jpeg", progressive.subarray(0, -20_000)),
  ];
}

/** Another checksum of the pixels, under a right checksum of the chunk. */
function breakEnd(png: Buffer): Buffer {
  const start = png.indexOf("IDAT");
  const length = png.readUInt32BE(start - 4);
  const data = Buffer.from(png.subarray(start + 4, start + 4 + length - 2000));
  const end = pngChunk("IEND", Buffer.alloc(0));
  return Buffer.concat([png.subarray(0, start - 4), pngChunk("IDAT", data), end]);
}

function disguises({ jpeg, gif }: { jpeg: Buffer; gif: Buffer }): HostileImage[] {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>1</script></svg>';
  const html = "<!doctype html><script>alert(document.domain)</script>";
  const comment = Buffer.concat([Buffer.of(0xff, 0xfe, 0, html.length + 2), Buffer.from(html)]);
  const broken = Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2, 9000), comment]);
  const zipped = deflateRawSync("hello");
  return [
    named("an SVG", "image/svg+xml", svg),
    named("an SVG with a byte order mark, called PNG", "image/png", `\xef\xbb\xbf${svg}`),
    named("an SVG with a billion laughs", "image/svg+xml", billionLaughs()),
    named("an HTML page called JPEG", "image/jpeg", html),
    named("a script called WebP", "image/webp", "fetch('/v1/me').then(console.log)"),
    named("plain text called PNG", "image/png", "Dear sir or madam,\n".repeat(500)),
    named("a PDF", "image/jpeg", "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<<>>\n%%EOF"),
    named("a ZIP", "image/png", Buffer.concat([Buffer.from("PK\x03\x04\x14\0\0\0\x08\0"), zipped])),
    named("a JPEG that is an HTML page and no picture", "image/jpeg", broken),
    named(
      "a GIF that is a script",
      "image/gif",
      Buffer.concat([gif, Buffer.from("=1;alert(1)//")]),
    ),
    named("a BMP", "image/bmp", `BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0${"\0".repeat(52)}`),
    named("a HEIC", "image/heic", `\0\0\0\x18ftypheic\0\0\0\0mif1heic${"\0".repeat(200)}`),
    named("a video", "image/jpeg", `\0\0\0\x18ftypisom\0\0\x02\0isommp42${"\0".repeat(200)}`),
    named("compressed data called JPEG", "image/jpeg", deflateSync(Buffer.alloc(1e6))),
  ];
}

function billionLaughs(): string {
  const entities = Array.from({ length: 10 }, (_, index) => {
    const inner = index === 0 ? "ha" : `&l${index - 1};`.repeat(10);
    return `<!ENTITY l${index} "${inner}">`;
  });
  return `<?xml version="1.0"?><!DOCTYPE svg [${entities.join("")}]><svg><text>&l9;</text></svg>`;
}

async function makeMovingWebp(): Promise<Buffer> {
  const frames = await makeNoise(64, 64 * 8);
  const raw = await sharp(frames).raw().toBuffer();
  const shape = { width: 64, height: 64 * 8, channels: 3, pageHeight: 64 } as const;
  return await sharp(raw, { raw: shape }).webp({ loop: 0 }).toBuffer();
}

function pseudoRandom(length: number): Buffer {
  let state = 1;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state & 255;
    }),
  );
}
