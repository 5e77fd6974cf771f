/**
 * Every refusal Ducat can answer with, once: its code, the HTTP status and the public sentence.
 * Only the API's problem.ts turns these into HTTP; docs/errors.md has a heading for each code.
 */
export const errors = {
  validation_failed: { status: 422, title: "The request is not valid." },
  malformed_body: { status: 400, title: "The body could not be read." },
  unsupported_media_type: { status: 415, title: "This content type is not accepted here." },
  payload_too_large: { status: 413, title: "The body is too large." },
  account_required: { status: 400, title: "Name the account to act for." },
  idempotency_key_required: { status: 400, title: "An Idempotency-Key header is required." },
  signature_invalid: { status: 400, title: "This webhook is not signed by its provider." },
  unauthenticated: { status: 401, title: "Valid credentials are required." },
  insufficient_credits: { status: 402, title: "There are not enough credits." },
  not_verified: { status: 403, title: "Prove your address or number first." },
  forbidden: { status: 403, title: "These credentials may not do this." },
  quota_exceeded: { status: 403, title: "A quota of the plan is used up." },
  account_frozen: { status: 403, title: "The account is frozen." },
  not_found: { status: 404, title: "There is nothing here." },
  method_not_allowed: { status: 405, title: "This method is not allowed here." },
  already_exists: { status: 409, title: "It exists already." },
  in_progress: { status: 409, title: "The first request with this key is still running." },
  invalid_state: { status: 409, title: "The current state does not allow this." },
  idempotency_conflict: {
    status: 422,
    title: "This Idempotency-Key was used with another request.",
  },
  rate_limited: { status: 429, title: "Too many requests." },
  provider_unavailable: { status: 502, title: "The payment provider can't be reached." },
  unavailable: { status: 503, title: "The service is not available right now." },
  internal: { status: 500, title: "Something went wrong on our side." },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errors;

/** One fault in a request: a JSON pointer into the body (or `#/query/name`) and a sentence. */
export type Fault = { pointer: string; detail: string };

export type ErrorDetail = {
  /** A public sentence about this occurrence. Never an unknown error's message. */
  detail?: string;
  errors?: Fault[];
  /** Members added to the problem document, for example `{ required, available }`. */
  extra?: Record<string, unknown>;
};

/** A refusal with a stable code. The worker treats it as final; anything else is retried. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(detail.detail ?? errors[code].title, options);
    this.name = "DomainError";
    this.code = code;
    this.detail = detail;
  }
}
