import { DomainError } from "@ducat/types/errors";
import { refuseAt } from "../problem.ts";

const headerBytes = 4096;
const mostParts = 20;
const crlf = "\r\n";

/**
 * The parts of a multipart/form-data body (RFC 7578) by their names, as parts of `body`: nothing is
 * copied. Errors: malformed_body, validation_failed (a name twice, or too many).
 */
export function readForm(body: Buffer, contentType: string): Map<string, Buffer> {
  const [, quoted, bare] = /boundary=(?:"([^"]{1,70})"|([!-~]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw malformed("The content type names no boundary.");
  const delimiter = Buffer.from(`${crlf}--${boundary}`, "latin1");
  const start = body.indexOf(delimiter.subarray(2));
  const isAtLineStart = start === 0 || body.toString("latin1", start - 2, start) === crlf;
  if (start < 0 || !isAtLineStart) throw malformed("The boundary is not there.");
  const parts = new Map<string, Buffer>();
  let at = start + delimiter.length - 2;
  while (body.toString("latin1", at, at + 2) !== "--") {
    const end = body.indexOf(delimiter, at);
    if (end < 0) throw malformed("The last boundary is missing.");
    const { name, content } = cutPart(body.subarray(at, end));
    if (parts.has(name)) throw refuseAt(`/${name}`, "It is there twice.");
    parts.set(name, content);
    if (parts.size > mostParts) throw refuseAt("", `At most ${mostParts} parts.`);
    at = end + delimiter.length;
  }
  return parts;
}

function cutPart(part: Buffer): { name: string; content: Buffer } {
  const split = part.subarray(0, headerBytes).indexOf(crlf + crlf);
  if (part.toString("latin1", 0, 2) !== crlf || split < 0)
    throw malformed("A part has no headers.");
  const disposition = /^content-disposition:\s*form-data\b[^\r\n]*/im;
  const [line = ""] = disposition.exec(part.toString("latin1", 0, split)) ?? [];
  const named = /;\s*name=(?:"([^"]{1,100})"|([^;\s]{1,100}))/i;
  const [, quoted, bare] = named.exec(line) ?? [];
  const name = quoted ?? bare;
  if (name === undefined) throw malformed("A part has no name.");
  return { name, content: part.subarray(split + 4) };
}

function malformed(detail: string): DomainError {
  return new DomainError("malformed_body", { detail });
}
