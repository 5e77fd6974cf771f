import { setImmediate } from "node:timers/promises";
import sharp, { type Sharp } from "sharp";
import type { Picture } from "./generator.ts";

/** The longest side of what the local generator makes, in pixels. */
const maxSide = 1536;
/** Filters need some pixels around each; a photo smaller than this is stretched. */
const minSide = 16;
const maxInputPixels = 50e6;
const webpQuality = 86;
/** Other work of the process gets a turn after so many rows. */
const rowsPerTurn = 96;

/** Pixels in memory: three bytes each, red, green and blue. */
export type Frame = { data: Buffer; width: number; height: number };

/** One pixel on its way through a look: channels 0 to 1, and where it is, 0 to 1 as well. */
export type Pixel = { r: number; g: number; b: number; x: number; y: number };

export type Area = { left: number; top: number; width: number; height: number };

/** The size of a picture as it is seen. Throws when it can't be read. */
export async function measurePhoto(bytes: Buffer): Promise<{ width: number; height: number }> {
  return (await sharp(bytes, { limitInputPixels: maxInputPixels }).metadata()).autoOrient;
}

/** The part of a photo inside the area, upright, opaque and at most `maxSide` pixels a side. */
export async function readPhoto(bytes: Buffer, area: Area): Promise<Frame> {
  const source = sharp(bytes, { limitInputPixels: maxInputPixels }).autoOrient().extract(area);
  const scale = Math.min(1, maxSide / Math.max(area.width, area.height));
  const [width = 1, height = 1] = [area.width, area.height].map((side) =>
    Math.max(minSide, Math.round(side * scale)),
  );
  return await toFrame(source.resize({ width, height, fit: "fill" }));
}

/** The picture's pixels, what is transparent shown on white. */
export async function toFrame(image: Sharp): Promise<Frame> {
  const { data, info } = await image
    .flatten({ background: "#ffffff" })
    .removeAlpha() // a composite brings it back
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const isGrey = info.channels === 1;
  return { data: isGrey ? repeatThrice(data) : data, width: info.width, height: info.height };
}

function repeatThrice(grey: Buffer): Buffer {
  const colours = Buffer.alloc(grey.length * 3);
  for (const [at, value] of grey.entries()) colours.fill(value, at * 3, at * 3 + 3);
  return colours;
}

export function toImage({ data, width, height }: Frame): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Who may stop the work, and who hears which part of it is done, from 0 to 1. */
export type Steps = { signal: AbortSignal; report(fraction: number): void };

/** The steps of the pixels within those of a picture: it is read before and finished after. */
export function shading({ signal, report }: Steps): Steps {
  return { signal, report: (fraction) => report(0.1 + 0.7 * fraction) };
}

/** Change every pixel in place. Gives way to other work now and then, and stops at the signal. */
export async function shade(
  { data, width, height }: Frame,
  { signal, report }: Steps,
  change: (pixel: Pixel) => void,
): Promise<void> {
  const pixel: Pixel = { r: 0, g: 0, b: 0, x: 0, y: 0 };
  for (let row = 0, at = 0; row < height; row += 1) {
    if (row % rowsPerTurn === 0) {
      report(row / height);
      await setImmediate();
      signal.throwIfAborted();
    }
    pixel.y = row / height;
    for (let column = 0; column < width; column += 1, at += 3) {
      pixel.r = (data[at] ?? 0) / 255;
      pixel.g = (data[at + 1] ?? 0) / 255;
      pixel.b = (data[at + 2] ?? 0) / 255;
      pixel.x = column / width;
      change(pixel);
      data[at] = toByte(pixel.r);
      data[at + 1] = toByte(pixel.g);
      data[at + 2] = toByte(pixel.b);
    }
  }
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 1 ? 255 : Math.round(value * 255);
}

/** The finished picture as WebP, its longest side cut down to `maxSide`. */
export async function toPicture(image: Sharp): Promise<Picture> {
  // In one go sharp would cut it down before it adds the border.
  const { data, info } = await toImage(await toFrame(image))
    .resize({ width: maxSide, height: maxSide, fit: "inside", withoutEnlargement: true })
    .webp({ quality: webpQuality })
    .toBuffer({ resolveWithObject: true });
  return { kind: "image", bytes: data, type: "image/webp", width: info.width, height: info.height };
}
