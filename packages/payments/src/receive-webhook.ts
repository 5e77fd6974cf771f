import type { HeaderMap, ProviderName } from "@ducat/billing/provider";
import { storeWebhookEvent } from "@ducat/db/webhook-events";
import { DomainError } from "@ducat/types/errors";
import type { PaymentDeps } from "./providers.ts";

export type ReceivedWebhook = {
  id: string;
  /** Whether a worker has something to do: not so for a repeat of what was processed. */
  isWaiting: boolean;
};

/**
 * Verifies a provider's webhook and keeps it, bytes and all. Once this resolves it may be answered
 * with 200: nothing is done about it here. Errors: not_found (no such provider, or it sends none),
 * signature_invalid, malformed_body, payload_too_large; unavailable when it could not be kept, so
 * that the provider sends it again.
 */
export async function receiveWebhook(
  { db, providers }: Pick<PaymentDeps, "db" | "providers">,
  { provider: name, raw, headers }: { provider: string; raw: Uint8Array; headers: HeaderMap },
): Promise<ReceivedWebhook> {
  const provider = providers.get(name as ProviderName);
  if (!provider?.parseWebhook) throw new DomainError("not_found");
  const { dedupe, deliveryId, type, mode, occurredAt } = await provider.parseWebhook(raw, headers);
  const event = { provider: provider.name, mode, dedupe, deliveryId, type, occurredAt, body: raw };
  const { id, status } = await storeWebhookEvent(db, event);
  return { id, isWaiting: status === "received" };
}
