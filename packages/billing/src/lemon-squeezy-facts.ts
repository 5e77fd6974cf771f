import { z } from "zod";
import type { AnomalyDetail, ProviderFact } from "./facts.ts";
import type { Resource } from "./lemon-squeezy-client.ts";
import type { Reference } from "./lemon-squeezy-reference.ts";
import { type Money, readMoney } from "./money.ts";
import type { Mode } from "./provider.ts";

/** Where a resource was read: by which store in which mode, and whose order it belongs to. */
export type Seen = { mode: Mode; storeId: string; reference?: Reference | undefined };

const id = z.union([z.number(), z.string()]).transform(String);
const optional = <T extends z.ZodType>(schema: T) => schema.nullish();

/** Amounts are in cents of `currency`; `total` has the taxes in it, `subtotal` has not. */
const Paid = z.looseObject({
  store_id: id,
  customer_id: optional(id),
  user_email: optional(z.string()),
  status: z.string(),
  currency: z.string(),
  subtotal: z.number(),
  discount_total: optional(z.number()),
  total: z.number(),
  subtotal_usd: optional(z.number()),
  discount_total_usd: optional(z.number()),
  tax_inclusive: optional(z.boolean()),
  refunded: optional(z.boolean()),
  refunded_amount: optional(z.number()),
  created_at: z.string(),
  updated_at: optional(z.string()),
});
export const OrderAttributes = Paid.extend({
  first_order_item: optional(z.looseObject({ variant_id: id, quantity: optional(z.number()) })),
});
export const InvoiceAttributes = Paid.extend({
  subscription_id: id,
  billing_reason: z.string(),
});
export const SubscriptionAttributes = z.looseObject({
  store_id: id,
  customer_id: optional(id),
  user_email: optional(z.string()),
  variant_id: optional(id),
  status: z.string(),
  pause: optional(z.looseObject({ mode: optional(z.string()) })),
  trial_ends_at: optional(z.string()),
  renews_at: optional(z.string()),
  ends_at: optional(z.string()),
  created_at: z.string(),
  updated_at: optional(z.string()),
});
type Paid = z.infer<typeof Paid>;

/** Money was taken in these; a refund later doesn't undo that it was. */
const paidStatuses = ["paid", "refunded", "partial_refund"];

/** What a resource says. The name of the event matters only for a payment that failed. */
export function readResource(resource: Resource, seen: Seen, event = ""): ProviderFact[] {
  switch (resource.type) {
    case "orders":
      return readOrder(resource, seen);
    case "subscription-invoices":
      return readInvoice(resource, seen, event);
    case "subscriptions":
      return readSubscription(resource, seen);
    default:
      return [];
  }
}

function readOrder(resource: Resource, seen: Seen): ProviderFact[] {
  const parsed = OrderAttributes.safeParse(resource.attributes);
  const object = `order:${resource.id}`;
  if (!parsed.success) return [anomaly(about(seen, object), "unreadable", object)];
  const order = parsed.data;
  const effect = about(seen, object, order);
  if (order.store_id !== seen.storeId)
    return [anomaly(about(seen, object, order), "store_mismatch", object)];
  // The first order of a subscription: its invoice is what pays and what is refunded.
  if (seen.reference?.kind === "subscription") return [];
  if (order.status === "fraudulent")
    return [anomaly(about(seen, object, order), "fraud_warning", object)];
  if (order.status === "pending") {
    return [{ ...pair(effect, "pending"), kind: "payment.pending", paymentRef: object }];
  }
  if (order.status === "failed") {
    const failure = {
      paymentRef: object,
      code: "payment_failed",
      retry: "needs_customer",
    } as const;
    return [{ ...pair(effect, "failed"), kind: "payment.failed", ...failure }];
  }
  if (!paidStatuses.includes(order.status))
    return [anomaly(about(seen, object, order), "unreadable", object)];
  const reversal = listReversals(order, seen, object);
  // A refund may come without custom data: then it names the payment and no more is needed.
  if (!seen.reference && reversal.length > 0) return reversal;
  return [readPack(order, seen, object), ...reversal];
}

function readPack(
  order: z.infer<typeof OrderAttributes>,
  seen: Seen,
  object: string,
): ProviderFact {
  const { reference } = seen;
  const money = readMoney(order.total, order.currency);
  if (!money) return anomaly(about(seen, object, order), "unreadable", object);
  if (!reference) return anomaly(about(seen, object, order), "foreign_session", object);
  const item = order.first_order_item;
  const isOne = item?.variant_id === reference.variant && (item.quantity ?? 1) === 1;
  const detail = isOne ? findMismatch(order, reference.price) : "variant_mismatch";
  if (detail) return anomaly(about(seen, object, order), detail, object);
  return {
    ...about(seen, object, order),
    kind: "payment.succeeded",
    paymentRef: object,
    purpose: "pack",
    money,
    price: reference.price,
  };
}

/** Rounding there and back of a price in dollars that was charged in another currency, in cents. */
const roundingUsd = 2;

/**
 * Why an order is not what we asked for. The buyer's taxes come on top of the price, or are in it,
 * and a store may charge a price in dollars in the buyer's currency.
 */
function findMismatch(order: Paid, price: Money): AnomalyDetail | undefined {
  const net = order.subtotal - (order.discount_total ?? 0);
  if (net <= 0) return "amount_mismatch";
  if (order.currency.toUpperCase() === price.currency) {
    const isPrice = net === price.amount || (order.tax_inclusive && order.total === price.amount);
    return isPrice ? undefined : "amount_mismatch";
  }
  if (price.currency !== "USD" || typeof order.subtotal_usd !== "number")
    return "currency_mismatch";
  const netUsd = order.subtotal_usd - (order.discount_total_usd ?? 0);
  return Math.abs(netUsd - price.amount) <= roundingUsd ? undefined : "amount_mismatch";
}

function readInvoice(resource: Resource, seen: Seen, event: string): ProviderFact[] {
  const parsed = InvoiceAttributes.safeParse(resource.attributes);
  const object = `sinv:${resource.id}`;
  if (!parsed.success) return [anomaly(about(seen, object), "unreadable", object)];
  const invoice = parsed.data;
  if (invoice.store_id !== seen.storeId)
    return [anomaly(about(seen, object, invoice), "store_mismatch", object)];
  const refs = { invoiceRef: resource.id, subscriptionRef: invoice.subscription_id };
  const effect = about(seen, object, invoice);
  if (event === "subscription_payment_failed") {
    return [{ ...pair(effect, "failed"), kind: "invoice.failed", ...refs }];
  }
  if (!paidStatuses.includes(invoice.status)) return [];
  const money = readMoney(invoice.total, invoice.currency);
  if (!money) return [anomaly(about(seen, object, invoice), "unreadable", object)];
  // Without custom data it can't say for which plan it was paid, and its payment has been told.
  if (event === "subscription_payment_refunded" && !seen.reference) {
    return listReversals(invoice, seen, object);
  }
  const reason = reasons[invoice.billing_reason] ?? "other";
  const planRef = reason === "initial" ? findOrdered(invoice, seen) : undefined;
  // Which period it pays shows in when it was made; a refund long after writes it anew.
  const made = about(seen, object, { ...invoice, updated_at: undefined });
  return [
    {
      ...(reason === "update" ? pair(made, "delta") : made),
      kind: "invoice.paid",
      ...refs,
      money,
      reason,
      // An invoice of 0 is "paid" too; without a price before discounts it begins a trial.
      trial: reason === "initial" && money.amount === 0 && invoice.subtotal === 0,
      ...(planRef !== undefined && { planRef }),
      paymentRef: object,
    },
    ...listReversals(invoice, seen, object),
  ];
}

/**
 * No invoice names its plan, and the subscription may have another one by now: of the first it is
 * the one that was ordered, if that is what was paid for.
 */
function findOrdered(invoice: Paid, { reference }: Seen): string | undefined {
  if (reference?.kind !== "subscription") return undefined;
  return findMismatch(invoice, reference.price) === undefined ? reference.variant : undefined;
}

const reasons: Record<string, "initial" | "renewal" | "update"> = {
  initial: "initial",
  renewal: "renewal",
  updated: "update",
};

/** The refunds of an order or invoice in all, which may be none. */
export function readRefunds(resource: Resource, seen: Seen): ProviderFact[] {
  const parsed = Paid.safeParse(resource.attributes);
  const object = `${resource.type === "orders" ? "order" : "sinv"}:${resource.id}`;
  return parsed.success
    ? [readReversal(parsed.data, seen, object)]
    : [anomaly(about(seen, object), "unreadable", object)];
}

/** refunded_amount is cumulative; the older objects without it are refunded in full or not. */
function readReversal(paid: Paid, seen: Seen, paymentRef: string): ProviderFact {
  const whole = paid.refunded === true || paid.status === "refunded" ? paid.total : 0;
  const reversed = readMoney(paid.refunded_amount || whole, paid.currency);
  const of = readMoney(paid.total, paid.currency);
  if (!reversed || !of) return anomaly(about(seen, paymentRef, paid), "unreadable", paymentRef);
  const effect = pair(about(seen, paymentRef, paid), "reversed");
  return { ...effect, kind: "reversal.total", paymentRef, reversed, of };
}

/** The same, where there is anything to tell. */
function listReversals(paid: Paid, seen: Seen, paymentRef: string): ProviderFact[] {
  const fact = readReversal(paid, seen, paymentRef);
  return fact.kind === "reversal.total" && fact.reversed.amount === 0 ? [] : [fact];
}

function readSubscription(resource: Resource, seen: Seen): ProviderFact[] {
  const parsed = SubscriptionAttributes.safeParse(resource.attributes);
  const object = `sub:${resource.id}`;
  if (!parsed.success) return [anomaly(about(seen, object), "unreadable", object)];
  if (parsed.data.store_id !== seen.storeId) {
    return [anomaly(about(seen, object, parsed.data), "store_mismatch", object)];
  }
  const effect = about(seen, object, parsed.data);
  return [{ ...effect, kind: "subscription.touched", subscriptionRef: resource.id }];
}

type Times = {
  created_at: string;
  updated_at?: string | null | undefined;
  customer_id?: string | null | undefined;
};

export function about(seen: Seen, object: string, times?: Times) {
  const written = new Date(times?.updated_at ?? times?.created_at ?? 0);
  const customerRef = times?.customer_id ?? undefined;
  return {
    provider: "lemonsqueezy" as const,
    mode: seen.mode,
    effectKey: `l:${seen.mode}:${object}`,
    occurredAt: Number.isNaN(written.getTime()) ? new Date(0) : written,
    ...(customerRef !== undefined && { customerRef }),
    ...(seen.reference && { orderRef: seen.reference.orderRef }),
  };
}

const pair = <T extends { effectKey: string }>(effect: T, part: string): T => ({
  ...effect,
  effectKey: `${effect.effectKey}:${part}`,
});

/** An order that we can't place keeps the key of its credit: the ledger may have it already. */
export function anomaly(
  effect: ReturnType<typeof about>,
  detail: AnomalyDetail,
  object: string,
): ProviderFact {
  const named = detail === "unknown_order" ? effect : pair(effect, detail);
  return { ...named, kind: "anomaly", detail, about: object };
}
