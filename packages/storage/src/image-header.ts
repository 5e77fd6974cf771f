import { cutShort, refuseImage } from "./image-refusal.ts";
import { readJpegHeader } from "./jpeg-header.ts";
import { readPngHeader } from "./png-header.ts";
import { readWebpHeader } from "./webp-header.ts";

/**
 * What a picture claims about itself, read before any decoder sees it. A bomb is a small file with
 * large claims, so the claims are what is judged first.
 */
export type ImageHeader = {
  format: "jpeg" | "png" | "webp";
  width: number;
  height: number;
  /** What the decoder must hold at once: 0 where it can stream, the whole frame where it can't. */
  frameBytes: number;
  /** One row in the decoder, where rows are streamed at full width. */
  rowBytes: number;
  hasAlpha: boolean;
};

/**
 * The header of a JPEG, PNG or WebP, by its first bytes alone: a name or a content type is what a
 * client says. Everything else is refused with validation_failed. GIF, AVIF, HEIC, TIFF, SVG and
 * PDF are refused on purpose: each brings frames, scripts or a decoder that photos don't need.
 */
export function readImageHeader(bytes: Buffer): ImageHeader {
  const read = headerReader(bytes);
  if (!read) throw refuseImage("This is not a JPEG, PNG or WebP picture.");
  try {
    return read(bytes);
  } catch (error) {
    // Buffer reads past the end throw RangeError: the file ends inside its own header.
    if (error instanceof RangeError) throw refuseImage(cutShort, error);
    throw error;
  }
}

function headerReader(bytes: Buffer): ((bytes: Buffer) => ImageHeader) | undefined {
  const start = bytes.toString("latin1", 0, 12);
  if (start.startsWith("\xff\xd8\xff")) return readJpegHeader;
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return readPngHeader;
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return readWebpHeader;
  return undefined;
}
