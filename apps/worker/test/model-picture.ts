import { createHash } from "node:crypto";
import sharp from "sharp";

/** A picture of noise, so that half of the file is not enough to decode. */
export function makeResult(): Promise<Buffer> {
  const bytes = Array.from({ length: 384 }, (_, index) =>
    createHash("sha256").update(`result ${index}`).digest(),
  );
  const raw = { width: 64, height: 64, channels: 3 as const };
  return sharp(Buffer.concat(bytes), { raw }).png().toBuffer();
}
