import { createCipheriv, createDecipheriv, createHmac, randomBytes, randomInt } from "node:crypto";
import type { Channel } from "@ducat/db/login-changes";
import type { CodePurpose } from "@ducat/db/login-codes";
import { deriveKey } from "@ducat/payments/derive-key";

export type CodeSecrets = {
  /** What is kept of a code that was sent, by each secret, the newest first. */
  hashCode(code: { phone: string; purpose: CodePurpose; code: string }): [Buffer, ...Buffer[]];
  /** What is kept of a code that was sent to a new address, by each secret, the newest first. */
  hashChange(change: AddressCode): [Buffer, ...Buffer[]];
  /** What is kept of a backup code, by each secret, the newest first. */
  hashBackup(loginId: string, code: string): [Buffer, ...Buffer[]];
  /** A login's TOTP secret as the database keeps it; no other login's opens it. */
  lock(loginId: string, secret: Buffer): Buffer;
  /** Throws when none of our secrets locked it. */
  unlock(loginId: string, locked: Buffer): Buffer;
  /** The same secret locked by the newest of ours; undefined when that has locked it already. */
  relock(loginId: string, locked: Buffer): Buffer | undefined;
};

export type AddressCode = {
  loginId: string;
  channel: Channel;
  address: string;
  code: string;
};

const algorithm = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;
const options = { authTagLength: tagBytes };

/** What codes and second factors derive from the SECRET_KEYS, newest first. */
export function createCodeSecrets(secrets: readonly string[]): CodeSecrets {
  const codes = deriveKeys(secrets, "login code");
  const changes = deriveKeys(secrets, "login change");
  const backups = deriveKeys(secrets, "totp backup code");
  const locks = deriveKeys(secrets, "totp secret");
  const lock = (loginId: string, secret: Buffer) => {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, locks[0], iv, options);
    cipher.setAAD(Buffer.from(loginId));
    const text = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), text]);
  };
  const unlock = (loginId: string, locked: Buffer) => {
    const found = locks.map((key) => tryUnlock(key, loginId, locked)).find(Boolean);
    if (!found) throw new Error("A TOTP secret was locked with none of the SECRET_KEYS.");
    return found;
  };
  return {
    lock,
    unlock,
    relock: (loginId, locked) =>
      tryUnlock(locks[0], loginId, locked) ? undefined : lock(loginId, unlock(loginId, locked)),
    hashCode: ({ phone, purpose, code }) => macs(codes, [purpose, phone, code]),
    hashChange: ({ loginId, channel, address, code }) =>
      macs(changes, [loginId, channel, address, code]),
    hashBackup: (loginId, code) => macs(backups, [loginId, code]),
  };
}

type Keys = [Buffer, ...Buffer[]];

function deriveKeys([newest, ...older]: readonly string[], purpose: string): Keys {
  if (newest === undefined) throw new Error("Codes need at least one secret.");
  const derive = (secret: string) => deriveKey(secret, purpose);
  return [derive(newest), ...older.map(derive)];
}

/** None of the parts can hold what is between them. */
function macs([newest, ...older]: Keys, parts: string[]): [Buffer, ...Buffer[]] {
  const mac = (key: Buffer) => createHmac("sha256", key).update(parts.join("\0")).digest();
  return [mac(newest), ...older.map(mac)];
}

function tryUnlock(key: Buffer, loginId: string, locked: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv(algorithm, key, locked.subarray(0, ivBytes), options);
    decipher.setAAD(Buffer.from(loginId));
    decipher.setAuthTag(locked.subarray(ivBytes, ivBytes + tagBytes));
    const text = decipher.update(locked.subarray(ivBytes + tagBytes));
    return Buffer.concat([text, decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Six random digits. */
export const makeCode = (): string => String(randomInt(1_000_000)).padStart(6, "0");

/** Letters and digits that nobody takes for others. */
const backupLetters = "abcdefghjkmnpqrstuvwxyz23456789";
/** 31^10: 49 bits, which only whoever has our secrets could try without asking us. */
export const makeBackupCode = (): string =>
  Array.from({ length: 10 }, () => backupLetters[randomInt(backupLetters.length)]).join("");
