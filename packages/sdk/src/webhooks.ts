import { DucatError } from "./errors.ts";
import type { Event } from "./types.ts";

const defaultToleranceS = 300;
const secretPrefix = "whsec_";
/** One for each secret; more would only be work. */
const mostSignatures = 20;
const signaturePrefix = "v1,";

/** Of fetch, of Node's requests, or of a framework that has them as an object. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Record<string, string | string[] | undefined>;

export type WebhookOptions = {
  /** The body as it came: what was parsed and written again has other bytes. */
  body: string | Uint8Array;
  headers: WebhookHeaders;
  /** `whsec_…`; several while one is being replaced. */
  secret: string | readonly string[];
  /** How old or early its time may be, in seconds; 300 if left out. */
  toleranceS?: number | undefined;
};

/**
 * The event of a webhook that Ducat sent, by the Standard Webhooks scheme. The same event may come
 * more than once: its `id` says so. Errors: signature_invalid.
 */
export async function verifyWebhook(options: WebhookOptions): Promise<Event> {
  const { body, headers, secret, toleranceS = defaultToleranceS } = options;
  const id = readHeader(headers, "webhook-id");
  const time = readHeader(headers, "webhook-timestamp");
  const given = readHeader(headers, "webhook-signature");
  if (!id || !given || !/^\d{1,12}$/.test(time ?? "")) throw refuse("A header is missing.");
  const isNew = Math.abs(Date.now() / 1_000 - Number(time)) <= toleranceS;
  if (!isNew) throw refuse("It is too old, or of the future.");

  const content = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = join(new TextEncoder().encode(`${id}.${time}.`), content);
  const signatures = given.split(" ", mostSignatures).flatMap(readSignature);
  const keys = await Promise.all([secret].flat().map(importSecret));
  const tries = keys.flatMap((key) => signatures.map((one) => ({ key, one })));
  // Web Crypto compares in a time that doesn't depend on where the two differ.
  const fits = await Promise.all(
    tries.map(({ key, one }) => crypto.subtle.verify("HMAC", key, one, signed)),
  );
  if (!fits.includes(true)) throw refuse("No signature fits.");
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
}

const refuse = (message: string) => new DucatError("signature_invalid", { message });

/** Undefined where it is missing, or there twice. */
function readHeader(headers: WebhookHeaders, name: string): string | undefined {
  if (isHeaders(headers)) return headers.get(name) ?? undefined;
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  const values = found.flatMap(([, value]) => value ?? []);
  return values.length === 1 ? values[0] : undefined;
}

const isHeaders = (headers: WebhookHeaders): headers is { get(name: string): string | null } =>
  typeof headers.get === "function";

/** Those of this scheme; others are of versions to come. */
function readSignature(text: string): Uint8Array<ArrayBuffer>[] {
  if (!text.startsWith(signaturePrefix)) return [];
  const bytes = readBase64(text.slice(signaturePrefix.length));
  return bytes ? [bytes] : [];
}

/** Its type has a name of its own in browsers only. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

async function importSecret(secret: string): Promise<Key> {
  const bytes = readBase64(secret.replace(secretPrefix, ""));
  if (!bytes || bytes.length < 16) throw new TypeError("A secret is whsec_ and base64.");
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [
    "verify",
  ]);
}

function readBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
