import { createHmac, timingSafeEqual } from "node:crypto";
import { deriveKey } from "@ducat/payments/derive-key";
import { z } from "zod";
import { queuesPath } from "./operations/queues.ts";

/** How long a browser that was let in stays in. */
const lifeSeconds = 15 * 60;
const name = "ducat_queues";

const Claims = z.strictObject({
  actor: z.string().max(200),
  session: z.uuid().nullable(),
  /** Seconds since 1970. */
  expires: z.int(),
});

export type QueueVisitor = { actor: string; sessionId: string | null };

export type QueueCookies = {
  /** The header Set-Cookie that lets a browser in. */
  make(visitor: QueueVisitor): string;
  /** Who a browser's header Cookie says it is, when one of our secrets signed that lately. */
  read(header: string | undefined): QueueVisitor | undefined;
};

/**
 * Cookies for the queues' dashboard, and for nothing else: its requests alone carry them. They say
 * who it is and not what they may do, which the database is asked. `secrets` are the SECRET_KEYS,
 * newest first.
 */
export function createQueueCookies(options: {
  secrets: readonly string[];
  mode: "test" | "live";
  publicUrl: string;
  now: () => number;
}): QueueCookies {
  const { secrets, mode, publicUrl, now } = options;
  const keys = secrets.map((secret) => deriveKey(secret, `queue dashboard ${mode}`));
  const [signingKey] = keys;
  if (!signingKey) throw new Error("Cookies need at least one secret.");
  const isSecure = publicUrl.startsWith("https:");
  const flags = `Path=${queuesPath}; Max-Age=${lifeSeconds}; HttpOnly; SameSite=Strict`;
  return {
    make({ actor, sessionId }) {
      const expires = Math.floor(now() / 1000) + lifeSeconds;
      const claims = Buffer.from(JSON.stringify({ actor, session: sessionId, expires }));
      const text = claims.toString("base64url");
      const value = `${text}.${macOf(signingKey, text)}`;
      return `${name}=${value}; ${flags}${isSecure ? "; Secure" : ""}`;
    },
    read(header) {
      const found = /(?:^|;\s*)ducat_queues=([\w-]{1,1000})\.([\w-]{43})(?=;|$)/.exec(header ?? "");
      const [, text, mac] = found ?? [];
      if (text === undefined || mac === undefined) return undefined;
      const given = Buffer.from(mac);
      if (!keys.some((key) => timingSafeEqual(Buffer.from(macOf(key, text)), given))) {
        return undefined;
      }
      const parsed = Claims.safeParse(JSON.parse(Buffer.from(text, "base64url").toString()));
      if (!parsed.success || parsed.data.expires * 1000 <= now()) return undefined;
      return { actor: parsed.data.actor, sessionId: parsed.data.session };
    },
  };
}

const macOf = (key: Buffer, text: string) =>
  createHmac("sha256", key).update(text).digest("base64url");
