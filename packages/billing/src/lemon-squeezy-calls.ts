import { z } from "zod";
import type { ProviderFact } from "./facts.ts";
import type { LemonSqueezyClient, LemonSqueezyOptions, Resource } from "./lemon-squeezy-client.ts";
import { InvoiceAttributes, OrderAttributes, readRefunds } from "./lemon-squeezy-facts.ts";
import { writeReference } from "./lemon-squeezy-reference.ts";
import type {
  CallOptions,
  CheckoutCreated,
  CheckoutInput,
  PlanChangeInput,
  RefundInput,
} from "./provider.ts";
import { refuseInput, refuseState, refuseUnknown } from "./refusals.ts";

/** What the calls of the adapter share. */
export type LemonSqueezyContext = {
  client: LemonSqueezyClient;
  options: LemonSqueezyOptions;
  now: () => number;
};

const checkoutLifeMs = 24 * 60 * 60 * 1000;

/** A checkout of one variant, at our price where it is paid once, that ends after a day. */
export async function createCheckout(
  { client, options, now }: LemonSqueezyContext,
  input: CheckoutInput,
  call?: CallOptions,
): Promise<CheckoutCreated> {
  const { priceRef: variant, price, kind, orderRef, customer } = input;
  if (!variant || !/^\d{1,15}$/.test(variant)) {
    throw refuseInput("#/price", "Lemon Squeezy sells variants: name one by its id.");
  }
  const [secret = ""] = options.referenceSecrets;
  const custom = writeReference({ orderRef, kind, price, variant }, secret, options.storeId);
  const expiresAt = input.expiresAt ?? new Date(now() + checkoutLifeMs);
  const attributes = {
    // On a subscription a custom price would be the price of every renewal.
    ...(kind === "pack" && { custom_price: price.amount }),
    expires_at: expiresAt.toISOString(),
    test_mode: options.mode === "test",
    product_options: { redirect_url: input.returnUrl, enabled_variants: [Number(variant)] },
    // The variant may have a trial of its own; whether this customer gets one is for the caller.
    checkout_options: {
      embed: false,
      discount: false,
      skip_trial: kind === "subscription" && !input.trialDays,
    },
    checkout_data: {
      ...(customer.email !== undefined && { email: customer.email }),
      custom,
      variant_quantities: [{ variant_id: Number(variant), quantity: 1 }],
    },
  };
  const relationships = {
    store: { data: { type: "stores", id: options.storeId } },
    variant: { data: { type: "variants", id: variant } },
  };
  const body = { data: { type: "checkouts", attributes, relationships } };
  const created = await client.call({ method: "POST", path: "/checkouts", body }, call);
  const { url } = created.attributes;
  if (typeof url !== "string") throw refuseUnknown(new Error("A checkout without an address."));
  return { ref: created.id, url, sent: price, expiresAt };
}

/** Where the resources of our payment references live. */
function pathOf(paymentRef: string): { path: string; type: string; id: string } {
  const [, kind, id = ""] = /^(order|sinv):(\d+)$/.exec(paymentRef) ?? [];
  if (kind === "order") return { path: `/orders/${id}`, type: "orders", id };
  if (kind === "sinv") {
    return { path: `/subscription-invoices/${id}`, type: "subscription-invoices", id };
  }
  throw refuseInput("#/payment", "This is no payment of Lemon Squeezy.");
}

/** The refunds of a payment in all, as Lemon Squeezy has them now. */
export async function fetchReversals(
  { client, options }: LemonSqueezyContext,
  paymentRef: string,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { path } = pathOf(paymentRef);
  return readRefunds(await client.call({ method: "GET", path }, call), options);
}

const Refundable = z.union([OrderAttributes, InvoiceAttributes]);

/**
 * Pays back a part or all that is left. There are no idempotency keys, so it reads first: when
 * more was paid back than our books say, an earlier request went through and is not repeated.
 */
export async function refund(
  context: LemonSqueezyContext,
  input: RefundInput,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { client, options } = context;
  const { path, type, id } = pathOf(input.paymentRef);
  const before = await client.call({ method: "GET", path }, call);
  const parsed = Refundable.safeParse(before.attributes);
  if (!parsed.success) throw refuseUnknown(parsed.error);
  const { total, currency, refunded_amount } = parsed.data;
  const already = refunded_amount ?? 0;
  const amount = input.money?.amount ?? total - input.reversedBefore.amount;
  if (input.paid.currency !== currency.toUpperCase()) {
    throw refuseInput("#/currency", `This payment was made in ${currency}.`);
  }
  if (already >= input.reversedBefore.amount + amount) return readRefunds(before, options);
  if (already !== input.reversedBefore.amount || already + amount > total) {
    throw refuseState("What was paid back before differs from our books.");
  }
  const body = { data: { type, id, attributes: { amount } } };
  const after = await client.call({ method: "POST", path: `${path}/refund`, body }, call);
  return readRefunds(after, options);
}

/**
 * Moves to another variant; the difference is invoiced at once, or never. Unasked it would go on
 * the next renewal's invoice (docs.lemonsqueezy.com/api/subscriptions, update).
 */
export async function changePlan(
  { client }: LemonSqueezyContext,
  { ref, planRef, when }: PlanChangeInput,
  call?: CallOptions,
): Promise<Resource> {
  if (!/^\d{1,15}$/.test(planRef)) throw refuseInput("#/price", "This is no variant.");
  const cost = when === "now" ? { invoice_immediately: true } : { disable_prorations: true };
  const attributes = { variant_id: Number(planRef), ...cost };
  return client.call(describePatch(ref, attributes), call);
}

export async function resumeSubscription(
  { client }: LemonSqueezyContext,
  ref: string,
  call?: CallOptions,
): Promise<Resource> {
  return client.call(describePatch(ref, { cancelled: false }), call);
}

function describePatch(ref: string, attributes: Record<string, unknown>) {
  const body = { data: { type: "subscriptions", id: ref, attributes } };
  return { method: "PATCH" as const, path: subscriptionPath(ref), body };
}

export function subscriptionPath(ref: string): string {
  if (!/^\d{1,15}$/.test(ref)) throw refuseInput("#/subscription", "This is no subscription.");
  return `/subscriptions/${ref}`;
}

/** Portal addresses are signed for 24 hours, anew with each request (their API, customers). */
const portalLifeMs = 24 * 60 * 60 * 1000;
const Portal = z.looseObject({ urls: z.looseObject({ customer_portal: z.string().nullish() }) });

export async function createPortalUrl(
  { client, now }: LemonSqueezyContext,
  input: { customerRef: string; subscriptionRef?: string },
  call?: CallOptions,
): Promise<{ url: string; expiresAt: Date }> {
  const { customerRef, subscriptionRef } = input;
  if (!/^\d{1,15}$/.test(customerRef)) throw refuseInput("#/customer", "This is no customer.");
  const path = subscriptionRef ? subscriptionPath(subscriptionRef) : `/customers/${customerRef}`;
  const { attributes } = await client.call({ method: "GET", path }, call);
  const url = Portal.safeParse(attributes).data?.urls.customer_portal;
  if (!url) throw refuseState("There is no subscription to manage.");
  return { url, expiresAt: new Date(now() + portalLifeMs) };
}
