import { createHash } from "node:crypto";
import type { ClaimedItem } from "@ducat/db/items";
import type { Output } from "@ducat/db/outputs";
import { type BlobExtension, outputKey } from "@ducat/storage/blob-key";
import sharp from "sharp";
import { BadOutput } from "../generators/bad-output.ts";
import { toStorable } from "../storable-text.ts";

const maxPictureBytes = 32 * 1024 * 1024;
const maxPixels = 50e6;
const maxTextLength = 100_000;
const decodeSeconds = 20;
const formats: Record<string, { extension: BlobExtension; type: string }> = {
  webp: { extension: "webp", type: "image/webp" },
  png: { extension: "png", type: "image/png" },
  jpeg: { extension: "jpg", type: "image/jpeg" },
};

/** A picture as it will be stored: the row's `output`, and the bytes behind its key. */
export type CheckedOutput = { output: Output; bytes?: Uint8Array };

/** A text that PostgreSQL can keep. Throws BadOutput when it is empty or too long. */
export function checkText(text: string): CheckedOutput {
  if (text.length > maxTextLength) throw new BadOutput(`${text.length} characters`);
  const kept = toStorable(text, maxTextLength).trim();
  if (kept === "") throw new BadOutput("an empty text");
  return { output: { kind: "text", text: kept } };
}

/**
 * Decodes a picture to its last row, so that one that was cut short on its way is not sold. Its
 * type and size are what the bytes say. Throws BadOutput.
 */
export async function checkPicture(
  item: ClaimedItem,
  { bytes }: { bytes: Uint8Array },
): Promise<CheckedOutput> {
  if (bytes.byteLength === 0 || bytes.byteLength > maxPictureBytes) {
    throw new BadOutput(`${bytes.byteLength} bytes`);
  }
  const { width, height, format } = await decode(bytes);
  const { extension, type } = format;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { account_id: accountId, item_id: itemId, attempt } = item;
  const key = outputKey({ accountId, itemId, attempt, sha256, extension });
  const size = bytes.byteLength;
  return { output: { kind: "image", key, type, width, height, size, sha256 }, bytes };
}

async function decode(bytes: Uint8Array) {
  try {
    const image = sharp(bytes, { limitInputPixels: maxPixels, failOn: "warning" });
    const { width, height, format: name } = await image.metadata();
    const format = formats[name];
    if (!format) throw new BadOutput(`the format ${name}`);
    // Shrunk while it is decoded: the pixels themselves are of no interest.
    await image.timeout({ seconds: decodeSeconds }).resize(8, 8, { fit: "fill" }).raw().toBuffer();
    return { width, height, format };
  } catch (error) {
    if (error instanceof BadOutput) throw error;
    throw new BadOutput("it can't be decoded", { cause: error });
  }
}
