import { randomUUID } from "node:crypto";
import type { Fetch } from "./fetch-json.ts";
import { isSameText, sign } from "./hmac.ts";
import type { HeaderMap } from "./provider.ts";
import { isRepeated } from "./read-webhook.ts";
import { refuseWebhook } from "./refusals.ts";
import type { SandboxDocument, SandboxEvent } from "./sandbox-store.ts";

/** The version of the sandbox's events; the adapter refuses any other. */
export const sandboxVersion = "2026-11-01";

/** Seconds between a signature and our clock, either way, as Standard Webhooks says. */
const toleranceSeconds = 300;
/** Milliseconds before each further attempt; after the last one only reconciliation finds it. */
const waits = [5_000, 25_000, 125_000, 600_000, 3_600_000, 6 * 3_600_000];

/**
 * Adds a webhook to the document whose change it tells: neither is there without the other. `now`
 * is the document's time; sending follows the machine's, so the first attempt is due at once.
 */
export function record(
  document: SandboxDocument,
  type: string,
  { data, now }: { data: Record<string, unknown>; now: number },
): void {
  const id = `evt_${randomUUID()}`;
  const created_at = new Date(now).toISOString();
  const event = { id, type, api_version: sandboxVersion, mode: "test", created_at, data };
  document.events.push({ id, body: JSON.stringify(event), attempts: 0, nextAttemptAt: 0 });
}

/** The headers of Standard Webhooks: id, time, and the HMAC over both and the body. */
export function signWebhook(
  { id, body }: { id: string; body: string },
  secret: string,
  now: number,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${computeSignature(secret, id, `${timestamp}.${body}`)}`,
  };
}

/** Throws signature_invalid unless one of the signatures was made with one of the secrets. */
export function checkWebhook(
  text: string,
  headers: HeaderMap,
  { secrets, now }: { secrets: readonly string[]; now: number },
): string {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  const signatures = headers["webhook-signature"] ?? "";
  const given = signatures.split(" ").slice(0, 10);
  const isInTime =
    /^\d{1,12}$/.test(timestamp) &&
    Math.abs(Math.floor(now / 1000) - Number(timestamp)) <= toleranceSeconds;
  const isSigned = secrets.some((secret) => {
    const expected = `v1,${computeSignature(secret, id, `${timestamp}.${text}`)}`;
    return given.some((signature) => isSameText(signature, expected));
  });
  const isOnce = ![id, timestamp, signatures].some(isRepeated);
  if (!isInTime || !isSigned || !isOnce) throw refuseWebhook("bad_signature");
  return id;
}

/** The secret is whsec_ and the key in base64. */
function computeSignature(secret: string, id: string, rest: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  return sign(key, `${id}.${rest}`).toString("base64");
}

/** Sends one webhook; what to remember of it afterwards. Anything but 2xx is a failure. */
export async function deliver(
  event: SandboxEvent,
  to: { url: string; secret: string; fetch: Fetch; timeoutMs: number; now: number },
): Promise<SandboxEvent> {
  const { id, body = "", attempts } = event;
  const headers = signWebhook({ id, body }, to.secret, to.now);
  try {
    const signal = AbortSignal.timeout(to.timeoutMs);
    const init = { method: "POST", headers, body, signal, redirect: "error" as const };
    const response = await to.fetch(to.url, init);
    await response.body?.cancel();
    if (response.ok) return { id, attempts: attempts + 1 };
  } catch {
    // A receiver that is down is the usual reason for an attempt to fail: it comes again.
  }
  const wait = waits[attempts];
  if (wait === undefined) return { id, attempts: attempts + 1 };
  return { id, body, attempts: attempts + 1, nextAttemptAt: to.now + wait };
}
