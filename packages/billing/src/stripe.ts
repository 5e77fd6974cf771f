import { DomainError } from "@ducat/types/errors";
import Stripe from "stripe";
import { checkCheckout, checkPrice } from "./check-checkout.ts";
import { checkRefund } from "./check-refund.ts";
import type { ProviderFact } from "./facts.ts";
import { worldCurrencies } from "./money.ts";
import type { Capabilities, Delivery, HeaderMap, PaymentProvider } from "./provider.ts";
import { isRepeated, parseObject, readText } from "./read-webhook.ts";
import { refuseWebhook } from "./refusals.ts";
import { chargeOffSession, findCharge } from "./stripe-charges.ts";
import { createCheckout, settle } from "./stripe-checkout.ts";
import {
  connectStripe,
  type StripeContext,
  type StripeOptions,
  stripeApiVersion,
} from "./stripe-client.ts";
import { readEvent } from "./stripe-facts.ts";
import { anomaly } from "./stripe-order.ts";
import { reconcile } from "./stripe-reconcile.ts";
import { fetchReversals, refund } from "./stripe-reversals.ts";
import {
  cancelSubscription,
  changePlan,
  createPortalUrl,
  fetchSubscription,
  resumeSubscription,
} from "./stripe-subscriptions.ts";

const caps: Capabilities = {
  webhooks: true,
  returnIsAuthoritative: false,
  subscriptions: "native",
  planChange: "immediate",
  cancelNow: true,
  offSession: "saved_method",
  portal: "session",
  refunds: { api: "sync", partial: true, repeatable: true },
  disputes: "events",
  outgoingIdempotency: true,
  eventId: "stable",
  reconcile: "events_api",
  merchantOfRecord: false,
  currencies: worldCurrencies,
  amountChosenBy: "us",
  priceRefs: "plans",
};

/** How old a signature may be, in seconds; each retry is signed anew (docs.stripe.com/webhooks). */
const toleranceSeconds = 300;

/**
 * Stripe by its SDK 23.1.0 and the API 2026-10-28.endive. Throws an Error when the key is not one
 * of the mode.
 */
export function createStripe(options: StripeOptions): PaymentProvider {
  const { mode, now = Date.now } = options;
  const context: StripeContext = { client: connectStripe(options), options, mode, now };
  return {
    name: "stripe",
    mode,
    caps,
    createCheckout: async (input, call) => {
      checkCheckout(input, caps);
      return createCheckout(context, input, call);
    },
    parseWebhook: async (raw, headers) => {
      const text = readText(raw);
      checkSignature(context, text, headers);
      return readDelivery(context, text);
    },
    parseStoredWebhook: async (raw) => readDelivery(context, readText(raw)),
    settle: (order, call) => settle(context, order, call),
    fetchSubscription: (ref, call) => fetchSubscription(context, ref, call),
    fetchReversals: (ref, call) => fetchReversals(context, ref, call),
    chargeOffSession: async (input, call) => {
      checkPrice(input.money, caps);
      return chargeOffSession(context, input, call);
    },
    findCharge: (input, call) => findCharge(context, input, call),
    createPortalUrl: (input, call) => createPortalUrl(context, input, call),
    changePlan: (input, call) => changePlan(context, input, call),
    cancelSubscription: (input, call) => cancelSubscription(context, input, call),
    resumeSubscription: (ref, call) => resumeSubscription(context, ref, call),
    refund: async (input, call) => {
      checkRefund(input);
      return refund(context, input, call);
    },
    reconcile: (input, call) => reconcile(context, input, call),
  };
}

/** Any of the secrets may match: all belong to this mode, and two are valid while one is rolled. */
function checkSignature({ options, now }: StripeContext, text: string, headers: HeaderMap): void {
  const header = headers["stripe-signature"];
  if (!header || isRepeated(header)) throw refuseWebhook("bad_signature");
  const isSigned = options.webhookSecrets.some((secret) => {
    try {
      const check = Stripe.webhooks.signature;
      return check?.verifyHeader(text, header, secret, toleranceSeconds, undefined, now());
    } catch {
      return false;
    }
  });
  if (!isSigned) throw refuseWebhook("bad_signature");
}

function readDelivery({ mode }: StripeContext, text: string): Delivery {
  const raw = parseObject(text);
  const { id, type, created, livemode, api_version } = raw;
  if (livemode !== (mode === "live")) throw refuseWebhook("wrong_mode");
  // The body's shape follows the endpoint's version and not the SDK's: of another one we would
  // read undefined where money stands.
  if (api_version !== stripeApiVersion) throw refuseWebhook("wrong_api_version");
  if (typeof id !== "string" || typeof type !== "string" || typeof created !== "number") {
    throw new DomainError("malformed_body");
  }
  const told = { mode, occurredAt: new Date(created * 1000) };
  const event = raw as unknown as Stripe.Event;
  const facts = readFacts(event, told);
  return { deliveryId: id, dedupe: id, type, mode, occurredAt: told.occurredAt, facts, raw };
}

/** A verified event of a shape that we can't read is kept with an alarm, never lost to a 500. */
function readFacts(event: Stripe.Event, told: Parameters<typeof readEvent>[1]): ProviderFact[] {
  try {
    return readEvent(event, told);
  } catch {
    return [anomaly(told, "unreadable", event.id)];
  }
}
