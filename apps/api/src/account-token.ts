import { createHmac, timingSafeEqual } from "node:crypto";
import { deriveKey } from "@ducat/payments/derive-key";
import { z } from "zod";
import { type Scope, scopes } from "./scopes.ts";

/** How long a browser may hold a token, in seconds; its server makes the next one. */
const longestToken = 15 * 60;

const Claims = z.strictObject({
  account: z.uuid(),
  scopes: z.array(z.enum(scopes)),
  /** Seconds since 1970. */
  expires: z.int(),
});
export type AccountClaims = { accountId: string; scopes: Scope[]; expiresAt: Date };

export type AccountTokens = {
  make(claims: { accountId: string; scopes: readonly Scope[]; seconds: number }): {
    token: string;
    expiresAt: Date;
  };
  /** What a token says that one of our secrets signed and that has not expired. */
  read(token: string): AccountClaims | undefined;
};

/**
 * Tokens for browsers: `dat_<claims>.<mac>`, bound to one account and checked without a query.
 * `secrets` are the SECRET_KEYS, newest first. They can't be taken back: they are short.
 */
export function createAccountTokens({
  secrets,
  mode,
  now,
}: {
  secrets: readonly string[];
  mode: "test" | "live";
  now: () => number;
}): AccountTokens {
  const macKeys = secrets.map((secret) => deriveKey(secret, `account token ${mode}`));
  const [signingKey] = macKeys;
  if (!signingKey) throw new Error("Account tokens need at least one secret.");
  return {
    make({ accountId, scopes, seconds }) {
      if (!(seconds >= 1 && seconds <= longestToken)) throw new RangeError("too long a token");
      const expires = Math.floor(now() / 1000) + seconds;
      const body = Buffer.from(JSON.stringify({ account: accountId, scopes, expires }));
      const text = `dat_${body.toString("base64url")}`;
      return { token: `${text}.${macOf(signingKey, text)}`, expiresAt: new Date(expires * 1000) };
    },
    read(token) {
      const [, text, body, mac] = /^(dat_([\w-]{1,1000}))\.([\w-]{43})$/.exec(token) ?? [];
      if (text === undefined || body === undefined || mac === undefined) return undefined;
      const given = Buffer.from(mac);
      if (!macKeys.some((key) => timingSafeEqual(Buffer.from(macOf(key, text)), given))) {
        return undefined;
      }
      const parsed = Claims.safeParse(JSON.parse(Buffer.from(body, "base64url").toString()));
      if (!parsed.success || parsed.data.expires * 1000 <= now()) return undefined;
      const { account, scopes, expires } = parsed.data;
      return { accountId: account, scopes, expiresAt: new Date(expires * 1000) };
    },
  };
}

const macOf = (key: Buffer, text: string) =>
  createHmac("sha256", key).update(text).digest("base64url");
