import { DomainError } from "@ducat/types/errors";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type JWTVerifyGetKey,
  errors as jose,
} from "jose";
import type { Logger } from "pino";

/** Finds the key that a token names. Errors: unavailable (it can't be asked for). */
export type KeySource = JWTVerifyGetKey;

/** Milliseconds, and bytes of the answer. */
export type KeyLimits = {
  timeoutMs?: number;
  /** Between two readings for the sake of keys that are not known. */
  cooldownMs?: number;
  /** After a reading that failed. */
  retryMs?: number;
  /** How long a key that the issuer has withdrawn may still be believed. */
  maxAgeMs?: number;
  /** How long keys are believed while the issuer can't be reached. */
  staleMs?: number;
  maxBytes?: number;
};

const defaults: Required<KeyLimits> = {
  timeoutMs: 5_000,
  cooldownMs: 30_000,
  retryMs: 5_000,
  maxAgeMs: 10 * 60_000,
  staleMs: 24 * 60 * 60_000,
  maxBytes: 128 * 1024,
};

/** The issuer's key set could not be read; `cause` says why. */
class KeysUnreadable extends Error {}

/**
 * The keys behind an address (JWKS, RFC 7517), read when the first token needs them and kept. No
 * stream of tokens makes it read more often than its limits say, whether the reading works or not.
 */
export function createKeySource({
  jwksUrl,
  limits,
  now,
  log,
}: {
  jwksUrl: string;
  limits: KeyLimits;
  now: () => number;
  log: Pick<Logger, "warn">;
}): KeySource {
  const { timeoutMs, cooldownMs, retryMs, maxAgeMs, staleMs, maxBytes } = {
    ...defaults,
    ...limits,
  };
  let last: { find: JWTVerifyGetKey; readAt: number } | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  const read = async (url: string, init: RequestInit): Promise<Response> => {
    if (now() < failedAt + retryMs) throw new KeysUnreadable();
    try {
      const text = await fetchText(url, init, maxBytes);
      last = { find: createLocalJWKSet(JSON.parse(text)), readAt: now() };
      return new Response(text);
    } catch (cause) {
      failedAt = now();
      log.warn({ err: cause, at: new URL(jwksUrl).host }, "the keys of an issuer can't be read");
      throw new KeysUnreadable("keys", { cause });
    }
  };
  const remote = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: timeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: maxAgeMs,
    [customFetch]: read,
  });
  return async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      if (!(error instanceof KeysUnreadable)) throw error;
    }
    const kept = last && now() < last.readAt + staleMs ? last.find : undefined;
    if (!kept) throw new DomainError("unavailable");
    try {
      return await kept(header, token);
    } catch (error) {
      // It may be a new key.
      throw error instanceof jose.JWKSNoMatchingKey ? new DomainError("unavailable") : error;
    }
  };
}

/** The text of an answer 200, from exactly this address. */
async function fetchText(url: string, init: RequestInit, maxBytes: number): Promise<string> {
  const response = await fetch(url, { ...init, redirect: "manual" });
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel();
    throw new Error(`answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new Error(`answered more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
