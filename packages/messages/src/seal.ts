import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { DeliveryError } from "./delivery-error.ts";

/** Data as it waits in the database when it holds a secret. */
export type Sealed = { sealed: string };

export type Seal = {
  seal(data: Record<string, unknown>): Sealed;
  /** What was sealed, and unsealed data as it is. Throws a final DeliveryError otherwise. */
  open(data: Record<string, unknown>): Record<string, unknown>;
};

const algorithm = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

/** What is sealed; each kind has keys of its own, so that one is no use in the place of another. */
export type SealPurpose = "message data" | "webhook secrets";

/**
 * Keeps secrets (links and codes in messages, what signs webhooks) from whoever reads the
 * database. `secrets` are the SECRET_KEYS, newest first, the same ones in the API and the worker.
 */
export function createSeal(
  secrets: readonly string[],
  purpose: SealPurpose = "message data",
): Seal {
  const keys = secrets.map((secret) =>
    Buffer.from(hkdfSync("sha256", secret, "ducat", purpose, 32)),
  );
  const [newest] = keys;
  if (!newest) throw new Error("A seal needs at least one secret.");
  return {
    seal(data) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, newest, iv, { authTagLength: tagBytes });
      const text = Buffer.concat([cipher.update(JSON.stringify(data), "utf8"), cipher.final()]);
      return { sealed: Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64") };
    },
    open(data) {
      if (typeof data.sealed !== "string") return data;
      const bytes = Buffer.from(data.sealed, "base64");
      for (const key of keys) {
        const text = tryOpen(key, bytes);
        if (text !== undefined) return JSON.parse(text);
      }
      throw new DeliveryError("the data can't be unsealed", { isFinal: true });
    },
  };
}

function tryOpen(key: Buffer, bytes: Buffer): string | undefined {
  const iv = bytes.subarray(0, ivBytes);
  const tag = bytes.subarray(ivBytes, ivBytes + tagBytes);
  try {
    const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes });
    decipher.setAuthTag(tag);
    const text = decipher.update(bytes.subarray(ivBytes + tagBytes));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}
