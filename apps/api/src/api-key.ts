import { createHash, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const idLength = 8;
/** 62^32 is more than 190 bits. */
const secretLength = 32;
const sumLength = 6;

export type Mode = "test" | "live";
export type NewKey = { id: string; text: string; hash: Buffer };

/**
 * Makes a key: `dk_<mode>_<id>_<secret><checksum>`. The prefix is for people and for scanners of
 * leaked secrets, the checksum tells a typing error from a key without asking the database.
 */
export function makeApiKey(mode: Mode): NewKey {
  const id = pick(idLength, 36);
  const body = `dk_${mode}_${id}_${pick(secretLength, digits.length)}`;
  const text = body + sumOf(body);
  return { id, text, hash: hashKey(text) };
}

/** The id in a key of this mode; undefined for what was never a key of ours. */
export function readApiKey(text: string, mode: Mode): string | undefined {
  const [, body, of, id, sum] =
    /^(dk_(test|live)_([0-9a-z]{8})_[0-9A-Za-z]{32})([0-9A-Za-z]{6})$/.exec(text) ?? [];
  return body !== undefined && of === mode && sum === sumOf(body) ? id : undefined;
}

/** SHA-256: a key holds enough random bits that nothing slower is needed. */
export const hashKey = (text: string): Buffer => createHash("sha256").update(text).digest();

function pick(length: number, base: number): string {
  return Array.from({ length }, () => digits[randomInt(base)]).join("");
}

/** CRC-32 in base 62. */
function sumOf(body: string): string {
  let rest = crc32(body);
  let sum = "";
  for (let n = 0; n < sumLength; n++) {
    sum = digits[rest % digits.length] + sum;
    rest = Math.floor(rest / digits.length);
  }
  return sum;
}
