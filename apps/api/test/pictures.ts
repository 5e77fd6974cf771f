import { randomUUID } from "node:crypto";
import sharp from "sharp";

/** A JPEG as a camera makes it: more wide than high, with a place in its metadata. */
export function makePhoto(width = 640, height = 480): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 30 } as const;
  return sharp({ create: { width, height, channels: 3, background: "#7a9", noise } })
    .withExif({ IFD0: { Copyright: "canary-of-the-metadata" } })
    .jpeg()
    .toBuffer();
}

export type Part = { name?: string; filename?: string; type?: string; bytes: Uint8Array };

/** A multipart body as browsers write it, and its content type. */
export function makeForm(parts: Part[], boundary: string = randomUUID()) {
  const chunks = parts.flatMap(({ name = "file", filename = "a.jpg", type, bytes }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
      `Content-Type: ${type ?? "image/jpeg"}\r\n\r\n`,
    bytes,
    "\r\n",
  ]);
  const raw = Buffer.concat([...chunks, `--${boundary}--\r\n`].map((chunk) => Buffer.from(chunk)));
  return { raw, headers: { "content-type": `multipart/form-data; boundary=${boundary}` } };
}
