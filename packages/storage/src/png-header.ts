import { inflateSync } from "node:zlib";
import type { ImageHeader } from "./image-header.ts";
import { cutShort, damaged, refuseImage } from "./image-refusal.ts";

/** Compressed text and colour profiles may unfold to this much in one file. */
const maxUnfoldedBytes = 4 * 1024 * 1024;
const samplesPerPixel: Record<number, number> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

type Chunk = { type: string; data: Buffer };

/** Walks all chunks (PNG specification, section 5) and unfolds the compressed small ones. */
export function readPngHeader(bytes: Buffer): ImageHeader {
  let unfolded = 0;
  let hasKey = false;
  let header: Buffer | undefined;
  for (const chunk of walkChunks(bytes)) {
    if (!header && chunk.type !== "IHDR") throw refuseImage(damaged);
    if (chunk.type === "IHDR") header = chunk.data;
    if (chunk.type === "tRNS") hasKey = true;
    unfolded += unfoldedSize(chunk, maxUnfoldedBytes - unfolded);
  }
  if (!header) throw refuseImage(damaged);
  return toHeader(header, hasKey);
}

function toHeader(header: Buffer, hasKey: boolean): ImageHeader {
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  const colour = header.readUInt8(9);
  const samples = samplesPerPixel[colour];
  if (samples === undefined) throw refuseImage(damaged);
  const sampleBytes = header.readUInt8(8) === 16 ? 2 : 1;
  const rowBytes = width * (samples + (hasKey ? 1 : 0)) * sampleBytes;
  const interlaced = header.readUInt8(12) !== 0;
  const held = interlaced
    ? { frameBytes: rowBytes * height, rowBytes: 0 }
    : { frameBytes: 0, rowBytes };
  return { format: "png", width, height, ...held, hasAlpha: hasKey || colour >= 4 };
}

function* walkChunks(bytes: Buffer): Iterable<Chunk> {
  for (let at = 8; ; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    const end = at + 12 + length;
    if (end > bytes.length) throw refuseImage(cutShort);
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    if (type === "IEND") return;
    at = end;
  }
}

/** How many bytes the chunk's compressed part holds; refused when it is over the limit. */
function unfoldedSize({ type, data }: Chunk, limit: number): number {
  const compressed = compressedPart(type, data);
  if (!compressed) return 0;
  try {
    return inflateSync(compressed, { maxOutputLength: Math.max(limit, 1) }).length;
  } catch (error) {
    throw refuseImage("The picture's texts are damaged or too long.", error);
  }
}

function compressedPart(type: string, data: Buffer): Buffer | undefined {
  if (type !== "zTXt" && type !== "iCCP" && type !== "iTXt") return undefined;
  const name = data.indexOf(0);
  if (name < 0) throw refuseImage(damaged);
  if (type !== "iTXt") return data.subarray(name + 2);
  const isCompressed = data.readUInt8(name + 1) === 1;
  const language = data.indexOf(0, name + 3);
  const keyword = language < 0 ? -1 : data.indexOf(0, language + 1);
  if (keyword < 0) throw refuseImage(damaged);
  return isCompressed ? data.subarray(keyword + 1) : undefined;
}
