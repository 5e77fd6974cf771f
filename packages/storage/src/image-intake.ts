import { DomainError } from "@ducat/types/errors";
import sharp, { type Sharp, type SharpOptions } from "sharp";
import { maxBlobBytes } from "./blobs.ts";
import { createDecodeGate } from "./decode-gate.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";
import { damaged, refuseImage } from "./image-refusal.ts";

const mebibyte = 1024 * 1024;
/**
 * What all running decodes may take together, by the estimate below. With what the allocator keeps
 * for itself the process stays under its idle size + 300 MiB; a test measures it.
 */
const memoryBudget = 184 * mebibyte;
/** Measured with sharp 0.35 on Linux: resizing to 2048 pixels and encoding; what adds to it. */
const decodeBytes = 56 * mebibyte;
const alphaBytes = 48 * mebibyte;
const streamedRows = 900;
/** A single row of a "picture" 40 million pixels wide would already be a bomb. */
const maxInputSide = 16_384;
const maxWaiting = 64;
const decodeTimeoutSeconds = 20;
const webpQuality = 88;
const thumbnailSide = 320;

export type Picture = { bytes: Buffer; type: "image/webp"; width: number; height: number };
export type ImageIntake = {
  intake(bytes: Uint8Array): Promise<Picture>;
  /** A small one of a picture that is stored: at most 320 pixels a side, 64 MiB to begin with. */
  shrink(bytes: Uint8Array): Promise<Picture>;
};

/**
 * Turns an untrusted upload into a WebP of our own making: upright, at most `maxSide` pixels a
 * side, without metadata and without one byte of the original file. Refuses with validation_failed
 * (pointer /file), payload_too_large over `maxBytes`, unavailable when too many wait.
 */
export function createImageIntake(
  options: { maxBytes?: number; maxPixels?: number; maxSide?: number; concurrency?: number } = {},
): ImageIntake {
  const { maxBytes = 15 * mebibyte, maxPixels = 50e6, maxSide = 2048, concurrency = 2 } = options;
  // Settings of the whole process: a thread per decode is enough, and a cache of hostile pictures
  // is memory for nothing.
  sharp.concurrency(1);
  sharp.cache(false);
  const pass = createDecodeGate({ slots: concurrency, budget: memoryBudget, maxWaiting });

  const take = async (input: Uint8Array, most: { bytes: number; side: number }) => {
    const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    if (bytes.length === 0) throw refuseImage("The file is empty.");
    if (bytes.length > most.bytes) {
      throw new DomainError("payload_too_large", { detail: `At most ${most.bytes} bytes.` });
    }
    const header = readImageHeader(bytes);
    checkSize(header, maxPixels);
    const cost = estimateMemory(header);
    if (cost > memoryBudget) {
      throw refuseImage("The picture is too large to be interlaced, progressive or lossless.");
    }
    return await pass(cost, () => reencode(bytes, header, { maxPixels, maxSide: most.side }));
  };
  return {
    intake: (bytes) => take(bytes, { bytes: maxBytes, side: maxSide }),
    shrink: (bytes) => take(bytes, { bytes: maxBlobBytes, side: thumbnailSide }),
  };
}

function checkSize({ width, height }: ImageHeader, maxPixels: number): void {
  if (width === 0 || height === 0) throw refuseImage(damaged);
  if (width * height > maxPixels || Math.max(width, height) > maxInputSide) {
    const megapixels = Math.floor(maxPixels / 1e6);
    throw refuseImage(`At most ${megapixels} megapixels and ${maxInputSide} pixels a side.`);
  }
}

function estimateMemory({ frameBytes, rowBytes, hasAlpha }: ImageHeader): number {
  return decodeBytes + frameBytes + rowBytes * streamedRows + (hasAlpha ? alphaBytes : 0);
}

type Limits = { maxPixels: number; maxSide: number };

async function reencode(bytes: Buffer, header: ImageHeader, limits: Limits): Promise<Picture> {
  const { maxPixels, maxSide } = limits;
  const options: SharpOptions = { limitInputPixels: maxPixels, failOn: "warning", pages: 1 };
  try {
    const found = await sharp(bytes, options).metadata();
    // The decoder must see the same picture that was judged.
    const larger = found.width > header.width || found.height > header.height;
    if (larger || found.format !== header.format) throw new Error("Not what the header says.");
    const source = sharp(bytes, options).timeout({ seconds: decodeTimeoutSeconds });
    // Sixteen bits a sample are halved on the way in. Always asking for this would keep large
    // photos from being made smaller while they are read.
    const eightBits = found.depth === "ushort" ? source.pipelineColourspace("srgb") : source;
    const small = eightBits.resize({
      width: maxSide,
      height: maxSide,
      fit: "inside",
      withoutEnlargement: true,
    });
    const { data, info } = await (await turnUpright(small, found.orientation))
      .webp({ quality: webpQuality })
      .toBuffer({ resolveWithObject: true });
    return { bytes: data, type: "image/webp", width: info.width, height: info.height };
  } catch (error) {
    throw refuseImage("The picture can't be decoded: it is damaged or cut short.", error);
  }
}

/**
 * The eight EXIF orientations (CIPA DC-008, tag 0x0112). The picture is turned once it is small:
 * turning the original would hold its whole frame in memory.
 */
async function turnUpright(image: Sharp, orientation = 1): Promise<Sharp> {
  if (orientation <= 1 || orientation > 8) return image;
  const { data, info } = await image
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const turns = [0, 0, 180, 180, 270, 90, 90, 270][orientation - 1] ?? 0;
  const turned = sharp(data, { raw: info }).rotate(turns);
  // sharp mirrors before it turns, in whatever order the two are called.
  const mirrored = [2, 4, 5, 7].includes(orientation);
  return mirrored ? turned.flop() : turned;
}
