import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { TokenHashes } from "@ducat/db/sessions";
import { deriveKey } from "@ducat/payments/derive-key";

type Kind = "access" | "refresh";
const prefixes = { access: "ds", refresh: "dr" } as const;

/** The pair of tokens of one generation, and what the database keeps of them. */
export type TokenPair = { access: string; refresh: string; hashes: TokenHashes };
export type ReadToken = { id: string; generation: number; hash: Buffer };

export type SessionTokens = {
  make(id: string, generation: number): TokenPair;
  /** The pair whose refresh token has this hash, by whichever of our secrets it was made. */
  find(id: string, generation: number, refreshHash: string): TokenPair | undefined;
  /** What a token says that one of our secrets made. Whether it still works the database knows. */
  read(kind: Kind, token: string): ReadToken | undefined;
};

const largestGeneration = 0x7fff_ffff;

/**
 * Tokens of sessions, `ds_…` and `dr_…`: the session's id, the generation's number and an HMAC over
 * both. So the successor of a token can be told again without being kept, and a forged one costs no
 * query. `secrets` are the SECRET_KEYS, newest first.
 */
export function createSessionTokens({
  secrets,
  mode,
}: {
  secrets: readonly string[];
  mode: "test" | "live";
}): SessionTokens {
  const keys = secrets.map((secret) => ({
    access: deriveKey(secret, `session access ${mode}`),
    refresh: deriveKey(secret, `session refresh ${mode}`),
  }));
  const [newest] = keys;
  if (!newest) throw new Error("Sessions need at least one secret.");
  const makeWith = (key: Record<Kind, Buffer>, id: string, generation: number): TokenPair => {
    const access = writeToken("access", key, { id, generation });
    const refresh = writeToken("refresh", key, { id, generation });
    return { access, refresh, hashes: { access_hash: sha(access), refresh_hash: sha(refresh) } };
  };
  return {
    make: (id, generation) => makeWith(newest, id, generation),
    find: (id, generation, refreshHash) =>
      keys
        .map((key) => makeWith(key, id, generation))
        .find(({ hashes }) => hashes.refresh_hash === refreshHash),
    read(kind, token) {
      const [, prefix, body = ""] = /^(ds|dr)_([\w-]{27})[\w-]{43}$/.exec(token) ?? [];
      if (prefix !== prefixes[kind]) return undefined;
      const bytes = Buffer.from(body, "base64url");
      const generation = bytes.readUInt32BE(16);
      if (generation < 1 || generation > largestGeneration) return undefined;
      const id = formatUuid(bytes.subarray(0, 16));
      const given = Buffer.from(token);
      const isOurs = keys.some((key) =>
        timingSafeEqual(Buffer.from(writeToken(kind, key, { id, generation })), given),
      );
      if (!isOurs) return undefined;
      return { id, generation, hash: createHash("sha256").update(token).digest() };
    },
  };
}

function writeToken(
  kind: Kind,
  keys: Record<Kind, Buffer>,
  { id, generation }: { id: string; generation: number },
): string {
  const bytes = Buffer.alloc(20);
  bytes.write(id.replaceAll("-", ""), "hex");
  bytes.writeUInt32BE(generation, 16);
  const mac = createHmac("sha256", keys[kind]).update(bytes).digest("base64url");
  return `${prefixes[kind]}_${bytes.toString("base64url")}${mac}`;
}

const sha = (text: string) => createHash("sha256").update(text).digest("hex");
const formatUuid = (bytes: Buffer) =>
  bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
