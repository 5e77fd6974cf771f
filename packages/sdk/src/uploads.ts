import { DucatError } from "./errors.ts";
import type { Caller } from "./operations.ts";
import { untilAborted } from "./retry.ts";
import type { RequestOptions } from "./transport.ts";
import type { Upload } from "./types.ts";

const mostBytes = 15 * 1024 * 1024;

/** A picture: a Blob or File of a browser, bytes (a Buffer too), or a stream of either system. */
export type Picture =
  | Blob
  | Uint8Array
  | ArrayBuffer
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>;

export type Uploads = {
  /** Errors: validation_failed (no picture), payload_too_large (over 15 MiB). */
  create(picture: Picture, options?: RequestOptions): Promise<Upload>;
};

export const createUploads = ({ request }: Caller): Uploads => ({
  async create(picture, options) {
    const body = new FormData();
    body.set("file", await untilAborted(toBlob(picture), options?.signal), "picture");
    return await request("POST /v1/uploads", { ...options, body });
  },
});

/** All of it: what may have to be sent again is kept, and the API takes no more than this. */
async function toBlob(picture: Picture): Promise<Blob> {
  if (picture instanceof Blob) return refuseLarge(picture);
  if (picture instanceof ArrayBuffer) return refuseLarge(new Blob([picture]));
  if (picture instanceof Uint8Array) return refuseLarge(new Blob([copyBytes(picture)]));
  const parts: BlobPart[] = [];
  let size = 0;
  for await (const part of readParts(picture)) {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
    size += bytes.byteLength;
    if (size > mostBytes) throw tooLarge();
    parts.push(copyBytes(bytes));
  }
  return new Blob(parts);
}

type BlobPart = ArrayBuffer | Blob;

/** A part of a larger buffer must not take the rest with it. */
const copyBytes = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

function refuseLarge(blob: Blob): Blob {
  if (blob.size > mostBytes) throw tooLarge();
  return blob;
}

function tooLarge(): DucatError {
  return new DucatError("payload_too_large", { message: `At most ${mostBytes} bytes.` });
}

/** Not every browser can iterate over a stream. */
async function* readParts(
  picture: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>,
): AsyncGenerator<Uint8Array | string> {
  if (!("getReader" in picture)) return yield* picture;
  const reader = picture.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
