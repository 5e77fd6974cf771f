import { createHmac, timingSafeEqual } from "node:crypto";

/** Seconds that one code lives, and how many steps before and after now are accepted (RFC 6238). */
const stepSeconds = 30;
const drift = [0, -1, 1];
export const secretBytes = 20;

const stepAt = (nowMs: number) => Math.floor(nowMs / 1000 / stepSeconds);

/** The six digits of a step: RFC 4226 section 5.3 with SHA-1, which is what apps can do. */
export function codeOf(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0xf;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** The step that a code is of, now or one before or after; undefined when it is none of them. */
export function findStep(secret: Buffer, code: string, nowMs: number): number | undefined {
  const given = Buffer.from(code);
  const steps = drift.map((by) => stepAt(nowMs) + by);
  return steps.find((step) => {
    const right = Buffer.from(codeOf(secret, step));
    return right.length === given.length && timingSafeEqual(right, given);
  });
}

/** What an authenticator app scans; `name` tells logins apart, `issuer` products. */
export function writeOtpauthUrl(secret: Buffer, who: { name: string; issuer: string }): string {
  const { name, issuer } = who;
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(name)}`;
  const query = new URLSearchParams({ secret: toBase32(secret), issuer });
  return `otpauth://totp/${label}?${query}&algorithm=SHA1&digits=6&period=${stepSeconds}`;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 4648 without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let rest = 0;
  for (const byte of bytes) {
    rest = (rest << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(rest >>> (bits - 5)) & 31];
    rest &= 0xff;
  }
  return bits > 0 ? text + alphabet[(rest << (5 - bits)) & 31] : text;
}
