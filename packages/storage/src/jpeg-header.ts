import type { ImageHeader } from "./image-header.ts";
import { damaged, refuseImage } from "./image-refusal.ts";

const standalone = new Set([0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7]);
const frameMarkers = new Set([0xc0, 0xc1, 0xc2]);
/** Lossless, hierarchical and arithmetic frames: no camera and no browser makes them. */
const strangeFrames = new Set([0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf, 0xde]);
const startOfScan = 0xda;
const endOfImage = 0xd9;

type Frame = { width: number; height: number; progressive: boolean; components: number[] };

/** Walks the segments up to the first scan (ITU-T T.81, annex B). */
export function readJpegHeader(bytes: Buffer): ImageHeader {
  let frame: Frame | undefined;
  let at = 2;
  for (;;) {
    if (bytes.readUInt8(at) !== 0xff) throw refuseImage(damaged);
    while (bytes.readUInt8(at + 1) === 0xff) at += 1;
    const marker = bytes.readUInt8(at + 1);
    at += 2;
    if (standalone.has(marker)) continue;
    if (marker === endOfImage || strangeFrames.has(marker)) throw refuseImage(damaged);
    const length = bytes.readUInt16BE(at);
    if (length < 2) throw refuseImage(damaged);
    if (frameMarkers.has(marker)) {
      if (frame) throw refuseImage(damaged);
      frame = readFrame(bytes.subarray(at, at + length), marker === 0xc2);
    }
    if (marker === startOfScan) {
      if (!frame) throw refuseImage(damaged);
      return toHeader(frame, bytes.readUInt8(at + 2));
    }
    at += length;
  }
}

function readFrame(segment: Buffer, progressive: boolean): Frame {
  const count = segment.readUInt8(7);
  if (segment.readUInt8(2) !== 8 || count < 1 || count > 4) throw refuseImage(damaged);
  const components = Array.from({ length: count }, (_, index) => {
    const sampling = segment.readUInt8(9 + index * 3);
    return (sampling >> 4) * (sampling & 15);
  });
  const height = segment.readUInt16BE(3);
  return { width: segment.readUInt16BE(5), height, progressive, components };
}

/**
 * A decoder keeps every coefficient (two bytes) until the last scan when there are several: in a
 * progressive file, and in a baseline file whose first scan hasn't all the components.
 */
function toHeader(frame: Frame, firstScanComponents: number): ImageHeader {
  const { width, height, progressive, components } = frame;
  const severalScans = progressive || firstScanComponents < components.length;
  const largest = Math.max(...components);
  const sampled = components.reduce((sum, area) => sum + area, 0);
  if (largest === 0) throw refuseImage(damaged);
  // Sampling factors are relative to the largest component, so this is at most 2 bytes each.
  const frameBytes = severalScans ? Math.ceil((width * height * 2 * sampled) / largest) : 0;
  // Rows need no account of their own: a large JPEG is made smaller while it is read.
  return { format: "jpeg", width, height, frameBytes, rowBytes: 0, hasAlpha: false };
}
