import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { isBlobKey } from "./blob-key.ts";

/**
 * Expiries are rounded up to this step, so everybody who reads a blob within the same five minutes
 * gets the same URL and a browser's cache can serve it. A URL lives for at least what was asked
 * for and for less than one step more.
 */
const stepSeconds = 300;
const maxLifeSeconds = 7 * 24 * 3600;

export type Disposition = "inline" | "attachment";

/** The query of a signed URL as it arrived: nothing in it is trusted yet. */
export type SignedParts = {
  key: string;
  expires?: string | undefined;
  disposition?: string | undefined;
  filename?: string | undefined;
  signature?: string | undefined;
};

export type Verdict =
  | { ok: true; key: string; disposition: Disposition; filename?: string; expiresAt: Date }
  | { ok: false; reason: "malformed" | "bad_signature" | "expired" };

export type UrlSigner = {
  sign(
    key: string,
    options?: { expiresInS?: number; disposition?: Disposition; filename?: string },
  ): string;
  verify(parts: SignedParts): Verdict;
};

/**
 * Mints and checks `<baseUrl>/v1/files/<key>?expires=…&disposition=…&signature=…`. The key begins
 * with the account, so a URL opens one blob of one account and nothing else. `secrets` are the
 * SECRET_KEYS, newest first: the first signs, all of them verify. `now` answers milliseconds.
 */
export function createUrlSigner(options: {
  baseUrl: string;
  secrets: readonly string[];
  now?: () => number;
}): UrlSigner {
  const { now = Date.now } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const macKeys = options.secrets.map(deriveKey);
  const signingKey = macKeys[0];
  if (!signingKey) throw new Error("A URL signer needs at least one secret.");

  return {
    sign(key, { expiresInS = 3600, disposition = "inline", filename } = {}) {
      if (!isBlobKey(key)) throw new Error("This is not a blob key.");
      if (!(expiresInS > 0 && expiresInS <= maxLifeSeconds)) {
        throw new Error(`A signed URL lives for 1 to ${maxLifeSeconds} seconds.`);
      }
      if (filename !== undefined && !isFilename(filename)) throw new Error("Not a file name.");
      const end = now() / 1000 + expiresInS;
      const expires = String(Math.ceil(end / stepSeconds) * stepSeconds);
      const claim = { key, expires, disposition, filename };
      const query = new URLSearchParams({ expires, disposition });
      if (filename !== undefined) query.set("filename", filename);
      query.set("signature", macOf(signingKey, claim));
      return `${baseUrl}/v1/files/${key}?${query}`;
    },

    verify({ key, expires = "", disposition = "", filename, signature = "" }) {
      const wellFormed =
        isBlobKey(key) &&
        /^[1-9]\d{9,10}$/.test(expires) &&
        isDisposition(disposition) &&
        (filename === undefined || isFilename(filename)) &&
        /^[\w-]{43}$/.test(signature);
      if (!wellFormed) return { ok: false, reason: "malformed" };

      const claim = { key, expires, disposition, filename };
      const given = Buffer.from(signature);
      // Every secret is tried, so the time taken says nothing about which one fits.
      const matches = macKeys.filter((macKey) =>
        timingSafeEqual(Buffer.from(macOf(macKey, claim)), given),
      );
      if (matches.length === 0) return { ok: false, reason: "bad_signature" };

      const expiresAt = new Date(Number(expires) * 1000);
      if (expiresAt.getTime() <= now()) return { ok: false, reason: "expired" };
      return { ok: true, key, disposition, expiresAt, ...(filename !== undefined && { filename }) };
    },
  };
}

/** RFC 5869; the purpose keeps a key of another use from ever signing a file, or the reverse. */
function deriveKey(secret: string): Buffer {
  if (secret.length < 32) throw new Error("A secret key has at least 32 characters.");
  return Buffer.from(hkdfSync("sha256", secret, "ducat", "files", 32));
}

type Claim = { key: string; expires: string; disposition: string; filename: string | undefined };

function macOf(macKey: Buffer, { key, expires, disposition, filename }: Claim): string {
  // None of the parts can hold a line break, so two different claims never share one text.
  const text = ["files", key, expires, disposition, filename ?? ""].join("\n");
  return createHmac("sha256", macKey).update(text).digest("base64url");
}

function isDisposition(text: string): text is Disposition {
  return text === "inline" || text === "attachment";
}

/** A plain name that needs no quoting in a header. */
function isFilename(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text);
}
