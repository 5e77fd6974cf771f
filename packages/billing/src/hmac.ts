import { createHmac, timingSafeEqual } from "node:crypto";

/** HMAC-SHA256 of a text. */
export function sign(secret: string | Uint8Array, text: string): Buffer {
  return createHmac("sha256", secret).update(text).digest();
}

/** Whether both texts are the same, in a time that tells nothing about where they differ. */
export function isSameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
