import { DomainError } from "@ducat/types/errors";

/** The longest webhook that is read; a Stripe invoice with 250 lines has about 400 KB. */
const maxWebhookBytes = 1024 * 1024;

/**
 * The text that a signature is checked against: exactly these bytes. A byte order mark stays and
 * broken UTF-8 is refused, because a lenient decoder would let other bytes pass as the signed
 * ones. Throws payload_too_large and malformed_body.
 */
export function readText(raw: Uint8Array): string {
  if (raw.byteLength > maxWebhookBytes) throw new DomainError("payload_too_large");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch (cause) {
    throw new DomainError("malformed_body", {}, { cause });
  }
}

/**
 * Whether a header came more than once: HTTP joins its values with a comma and a space, which no
 * provider writes into one. Which of two signatures is meant is not for us to guess.
 */
export const isRepeated = (header: string): boolean => header.includes(", ");

/** The JSON object in a webhook's text; malformed_body where it holds none. */
export function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DomainError("malformed_body", {}, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DomainError("malformed_body");
  }
  return value as Record<string, unknown>;
}
