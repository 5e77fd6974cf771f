import { randomBytes } from "node:crypto";
import { createSeal, type Sealed } from "./seal.ts";

export type WebhookSecrets = {
  /** A new one: in clear, to show it, and sealed, to store it. */
  make(): { secret: string; sealed: Sealed };
  /** A stored one in clear. Throws when none of the keys opens it. */
  open(sealed: Sealed): string;
  /** Whether one of the keys opens it. */
  canOpen(sealed: Sealed): boolean;
};

/**
 * What signs deliveries, in the form of Standard Webhooks: `whsec_` and base64 of 32 random bytes.
 * `secretKeys` are the SECRET_KEYS, newest first.
 */
export function createWebhookSecrets(secretKeys: readonly string[]): WebhookSecrets {
  const seal = createSeal(secretKeys, "webhook secrets");
  const open = ({ sealed }: Sealed) => String(seal.open({ sealed }).secret);
  return {
    make() {
      const secret = `whsec_${randomBytes(32).toString("base64")}`;
      return { secret, sealed: seal.seal({ secret }) };
    },
    open,
    canOpen(sealed) {
      try {
        return open(sealed) !== "";
      } catch {
        return false;
      }
    },
  };
}
