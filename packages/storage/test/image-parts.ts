import { constants, crc32, deflateRawSync } from "node:zlib";

/** Builds pictures from their parts, so that a bomb costs neither memory nor time to make. */

const pngSignature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const mebibyte = 1024 * 1024;

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, "latin1");
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A zlib stream of `size` zero bytes: the same compressed mebibyte over and over. */
export function deflatedZeros(size: number): Buffer {
  const flushed = { finishFlush: constants.Z_FULL_FLUSH };
  const block = deflateRawSync(Buffer.alloc(mebibyte), flushed);
  const rest = deflateRawSync(Buffer.alloc(size % mebibyte));
  const adler = Buffer.alloc(4);
  // Adler-32 of n zeros: the low half stays 1, the high half counts the bytes.
  adler.writeUInt32BE((size % 65_521) * 65_536 + 1);
  const blocks = Array.from({ length: Math.floor(size / mebibyte) }, () => block);
  return Buffer.concat([Buffer.of(0x78, 0x9c), ...blocks, rest, adler]);
}

type PngSize = { width: number; height: number };
type PngShape = PngSize & { depth: 8 | 16; colour: 2 | 6; interlaced?: boolean };

/** A black PNG of any size. `extra` chunks go before the pixels. */
export function zeroPng(shape: PngShape, extra: Buffer[] = []): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(shape.width, 0);
  header.writeUInt32BE(shape.height, 4);
  header.set([shape.depth, shape.colour, 0, 0, shape.interlaced ? 1 : 0], 8);
  const pixelBytes = ((shape.colour === 2 ? 3 : 4) * shape.depth) / 8;
  const size = shape.interlaced ? interlacedSize(shape, pixelBytes) : plainSize(shape, pixelBytes);
  return Buffer.concat([
    pngSignature,
    pngChunk("IHDR", header),
    ...extra,
    pngChunk("IDAT", deflatedZeros(size)),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

function plainSize({ width, height }: PngSize, pixelBytes: number): number {
  return height * (1 + width * pixelBytes);
}

/** The seven passes of Adam7: start and step in x and y. */
const passes = [
  [0, 8, 0, 8],
  [4, 8, 0, 8],
  [0, 4, 4, 8],
  [2, 4, 0, 4],
  [0, 2, 2, 4],
  [1, 2, 0, 2],
  [0, 1, 1, 2],
] as const;

function interlacedSize({ width, height }: PngSize, pixelBytes: number): number {
  const sizes = passes.map(([x, stepX, y, stepY]) =>
    plainSize(
      { width: Math.ceil((width - x) / stepX), height: Math.ceil((height - y) / stepY) },
      pixelBytes,
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function jpegSegment(marker: number, data: number[]): Buffer {
  const length = data.length + 2;
  return Buffer.from([0xff, marker, length >> 8, length & 255, ...data]);
}

/**
 * A grey progressive JPEG, full colour resolution, one scan of zero coefficients: three bits for
 * each 8 x 8 block of pixels, and six bytes for each pixel in the decoder.
 */
export function zeroProgressiveJpeg({ width, height }: { width: number; height: number }): Buffer {
  const ones = Array.from({ length: 64 }, () => 1);
  const onlySymbolZero = [1, ...Array.from({ length: 15 }, () => 0), 0];
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    jpegSegment(0xdb, [0, ...ones]),
    jpegSegment(0xc2, [8, ...size, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
    jpegSegment(0xc4, [0, ...onlySymbolZero]),
    jpegSegment(0xda, [3, 1, 0, 2, 0, 3, 0, 0, 0, 0]),
    Buffer.alloc(Math.ceil((blocks * 3) / 8)),
    Buffer.of(0xff, 0xd9),
  ]);
}

function riff(chunks: Buffer): Buffer {
  const head = Buffer.from("RIFF____WEBP", "latin1");
  head.writeUInt32LE(chunks.length + 4, 4);
  return Buffer.concat([head, chunks]);
}

/** A lossless WebP whose every code has one symbol: no bits at all for a pixel. */
export function zeroLosslessWebp({ width, height }: { width: number; height: number }): Buffer {
  const data = Buffer.alloc(22);
  data.write("VP8L", 0, "latin1");
  data.writeUInt32LE(14, 4);
  data[8] = 0x2f;
  data.writeUInt32LE(((width - 1) | ((height - 1) << 14)) >>> 0, 9);
  // No transform, no cache, no meta codes (3 bits 0), then five codes 1,0,0,0: one symbol, zero.
  data.writeUInt32LE(0x11111 << 3, 13);
  return riff(data);
}
