import type { ImageHeader } from "./image-header.ts";
import { damaged, refuseImage } from "./image-refusal.ts";

const animationFlag = 0x02;
const maxChunks = 64;

/** Walks the RIFF chunks up to the picture data (RFC 9649, section 2). Moving ones are refused. */
export function readWebpHeader(bytes: Buffer): ImageHeader {
  let canvas = { width: 0, height: 0 };
  let hasAlphaPlane = false;
  let at = 12;
  for (let count = 0; count < maxChunks; count += 1) {
    const type = bytes.toString("latin1", at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "VP8X") {
      if (data.readUInt8(0) & animationFlag) throw refuseImage("Moving pictures are not taken.");
      canvas = { width: data.readUIntLE(4, 3) + 1, height: data.readUIntLE(7, 3) + 1 };
    }
    if (type === "ALPH") hasAlphaPlane = true;
    if (type === "VP8 ") {
      const frame = { ...lossySize(data), hasAlpha: hasAlphaPlane };
      return toHeader(frame, canvas, hasAlphaPlane ? 2 : 0);
    }
    if (type === "VP8L") return toHeader(losslessFrame(data), canvas, 4);
    at += 8 + length + (length % 2);
  }
  throw refuseImage(damaged);
}

type Size = { width: number; height: number };
type Frame = Size & { hasAlpha: boolean };

/** A lossy frame is scaled while it is read; lossless pixels (and alpha) are held as a whole. */
function toHeader(frame: Frame, canvas: Size, bytesPerPixel: number): ImageHeader {
  const width = Math.max(frame.width, canvas.width);
  const height = Math.max(frame.height, canvas.height);
  const frameBytes = width * height * bytesPerPixel;
  return { format: "webp", width, height, frameBytes, rowBytes: 0, hasAlpha: frame.hasAlpha };
}

function lossySize(data: Buffer): Size {
  if (data.readUIntBE(3, 3) !== 0x9d012a) throw refuseImage(damaged);
  return { width: data.readUInt16LE(6) & 0x3fff, height: data.readUInt16LE(8) & 0x3fff };
}

function losslessFrame(data: Buffer): Frame {
  if (data.readUInt8(0) !== 0x2f) throw refuseImage(damaged);
  const bits = data.readUInt32LE(1);
  const width = (bits & 0x3fff) + 1;
  const height = ((bits >>> 14) & 0x3fff) + 1;
  return { width, height, hasAlpha: ((bits >>> 28) & 1) === 1 };
}
