import { createHmac } from "node:crypto";

const prefix = "whsec_";

/**
 * The headers of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec): one
 * signature by each secret, newest first, so that a receiver may still know only the former one.
 * `secrets` are `whsec_` and Base64; throws when there is none, or one is no such secret.
 */
export function signWebhook(
  message: { id: string; body: string; secrets: readonly string[] },
  at: Date,
): Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string> {
  const { id, body, secrets } = message;
  if (secrets.length === 0) throw new Error("A webhook is not sent unsigned.");
  const seconds = String(Math.floor(at.getTime() / 1_000));
  const signatures = secrets.map((secret) => {
    const mac = createHmac("sha256", readKey(secret)).update(`${id}.${seconds}.${body}`);
    return `v1,${mac.digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": signatures.join(" "),
  };
}

function readKey(secret: string): Buffer {
  const key = Buffer.from(secret.slice(prefix.length), "base64");
  // The standard asks for 24 to 64 bytes.
  if (!secret.startsWith(prefix) || key.length < 24) throw new Error("This is no webhook secret.");
  return key;
}
