import { DomainError, type Fault } from "@ducat/types/errors";

export type WebhookFault = "bad_signature" | "wrong_mode" | "wrong_api_version";

const sentences: Record<WebhookFault, string> = {
  bad_signature: "The signature doesn't match these bytes, or is too old.",
  wrong_mode: "This event belongs to the other mode.",
  wrong_api_version: "This event was rendered for another version of the provider's API.",
};

/** The bytes are not what this provider signs for this deployment (signature_invalid). */
export function refuseWebhook(reason: WebhookFault): DomainError {
  return new DomainError("signature_invalid", { detail: sentences[reason], extra: { reason } });
}

/** The outcome is not known; asking again with the same key is safe (provider_unavailable). */
export function refuseUnknown(cause?: unknown): DomainError {
  return new DomainError("provider_unavailable", {}, { cause });
}

/** The provider refused for good (invalid_state). The sentence is public: no provider's text. */
export function refuseState(detail: string, cause?: unknown): DomainError {
  return new DomainError("invalid_state", { detail }, { cause });
}

/** The provider can't be asked for this (validation_failed). */
export function refuseInput(pointer: string, detail: string): DomainError {
  const errors: Fault[] = [{ pointer, detail }];
  return new DomainError("validation_failed", { detail, errors });
}
