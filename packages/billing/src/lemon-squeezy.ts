import { createHash } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { z } from "zod";
import { checkCheckout } from "./check-checkout.ts";
import { checkRefund } from "./check-refund.ts";
import type { ProviderFact } from "./facts.ts";
import { isSameText, sign } from "./hmac.ts";
import {
  changePlan,
  createCheckout,
  createPortalUrl,
  fetchReversals,
  type LemonSqueezyContext,
  refund,
  resumeSubscription,
  subscriptionPath,
} from "./lemon-squeezy-calls.ts";
import { connectLemonSqueezy, type LemonSqueezyOptions, Resource } from "./lemon-squeezy-client.ts";
import { readResource, SubscriptionAttributes } from "./lemon-squeezy-facts.ts";
import { reconcile } from "./lemon-squeezy-reconcile.ts";
import { readReference } from "./lemon-squeezy-reference.ts";
import { worldCurrencies } from "./money.ts";
import type {
  Capabilities,
  Delivery,
  HeaderMap,
  PaymentProvider,
  SubscriptionSnapshot,
  SubscriptionStatus,
} from "./provider.ts";
import { parseObject, readText } from "./read-webhook.ts";
import { refuseInput, refuseUnknown, refuseWebhook } from "./refusals.ts";

const caps: Capabilities = {
  webhooks: true,
  returnIsAuthoritative: false,
  subscriptions: "native",
  planChange: "immediate",
  cancelNow: false,
  offSession: "none",
  portal: "signed_url",
  refunds: { api: "sync", partial: true, repeatable: true },
  disputes: "as_refund",
  outgoingIdempotency: false,
  eventId: "untrusted",
  reconcile: "list_resources",
  merchantOfRecord: true,
  currencies: worldCurrencies,
  amountChosenBy: "catalogue_or_us",
  priceRefs: "all",
};

/**
 * Lemon Squeezy by its REST API v1. Throws an Error where a secret is missing: an empty one would
 * sign anything.
 */
export function createLemonSqueezy(options: LemonSqueezyOptions): PaymentProvider {
  const secrets = [...options.webhookSecrets, ...options.referenceSecrets];
  const isComplete = options.webhookSecrets.length > 0 && options.referenceSecrets.length > 0;
  if (!isComplete || secrets.some((secret) => secret.length < 6)) {
    throw new Error("Lemon Squeezy needs a webhook secret and a reference secret.");
  }
  const { mode, storeId, now = Date.now } = options;
  const client = connectLemonSqueezy(options);
  const context: LemonSqueezyContext = { client, options, now };
  const show = (subscription: Resource) => readSubscription(subscription, new Date(now()));
  return {
    name: "lemonsqueezy",
    mode,
    caps,
    createCheckout: async (input, call) => {
      checkCheckout(input, caps);
      return createCheckout(context, input, call);
    },
    parseWebhook: async (raw, headers) => {
      checkSignature(raw, headers, options.webhookSecrets);
      return readDelivery(raw, options);
    },
    parseStoredWebhook: async (raw) => readDelivery(raw, options),
    fetchSubscription: async (ref, call) =>
      show(await client.call({ method: "GET", path: subscriptionPath(ref) }, call)),
    fetchReversals: (ref, call) => fetchReversals(context, ref, call),
    createPortalUrl: (input, call) => createPortalUrl(context, input, call),
    changePlan: async (input, call) => show(await changePlan(context, input, call)),
    cancelSubscription: async ({ ref, when }, call) => {
      if (when === "now") throw refuseInput("#/when", "It can only end with its period.");
      return show(await client.call({ method: "DELETE", path: subscriptionPath(ref) }, call));
    },
    resumeSubscription: async (ref, call) => show(await resumeSubscription(context, ref, call)),
    refund: async (input, call) => {
      checkRefund(input);
      return refund(context, input, call);
    },
    reconcile: (input, call) =>
      reconcile(client, { mode, storeId, now: now() }, { ...input, call }),
  };
}

/**
 * X-Signature is the lower-case hex HMAC of the bytes; there is no time in it, so a replay is
 * stopped by the delivery's dedupe alone (docs.lemonsqueezy.com/help/webhooks/signing-requests).
 */
function checkSignature(raw: Uint8Array, headers: HeaderMap, secrets: readonly string[]): void {
  const text = readText(raw);
  const given = headers["x-signature"] ?? "";
  const isSigned = secrets.some((secret) => isSameText(sign(secret, text).toString("hex"), given));
  if (!isSigned) throw refuseWebhook("bad_signature");
}

const Webhook = z.looseObject({
  meta: z.looseObject({
    event_name: z.string(),
    test_mode: z.boolean().nullish(),
    webhook_id: z.string().nullish(),
    custom_data: z.unknown().optional(),
  }),
  data: Resource,
});

function readDelivery(raw: Uint8Array, options: LemonSqueezyOptions): Delivery {
  const text = readText(raw);
  const parsed = Webhook.safeParse(parseObject(text));
  if (!parsed.success) throw new DomainError("malformed_body", {}, { cause: parsed.error });
  const { meta, data } = parsed.data;
  const { mode, storeId, referenceSecrets, now = Date.now } = options;
  // Both places name the mode, and older events only the second: none may name the other one.
  const named = [meta.test_mode, data.attributes.test_mode].filter((value) => value != null);
  if (named.length === 0 || named.some((value) => value !== (mode === "test"))) {
    throw refuseWebhook("wrong_mode");
  }
  const reference = readReference(meta.custom_data, referenceSecrets, storeId);
  const facts = readResource(data, { mode, storeId, reference }, meta.event_name);
  const digest = createHash("sha256").update(raw).digest("hex");
  return {
    deliveryId: meta.webhook_id ?? digest,
    dedupe: `${data.type}:${data.id}:${nameEffect(facts) ?? digest}`,
    type: meta.event_name,
    mode,
    occurredAt: facts[0]?.occurredAt ?? new Date(now()),
    facts,
    raw: parsed.data,
  };
}

/**
 * What makes a money event the same event; undefined for all others, which are the same when their
 * bytes are. Neither webhook_id (does a retry keep it?) nor updated_at (two events share one) may
 * decide.
 */
function nameEffect(facts: ProviderFact[]): string | undefined {
  const last = facts.at(-1);
  if (last?.kind === "reversal.total") return `refunded:${last.reversed.amount}`;
  const isPaid = last?.kind === "payment.succeeded" || last?.kind === "invoice.paid";
  return isPaid ? "paid" : undefined;
}

const statuses: Record<string, SubscriptionStatus> = {
  on_trial: "trialing",
  active: "active",
  cancelled: "active",
  paused: "paused",
  past_due: "past_due",
  unpaid: "unpaid",
  expired: "canceled",
};

/**
 * Our view of a subscription. "cancelled" runs until ends_at; renews_at is the end of the period,
 * except for past_due, where it is the next attempt (docs.lemonsqueezy.com/api/subscriptions).
 */
function readSubscription(resource: Resource, fetchedAt: Date): SubscriptionSnapshot {
  const parsed = SubscriptionAttributes.safeParse(resource.attributes);
  const status = parsed.success ? statuses[parsed.data.status] : undefined;
  if (!parsed.success || status === undefined) {
    throw refuseUnknown(new Error("Lemon Squeezy showed a subscription that we can't read."));
  }
  const { customer_id, variant_id, pause, ...dates } = parsed.data;
  const cancelAt = readDate(dates.ends_at);
  const trialEndsAt = readDate(dates.trial_ends_at);
  const periodEnd = parsed.data.status === "past_due" ? undefined : readDate(dates.renews_at);
  const isTrial = status === "active" && trialEndsAt !== undefined && trialEndsAt > fetchedAt;
  const isOver = parsed.data.status === "cancelled" && cancelAt && cancelAt <= fetchedAt;
  return {
    ref: resource.id,
    status: isOver ? "canceled" : isTrial ? "trialing" : status,
    fetchedAt,
    ...(variant_id != null && { planRef: variant_id }),
    ...(customer_id != null && { customerRef: customer_id }),
    ...(cancelAt && { cancelAt }),
    ...(trialEndsAt && { trialEndsAt }),
    ...(periodEnd && { periodEnd }),
    ...(status === "paused" && { pause: pause?.mode === "free" ? "free" : "no_access" }),
  };
}

function readDate(text: string | null | undefined): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}
