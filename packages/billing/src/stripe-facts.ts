import type Stripe from "stripe";
import type { ProviderFact } from "./facts.ts";
import { readMoney } from "./money.ts";
import { about, anomaly, dateOf, idOf, readOrder, type Told } from "./stripe-order.ts";
import { readAsyncFailure, readIntent, readSession, savedMethod } from "./stripe-payment-facts.ts";

/** What a webhook endpoint has to be subscribed to, and what reconciliation reads. */
export const stripeEventTypes = [
  "checkout.session.completed",
  "checkout.session.async_payment_succeeded",
  "checkout.session.async_payment_failed",
  "checkout.session.expired",
  "payment_intent.succeeded",
  "payment_intent.payment_failed",
  "payment_intent.requires_action",
  "payment_intent.processing",
  "payment_intent.canceled",
  "customer.subscription.created",
  "customer.subscription.updated",
  "customer.subscription.deleted",
  "customer.subscription.paused",
  "customer.subscription.resumed",
  "customer.subscription.trial_will_end",
  "customer.subscription.pending_update_applied",
  "customer.subscription.pending_update_expired",
  "invoice.paid",
  "invoice.payment_failed",
  "invoice.payment_action_required",
  "invoice.finalization_failed",
  "invoice.voided",
  "invoice.marked_uncollectible",
  "charge.refunded",
  "refund.created",
  "refund.updated",
  "refund.failed",
  "charge.dispute.created",
  "charge.dispute.updated",
  "charge.dispute.closed",
  "charge.dispute.funds_withdrawn",
  "charge.dispute.funds_reinstated",
  "radar.early_fraud_warning.created",
  "setup_intent.succeeded",
  "payment_method.attached",
  "payment_method.detached",
  "customer.updated",
  "customer.deleted",
] as const satisfies readonly Stripe.Event["type"][];

/**
 * What an event means to us; nothing for a type that we have no use for. Which event does what is
 * Stripe's own advice (docs.stripe.com/checkout/fulfillment, /billing/subscriptions/webhooks):
 * invoice.paid alone refills, and what may arrive out of order only says "touched".
 */
export function readEvent(event: Stripe.Event, told: Told): ProviderFact[] {
  switch (event.type) {
    case "checkout.session.completed":
    case "checkout.session.async_payment_succeeded":
    case "checkout.session.expired":
      return readSession(event.data.object, told);
    case "checkout.session.async_payment_failed":
      return readAsyncFailure(event.data.object, told);
    case "payment_intent.succeeded":
    case "payment_intent.payment_failed":
    case "payment_intent.requires_action":
    case "payment_intent.processing":
    case "payment_intent.canceled":
      return readIntent(event.data.object, told);
    case "customer.subscription.created":
    case "customer.subscription.updated":
    case "customer.subscription.deleted":
    case "customer.subscription.paused":
    case "customer.subscription.resumed":
    case "customer.subscription.trial_will_end":
    case "customer.subscription.pending_update_applied":
    case "customer.subscription.pending_update_expired":
      return readSubscription(event.data.object, told);
    case "invoice.paid":
      return readInvoice(event.data.object, told);
    case "invoice.payment_failed":
    case "invoice.payment_action_required":
      return readFailedInvoice(event.data.object, told);
    case "invoice.finalization_failed":
    case "invoice.voided":
    case "invoice.marked_uncollectible":
      return touchSubscription(event.data.object, told);
    default:
      return readOtherEvent(event, told);
  }
}

function readOtherEvent(event: Stripe.Event, told: Told): ProviderFact[] {
  switch (event.type) {
    case "charge.refunded":
      return readRefunds(event.data.object, told);
    case "refund.created":
    case "refund.updated":
    case "refund.failed":
      return touchReversal(event.data.object, told);
    case "charge.dispute.created":
    case "charge.dispute.updated":
    case "charge.dispute.closed":
    case "charge.dispute.funds_withdrawn":
      return readDispute(event.data.object, told);
    case "charge.dispute.funds_reinstated":
      return readDispute({ ...event.data.object, status: "won" }, told);
    case "radar.early_fraud_warning.created": {
      const payment = idOf(event.data.object.payment_intent) ?? idOf(event.data.object.charge);
      return payment ? [anomaly(told, "fraud_warning", `pi:${payment}`)] : [];
    }
    case "setup_intent.succeeded":
      return saveMethod(event.data.object.payment_method, event.data.object.customer, told);
    case "payment_method.attached":
      return saveMethod(event.data.object.id, event.data.object.customer, told);
    case "payment_method.detached":
      return removeMethod(event.data.object, event.data.previous_attributes, told);
    case "customer.updated": {
      // A default card that was chosen in the portal; the rest of a customer is not ours to keep.
      const settings = event.data.object.invoice_settings;
      return saveMethod(settings?.default_payment_method, event.data.object.id, told);
    }
    case "customer.deleted": {
      const customer = event.data.object.id;
      return [
        { ...about(told, `cus:${customer}:removed`, { customer }), kind: "customer.removed" },
      ];
    }
    default:
      return [];
  }
}

/** A paid invoice of a subscription; other invoices are none of ours. */
export function readInvoice(invoice: Stripe.Invoice, told: Told): ProviderFact[] {
  const subscriptionRef = subscriptionOf(invoice);
  if (subscriptionRef === undefined || invoice.id === undefined) return [];
  const money = readMoney(invoice.amount_paid, invoice.currency);
  if (!money) return [anomaly(told, "unreadable", `in:${invoice.id}`)];
  const reason = reasonOf(invoice.billing_reason);
  const line = findPlanLine(invoice);
  const planRef = idOf(line?.pricing?.price_details?.price);
  const paymentRef = idOf(invoice.payments?.data[0]?.payment.payment_intent);
  const [periodStart, periodEnd] = [dateOf(line?.period?.start), dateOf(line?.period?.end)];
  const effect = reason === "update" ? `in:${invoice.id}:delta` : `in:${invoice.id}`;
  return [
    {
      ...about(told, effect, { customer: invoice.customer, orderRef: orderOf(invoice) }),
      kind: "invoice.paid",
      invoiceRef: invoice.id,
      subscriptionRef,
      money,
      reason,
      // A coupon of 100 % also makes it 0, but only a trial has a line that costs nothing.
      trial: reason === "initial" && money.amount === 0 && (line?.amount ?? 0) === 0,
      ...(planRef !== undefined && { planRef }),
      ...(periodStart && { periodStart }),
      ...(periodEnd && { periodEnd }),
      ...(paymentRef !== undefined && { paymentRef }),
    },
  ];
}

function readFailedInvoice(invoice: Stripe.Invoice, told: Told): ProviderFact[] {
  const subscriptionRef = subscriptionOf(invoice);
  if (subscriptionRef === undefined || invoice.id === undefined) return [];
  const nextAttempt = dateOf(invoice.next_payment_attempt);
  return [
    {
      ...about(told, `in:${invoice.id}:failed`, { customer: invoice.customer }),
      kind: "invoice.failed",
      invoiceRef: invoice.id,
      subscriptionRef,
      ...(nextAttempt && { nextAttempt }),
    },
  ];
}

/** The subscription's metadata as it was when the invoice was made final. */
function orderOf(invoice: Stripe.Invoice): string | undefined {
  return readOrder(invoice.parent?.subscription_details?.metadata)?.orderRef;
}

/** Since the API of 2025-03 an invoice names its subscription in parent (SDK changelog, 18.0). */
function subscriptionOf(invoice: Stripe.Invoice): string | undefined {
  if (invoice.parent?.type !== "subscription_details") return undefined;
  return idOf(invoice.parent.subscription_details?.subscription);
}

function reasonOf(reason: Stripe.Invoice["billing_reason"]) {
  if (reason === "subscription_create") return "initial";
  if (reason === "subscription_cycle") return "renewal";
  return reason === "subscription_update" ? "update" : "other";
}

/**
 * The line of the plan itself: what is charged for a period, and of prorations the one that is
 * added (the other gives the old plan back). Its period is the service's, unlike the invoice's.
 */
function findPlanLine(invoice: Stripe.Invoice): Stripe.InvoiceLineItem | undefined {
  const lines = invoice.lines?.data ?? [];
  const planned = lines.filter((line) => line.parent?.type === "subscription_item_details");
  const full = planned.find((line) => !line.parent?.subscription_item_details?.proration);
  return full ?? planned.find((line) => line.amount > 0) ?? lines.find(({ amount }) => amount > 0);
}

function readSubscription(subscription: Stripe.Subscription, told: Told): ProviderFact[] {
  const orderRef = readOrder(subscription.metadata)?.orderRef;
  const effect = about(told, `sub:${subscription.id}`, {
    customer: subscription.customer,
    orderRef,
  });
  return [{ ...effect, kind: "subscription.touched", subscriptionRef: subscription.id }];
}

function touchSubscription(invoice: Stripe.Invoice, told: Told): ProviderFact[] {
  const subscriptionRef = subscriptionOf(invoice);
  if (subscriptionRef === undefined) return [];
  const effect = about(told, `sub:${subscriptionRef}`, { customer: invoice.customer });
  return [{ ...effect, kind: "subscription.touched", subscriptionRef }];
}

/** A charge tells what was refunded of it in all; a refund by itself doesn't. */
export function readRefunds(
  charge: Stripe.Charge,
  told: Told,
  invoiceRef?: string,
): ProviderFact[] {
  const paymentRef = idOf(charge.payment_intent) ?? charge.id;
  const reversed = readMoney(charge.amount_refunded, charge.currency);
  const of = readMoney(charge.amount, charge.currency);
  if (!reversed || !of) return [anomaly(told, "unreadable", `ch:${charge.id}`)];
  const effect = about(told, `pi:${paymentRef}:reversed`, { customer: charge.customer });
  const invoice = invoiceRef === undefined ? {} : { invoiceRef };
  return [{ ...effect, kind: "reversal.total", paymentRef, ...invoice, reversed, of }];
}

function touchReversal(refund: Stripe.Refund, told: Told): ProviderFact[] {
  const paymentRef = idOf(refund.payment_intent) ?? idOf(refund.charge);
  if (paymentRef === undefined) return [];
  const effect = about(told, `pi:${paymentRef}:reversed`);
  return [{ ...effect, kind: "reversal.touched", paymentRef }];
}

/**
 * An inquiry (warning_…) has moved no money and opens nothing. A status that we don't know, as
 * those of appeals, is a reason to look and nothing else.
 */
export function readDispute(dispute: Stripe.Dispute, told: Told): ProviderFact[] {
  const paymentRef = idOf(dispute.payment_intent) ?? idOf(dispute.charge);
  const money = readMoney(dispute.amount, dispute.currency);
  if (paymentRef === undefined || !money) return [anomaly(told, "unreadable", `dp:${dispute.id}`)];
  const state = disputeStates[dispute.status];
  if (state === undefined) {
    const effect = about(told, `pi:${paymentRef}:reversed`);
    return [{ ...effect, kind: "reversal.touched", paymentRef }];
  }
  if (state === "inquiry") return [];
  return [
    {
      ...about(told, `dp:${dispute.id}:${state === "opened" ? "open" : state}`),
      kind: `dispute.${state}`,
      paymentRef,
      disputeRef: dispute.id,
      money,
    },
  ];
}

const disputeStates: Record<string, "opened" | "won" | "lost" | "inquiry"> = {
  needs_response: "opened",
  under_review: "opened",
  won: "won",
  warning_closed: "won",
  prevented: "won",
  lost: "lost",
  warning_needs_response: "inquiry",
  warning_under_review: "inquiry",
};

function saveMethod(method: unknown, customer: unknown, told: Told): ProviderFact[] {
  const methodRef = idOf(method);
  return methodRef && idOf(customer) ? [savedMethod(methodRef, customer, told)] : [];
}

function removeMethod(
  method: Stripe.PaymentMethod,
  before: Partial<Stripe.PaymentMethod> | undefined,
  told: Told,
): ProviderFact[] {
  // Once detached it belongs to nobody; whose it was stands in what changed.
  const effect = about(told, `pm:${method.id}:removed`, { customer: before?.customer });
  return [{ ...effect, kind: "method.removed", methodRef: method.id }];
}
