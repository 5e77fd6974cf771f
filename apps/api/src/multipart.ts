import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "./problem.ts";

const headerBytes = 4096;

/**
 * The bytes of the one file of a multipart/form-data body (RFC 7578), as a part of `body`: nothing
 * is copied. What the client calls it and its type are ignored, the decoder decides.
 * Errors: malformed_body, validation_failed (not exactly one part, or not named `name`).
 */
export function readOnlyFile(body: Buffer, contentType: string, name: string): Buffer {
  const [, quoted, bare] = /boundary=(?:"([^"]{1,70})"|([!-~]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw malformed("The content type names no boundary.");
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  // The first delimiter has no line break before it when there is no preamble.
  const start = body.indexOf(delimiter.subarray(2));
  if (
    start < 0 ||
    (start > 0 &&
      !body
        .subarray(start - 2)
        .subarray(0, 2)
        .equals(crlf))
  ) {
    throw malformed("The boundary is not there.");
  }
  const part = start + delimiter.length - 2;
  const end = body.indexOf(delimiter, part);
  if (end < 0) throw malformed("The last boundary is missing.");
  if (body.toString("latin1", end + delimiter.length, end + delimiter.length + 2) !== "--") {
    throw refuseAt(`/${name}`, "Exactly one file is expected.");
  }
  return cutContent(body.subarray(part, end), name);
}

const crlf = Buffer.from("\r\n");

function cutContent(part: Buffer, name: string): Buffer {
  const split = part.subarray(0, headerBytes).indexOf("\r\n\r\n");
  if (!part.subarray(0, 2).equals(crlf) || split < 0) throw malformed("A part has no headers.");
  const headers = part.toString("latin1", 0, split);
  const [, quoted, bare] =
    /^content-disposition:\s*form-data\b[^\r\n]*?;\s*name=(?:"([^"\r\n]*)"|([^;\s]+))/im.exec(
      headers,
    ) ?? [];
  if ((quoted ?? bare) !== name) throw refuseAt(`/${name}`, `The file's field is "${name}".`);
  return part.subarray(split + 4);
}

function malformed(detail: string): DomainError {
  return new DomainError("malformed_body", { detail });
}
