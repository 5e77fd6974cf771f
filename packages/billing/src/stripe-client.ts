import { DomainError } from "@ducat/types/errors";
import Stripe from "stripe";
import { boundFetch, defaultLimits, type Fetch } from "./fetch-json.ts";
import type { CallOptions, Mode } from "./provider.ts";
import { refuseState, refuseUnknown } from "./refusals.ts";

/** The version that this SDK speaks and that our webhook endpoint is created with. */
export const stripeApiVersion = "2026-10-28.endive";

export type StripeOptions = {
  secretKey: string;
  /** whsec_…; while one is being rolled, both. All of this mode. */
  webhookSecrets: readonly string[];
  mode: Mode;
  /** Another server that speaks Stripe's API, with neither path nor credentials. */
  baseUrl?: string;
  fetch?: Fetch;
  timeoutMs?: number;
  maxBytes?: number;
  /** Pins what the portal allows: what the ledger can't follow must not be offered there. */
  portalConfiguration?: string;
  now?: () => number;
};

/** What the parts of the adapter share. */
export type StripeContext = {
  client: Stripe;
  options: StripeOptions;
  mode: Mode;
  now: () => number;
};

/**
 * The SDK without retries of its own: we keep the keys and we decide when to ask again. Throws an
 * Error for a key of the other mode; the key itself is not in it.
 */
export function connectStripe(options: StripeOptions): Stripe {
  const prefix = /^(?:sk|rk)_(test|live)_/.exec(options.secretKey)?.[1];
  if (prefix !== options.mode)
    throw new Error(`The Stripe key is no key for ${options.mode} mode.`);
  if (options.webhookSecrets.some((secret) => secret.trim() === "")) {
    throw new Error("A Stripe webhook secret is empty.");
  }
  const { fetch = globalThis.fetch, maxBytes = defaultLimits.maxBytes } = options;
  return new Stripe(options.secretKey, {
    apiVersion: stripeApiVersion,
    maxNetworkRetries: 0,
    timeout: options.timeoutMs ?? defaultLimits.timeoutMs,
    telemetry: false,
    httpClient: Stripe.createFetchHttpClient(boundFetch(fetch, maxBytes)),
    ...(options.baseUrl !== undefined && readAddress(options.baseUrl)),
  });
}

function readAddress(baseUrl: string) {
  const { hostname, port, protocol } = new URL(baseUrl);
  const isPlain = protocol === "http:";
  const scheme: "http" | "https" = isPlain ? "http" : "https";
  return { host: hostname, port: port || (isPlain ? 80 : 443), protocol: scheme };
}

/** The options of one request: our key, and the caller's time-out. */
export function requestOptions(call: CallOptions | undefined, idempotencyKey?: string) {
  return {
    ...(call?.timeoutMs !== undefined && { timeout: call.timeoutMs }),
    // Longer keys are refused by Stripe (docs.stripe.com/api/idempotent_requests).
    ...(idempotencyKey !== undefined && { idempotencyKey: idempotencyKey.slice(0, 255) }),
  };
}

/** Runs a request and turns the SDK's errors into ours. */
export async function ask<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toRefusal(error);
  }
}

/**
 * What a failed request means. A 4xx was understood and refused; no answer, a 5xx, a 409 (the
 * same key is still running) or a 429 may be asked again. Wrong credentials (401, 403) count as
 * unreachable: the deployment is wrong and not the request.
 */
export function toRefusal(error: unknown): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  if (error.statusCode === 404) return new DomainError("not_found", {}, { cause: error });
  const { StripeInvalidRequestError, StripeIdempotencyError, StripeCardError } = Stripe.errors;
  const refused =
    error instanceof StripeInvalidRequestError ||
    error instanceof StripeIdempotencyError ||
    error instanceof StripeCardError;
  return refused ? refuseState("The payment provider refused this.", error) : refuseUnknown(error);
}
