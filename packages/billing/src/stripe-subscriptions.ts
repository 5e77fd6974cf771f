import type Stripe from "stripe";
import type {
  CallOptions,
  PlanChangeInput,
  SubscriptionSnapshot,
  SubscriptionStatus,
} from "./provider.ts";
import { refuseState } from "./refusals.ts";
import { ask, requestOptions, type StripeContext } from "./stripe-client.ts";
import { dateOf, idOf, readOrder } from "./stripe-order.ts";

/** A subscription as Stripe has it now. */
export async function fetchSubscription(
  context: StripeContext,
  ref: string,
  call?: CallOptions,
): Promise<SubscriptionSnapshot> {
  const options = requestOptions(call);
  return show(context, await ask(() => context.client.subscriptions.retrieve(ref, {}, options)));
}

const statuses: Record<string, SubscriptionStatus> = {
  incomplete: "incomplete",
  incomplete_expired: "canceled",
  trialing: "trialing",
  active: "active",
  past_due: "past_due",
  unpaid: "unpaid",
  paused: "paused",
  canceled: "canceled",
};

function show(context: StripeContext, subscription: Stripe.Subscription): SubscriptionSnapshot {
  return readSubscription(subscription, new Date(context.now()));
}

/**
 * Our view of a subscription. Since the API of 2025-03 the period stands on the item (SDK
 * changelog, 18.0). Throws an Error for a status that we don't know: guessing gives access away.
 */
function readSubscription(
  subscription: Stripe.Subscription,
  fetchedAt: Date,
): SubscriptionSnapshot {
  const status = statuses[subscription.status];
  if (status === undefined) throw new Error(`Stripe has a new status: ${subscription.status}`);
  const item = subscription.items?.data[0];
  const collection = subscription.pause_collection;
  const isRunning = status === "active" || status === "trialing";
  const end = dateOf(item?.current_period_end);
  const dates = {
    cancelAt: readEnd(subscription, end),
    trialEndsAt: dateOf(subscription.trial_end),
    periodStart: dateOf(item?.current_period_start),
    periodEnd: end,
  };
  return {
    ref: subscription.id,
    // While collection is paused Stripe says "active" and takes no money.
    status: isRunning && collection ? "paused" : status,
    fetchedAt,
    ...definedOnly({
      planRef: idOf(item?.price),
      customerRef: idOf(subscription.customer),
      orderRef: readOrder(subscription.metadata)?.orderRef,
    }),
    ...definedOnly(dates),
    ...(status === "paused" && { pause: "no_access" as const }),
    ...(isRunning && collection && { pause: "free" as const }),
  };
}

/** cancel_at and cancel_at_period_end are separate, and either may be set. */
function readEnd(subscription: Stripe.Subscription, periodEnd: Date | undefined) {
  if (subscription.status === "canceled") return dateOf(subscription.ended_at);
  return (
    dateOf(subscription.cancel_at) ?? (subscription.cancel_at_period_end ? periodEnd : undefined)
  );
}

function definedOnly<V>(values: Record<string, V | undefined>): Record<string, V> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/**
 * Moves to another price: with one invoice for the difference, and taken back if that isn't paid,
 * or with none. Another interval begins a new period and is invoiced in full whatever is asked
 * (docs.stripe.com/billing/subscriptions/change-price): the caller keeps the interval.
 */
export async function changePlan(
  context: StripeContext,
  input: PlanChangeInput,
  call?: CallOptions,
): Promise<SubscriptionSnapshot> {
  const { client } = context;
  const before = await ask(() =>
    client.subscriptions.retrieve(input.ref, {}, requestOptions(call)),
  );
  const item = before.items.data[0];
  if (!item) throw refuseState("This subscription has no plan to change.");
  if (item.price.id === input.planRef) return show(context, before);
  const params: Stripe.SubscriptionUpdateParams = {
    items: [{ id: item.id, price: input.planRef }],
    ...(input.when === "now"
      ? { proration_behavior: "always_invoice", payment_behavior: "pending_if_incomplete" }
      : { proration_behavior: "none" }),
  };
  const options = requestOptions(call, `plan:${input.key}`);
  return show(context, await ask(() => client.subscriptions.update(input.ref, params, options)));
}

export async function cancelSubscription(
  context: StripeContext,
  input: { ref: string; when: "period_end" | "now" },
  call?: CallOptions,
): Promise<SubscriptionSnapshot> {
  const { subscriptions } = context.client;
  const options = requestOptions(call);
  const after = await ask(() =>
    input.when === "now"
      ? subscriptions.cancel(input.ref, {}, options)
      : subscriptions.update(input.ref, { cancel_at_period_end: true }, options),
  );
  return show(context, after);
}

export async function resumeSubscription(
  context: StripeContext,
  ref: string,
  call?: CallOptions,
): Promise<SubscriptionSnapshot> {
  const { subscriptions } = context.client;
  const options = requestOptions(call);
  const before = await ask(() => subscriptions.retrieve(ref, {}, options));
  if (before.status === "canceled") throw refuseState("This subscription has ended.");
  // The portal may have set a date instead of the flag: take back the one that is there.
  const params: Stripe.SubscriptionUpdateParams =
    before.cancel_at !== null && !before.cancel_at_period_end
      ? { cancel_at: "" }
      : { cancel_at_period_end: false };
  return show(context, await ask(() => subscriptions.update(ref, params, options)));
}

export async function createPortalUrl(
  { client, options: { portalConfiguration } }: StripeContext,
  input: { customerRef: string; returnUrl: string },
  call?: CallOptions,
): Promise<{ url: string }> {
  const params: Stripe.BillingPortal.SessionCreateParams = {
    customer: input.customerRef,
    return_url: input.returnUrl,
    ...(portalConfiguration !== undefined && { configuration: portalConfiguration }),
  };
  const session = await ask(() =>
    client.billingPortal.sessions.create(params, requestOptions(call)),
  );
  return { url: session.url };
}
