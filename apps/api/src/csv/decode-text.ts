import { refuseAt } from "../problem.ts";

const marks = [
  { bytes: [0xef, 0xbb, 0xbf], encoding: "utf-8" },
  { bytes: [0xff, 0xfe], encoding: "utf-16le" },
  { bytes: [0xfe, 0xff], encoding: "utf-16be" },
] as const;

/**
 * The text of a file: UTF-8, or UTF-16 where its first bytes say so. Errors: validation_failed at
 * `/file` (other encodings, which could only be guessed, and NUL, which no text has).
 */
export function decodeText(bytes: Uint8Array): string {
  const mark = marks.find((one) => one.bytes.every((byte, at) => bytes[at] === byte));
  let text: string;
  try {
    const decoder = new TextDecoder(mark?.encoding ?? "utf-8", { fatal: true, ignoreBOM: true });
    text = decoder.decode(bytes.subarray(mark?.bytes.length ?? 0));
  } catch {
    throw refuseAt("/file", "This is neither UTF-8 nor UTF-16 with a byte order mark.");
  }
  if (text.includes("\0")) throw refuseAt("/file", "There is a NUL in it: this is no text.");
  return text;
}
