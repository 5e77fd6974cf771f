import { createHmac, randomBytes } from "node:crypto";
import { createSeal, type Seal } from "@ducat/messages/seal";
import { deriveKey } from "@ducat/payments/derive-key";

export type LoginSecrets = {
  /** Signs what better-auth signs; none of it leaves the process. */
  betterAuth: string;
  seal: Seal["seal"];
  /** What is remembered of an identity that had its trial: an HMAC by each secret. */
  hashIdentity(identity: string): Buffer[];
  /** A name for a counter that tells nobody whose it is. */
  hashKey(text: string): string;
};

/** What logins derive from the SECRET_KEYS, newest first. */
export function createLoginSecrets(secrets: readonly string[]): LoginSecrets {
  const [newest] = secrets;
  if (newest === undefined) throw new Error("Logins need at least one secret.");
  const identityKeys = secrets.map((secret) => deriveKey(secret, "trial identity"));
  const limitKey = deriveKey(newest, "rate limit");
  return {
    betterAuth: deriveKey(newest, "better-auth").toString("base64url"),
    seal: createSeal(secrets).seal,
    hashIdentity: (identity) =>
      identityKeys.map((key) => createHmac("sha256", key).update(identity).digest()),
    hashKey: (text) => createHmac("sha256", limitKey).update(text).digest("base64url"),
  };
}

/** The identity behind an address: without its tag, and for Google's without dots. */
export function nameMailbox(email: string): string {
  const [, name = "", host = ""] = /^(.*)@([^@]*)$/.exec(email.toLowerCase()) ?? [];
  const untagged = name.replace(/\+.*$/, "") || name;
  const isGoogle = host === "gmail.com" || host === "googlemail.com";
  return `email:${isGoogle ? `${untagged.replaceAll(".", "")}@gmail.com` : `${untagged}@${host}`}`;
}

/** The identity behind a number in E.164. */
export const namePhone = (phone: string): string => `phone:${phone}`;

/** The secret of a link: 256 random bits. */
export const makeLinkToken = (): string => randomBytes(32).toString("base64url");
