import { hkdfSync } from "node:crypto";

/**
 * A key of its own for one purpose (RFC 5869), so that what is signed for one use never passes for
 * another. 32 bytes.
 */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "ducat", purpose, 32));
}
