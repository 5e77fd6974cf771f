import { DeliveryError } from "./delivery-error.ts";
import type { MessageSender } from "./sender.ts";

export type SmsGatewayOptions = {
  url: string;
  token?: string | undefined;
  /** The number or name that messages come from. */
  sender?: string | undefined;
  sendMs?: number;
  fetch?: typeof fetch;
};

/** What is wrong with us or with the moment, not with the message. */
const passing = new Set([401, 403, 404, 408, 425, 429]);

/**
 * Sends text messages through a gateway that takes `POST {id, to, text, sender?}` as JSON with a
 * bearer token, and answers 2xx when it has taken the message over. `id`, also sent as
 * Idempotency-Key, is the same at every attempt. Another 4xx is final, everything else is tried
 * again. What the gateway writes is not read.
 */
export function createSmsGateway(options: SmsGatewayOptions): MessageSender {
  const { url, token, sender, sendMs = 15_000, fetch: ask = fetch } = options;
  return {
    async send({ id, to, sms }) {
      const headers: Record<string, string> = {
        "content-type": "application/json",
        "idempotency-key": id,
      };
      if (token) headers.authorization = `Bearer ${token}`;
      const response = await ask(url, {
        method: "POST",
        headers,
        body: JSON.stringify({ id, to, text: sms, ...(sender ? { sender } : {}) }),
        // The token is for this address only.
        redirect: "manual",
        signal: AbortSignal.timeout(sendMs),
      }).catch((error: unknown) => {
        const isLate = error instanceof Error && error.name === "TimeoutError";
        const text = isLate ? "took too long" : "could not be reached";
        throw new DeliveryError(`SMS gateway: ${text}`, { isFinal: false, cause: error });
      });
      await response.body?.cancel().catch(() => undefined);
      const { status } = response;
      if (response.ok) return;
      const isFinal = status >= 400 && status < 500 && !passing.has(status);
      throw new DeliveryError(`SMS gateway: status ${status}`, { isFinal });
    },
    async close() {},
  };
}
