import type Stripe from "stripe";
import type { ProviderFact } from "./facts.ts";
import { findMismatch } from "./find-mismatch.ts";
import { readMoney } from "./money.ts";
import { about, anomaly, idOf, readOrder, type StripeOrder, type Told } from "./stripe-order.ts";

/** What a Checkout Session came to. It may carry its PaymentIntent expanded. */
export function readSession(session: Stripe.Checkout.Session, told: Told): ProviderFact[] {
  const order = readOrder(session.metadata);
  const refs = { customer: session.customer, orderRef: order?.orderRef };
  const expired = session.status === "expired";
  if (expired && order) {
    const effect = about(told, `cs:${session.id}:expired`, refs);
    return [{ ...effect, kind: "payment.expired", paymentRef: session.id }];
  }
  const subscriptionRef = idOf(session.subscription);
  if (session.mode === "subscription" && session.status === "complete" && subscriptionRef) {
    // It links the order to its subscription; the credit comes with invoice.paid alone.
    const effect = about(told, `sub:${subscriptionRef}`, refs);
    return [{ ...effect, kind: "subscription.touched", subscriptionRef }];
  }
  if (session.mode !== "payment" || session.status !== "complete") return [];
  if (session.payment_status === "unpaid") return order ? [readUnpaid(session, order, told)] : [];
  if (!order) return [anomaly(told, "foreign_session", `cs:${session.id}`)];
  const paymentRef = idOf(session.payment_intent);
  const charged = readMoney(session.amount_total, session.currency);
  return [readCharge({ paymentRef, charged, customer: session.customer, order }, told, session.id)];
}

/** A payment with a delayed method: it is on its way, unless its PaymentIntent says it failed. */
function readUnpaid(
  session: Stripe.Checkout.Session,
  order: StripeOrder,
  told: Told,
): ProviderFact {
  const paymentRef = idOf(session.payment_intent) ?? session.id;
  const refs = { customer: session.customer, orderRef: order.orderRef };
  const intent = typeof session.payment_intent === "object" ? session.payment_intent : null;
  if (intent && ["requires_payment_method", "canceled"].includes(intent.status)) {
    return readFailure({ paymentRef, code: intent.last_payment_error?.code }, told, refs);
  }
  const effect = about(told, `pi:${paymentRef}:pending`, refs);
  return { ...effect, kind: "payment.pending", paymentRef };
}

/** A delayed method that failed in the end (checkout.session.async_payment_failed). */
export function readAsyncFailure(session: Stripe.Checkout.Session, told: Told): ProviderFact[] {
  const order = readOrder(session.metadata);
  if (!order) return [];
  const paymentRef = idOf(session.payment_intent) ?? session.id;
  const refs = { customer: session.customer, orderRef: order.orderRef };
  return [readFailure({ paymentRef, code: "async_payment_failed" }, told, refs)];
}

/**
 * What a PaymentIntent of ours came to; those of invoices carry no order and say nothing. One of
 * a Checkout page is only told when it has the money: until then the customer may try again there.
 */
export function readIntent(intent: Stripe.PaymentIntent, told: Told): ProviderFact[] {
  const order = readOrder(intent.metadata);
  if (!order || order.kind === "subscription") return [];
  const refs = { customer: intent.customer, orderRef: order.orderRef };
  if (intent.status === "succeeded") {
    const charged = readMoney(intent.amount_received, intent.currency);
    const charge = { paymentRef: intent.id, charged, customer: intent.customer, order };
    return [readCharge(charge, told, intent.id), ...readSavedMethod(intent, told)];
  }
  if (intent.status === "processing") {
    const effect = about(told, `pi:${intent.id}:pending`, refs);
    return [{ ...effect, kind: "payment.pending", paymentRef: intent.id }];
  }
  if (order.kind === "pack") return [];
  const error = intent.last_payment_error;
  const code = intent.status === "canceled" ? "canceled" : error?.code;
  const needed = intent.status === "requires_action" ? "authentication_required" : code;
  if (needed === undefined && !error) return [];
  return [
    readFailure({ paymentRef: intent.id, code: needed, advice: error?.advice_code }, told, refs),
  ];
}

function readSavedMethod(intent: Stripe.PaymentIntent, told: Told): ProviderFact[] {
  const methodRef = idOf(intent.payment_method);
  if (!methodRef || !intent.customer || intent.setup_future_usage !== "off_session") return [];
  return [savedMethod(methodRef, intent.customer, told)];
}

export function savedMethod(methodRef: string, customer: unknown, told: Told): ProviderFact {
  return { ...about(told, `pm:${methodRef}:saved`, { customer }), kind: "method.saved", methodRef };
}

type Charge = {
  paymentRef: string | undefined;
  charged: ReturnType<typeof readMoney>;
  customer: unknown;
  order: StripeOrder;
};

function readCharge(charge: Charge, told: Told, object: string): ProviderFact {
  const { paymentRef, charged, order } = charge;
  const detail = findMismatch(charged, order.price);
  if (detail || !paymentRef || !charged || !order.price) {
    const about = paymentRef ? `pi:${paymentRef}` : object;
    return { ...anomaly(told, detail ?? "unreadable", about), orderRef: order.orderRef };
  }
  const refs = { customer: charge.customer, orderRef: order.orderRef };
  return {
    ...about(told, `pi:${paymentRef}`, refs),
    kind: "payment.succeeded",
    paymentRef,
    purpose: order.kind === "reload" ? "reload" : "pack",
    money: charged,
    price: order.price,
  };
}

type Failure = {
  paymentRef: string;
  code: string | null | undefined;
  advice?: string | undefined;
};

function readFailure(
  { paymentRef, code, advice }: Failure,
  told: Told,
  refs: Parameters<typeof about>[2],
): ProviderFact {
  return {
    ...about(told, `pi:${paymentRef}:failed`, refs),
    kind: "payment.failed",
    paymentRef,
    code: code ?? "payment_failed",
    retry: readAdvice(advice),
  };
}

/** Stripe's advice codes are an open list; without one the customer has to do something. */
function readAdvice(advice: string | undefined): "never" | "later" | "needs_customer" {
  if (advice === "try_again_later") return "later";
  return advice === "do_not_try_again" ? "never" : "needs_customer";
}
