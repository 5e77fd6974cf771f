import { DomainError } from "@ducat/types/errors";
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "./deps.ts";
import { BadJson, parseStrictJson } from "./strict-json.ts";

const jsonBytes = 256 * 1024;
const jsonType = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i;

/**
 * Reads a JSON body before it is validated: type, size, encoding and the strict grammar. What was
 * sent stays in `c.var.sent`.
 */
export const readJson: MiddlewareHandler<AppEnv> = async (c, next) => {
  assertType(c, jsonType);
  const bytes = await readBytes(c, jsonBytes);
  const text = decode(bytes);
  try {
    c.set("sent", parseStrictJson(text));
  } catch (error) {
    if (!(error instanceof BadJson)) throw error;
    throw new DomainError("malformed_body", { detail: error.message }, { cause: error });
  }
  // The validator behind this one asks the request for its text.
  c.req.bodyCache.text = Promise.resolve(text) as never;
  await next();
};

/** As readJson, on routes whose body may be left out: then there is nothing to read. */
export const readAnyJson: MiddlewareHandler<AppEnv> = async (c, next) => {
  const length = c.req.header("content-length") ?? "0";
  const isSent =
    c.req.header("content-type") !== undefined ||
    c.req.header("transfer-encoding") !== undefined ||
    length !== "0";
  return isSent ? await readJson(c, next) : await next();
};

/** Refuses a body of another type, or one that is compressed. Returns the type as it was sent. */
export function assertType(c: Context<AppEnv>, type: RegExp): string {
  const given = c.req.header("content-type")?.trim() ?? "";
  const encoding = c.req.header("content-encoding");
  if (!type.test(given) || (encoding !== undefined && encoding !== "identity")) {
    throw new DomainError("unsupported_media_type");
  }
  return given;
}

/**
 * The body in memory; payload_too_large over `most` bytes, malformed_body when it breaks off. A
 * length that is announced is the server's to enforce, so such a body gets its buffer at once.
 */
export async function readBytes(c: Context<AppEnv>, most: number): Promise<Buffer> {
  const announced = c.req.header("content-length");
  if (Number(announced ?? 0) > most) throw tooLarge(most);
  try {
    // The server reads a small body of known length without a stream, which is much cheaper.
    if (announced !== undefined && Number(announced) <= jsonBytes) {
      const bytes = Buffer.from(await c.req.raw.arrayBuffer());
      if (bytes.length > most) throw tooLarge(most);
      return bytes;
    }
    return await collect(c.req.raw, announced === undefined ? most : Number(announced));
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError("malformed_body", { detail: "It breaks off." }, { cause: error });
  }
}

async function collect({ body }: Request, most: number): Promise<Buffer> {
  if (!body) return Buffer.alloc(0);
  const bytes = Buffer.allocUnsafe(most);
  const reader = body.getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (length + value.byteLength > most) {
      reader.cancel().catch(() => undefined);
      throw tooLarge(most);
    }
    bytes.set(value, length);
    length += value.byteLength;
  }
}

function tooLarge(most: number): DomainError {
  return new DomainError("payload_too_large", { detail: `At most ${most} bytes.` });
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new DomainError("malformed_body", { detail: "It is not UTF-8." }, { cause: error });
  }
}
