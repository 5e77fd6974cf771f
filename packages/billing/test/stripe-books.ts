import { randomUUID } from "node:crypto";
import { shape } from "./fixtures.ts";

export const stripeVersion = "2026-10-28.endive";

export type Thing = Record<string, unknown> & { id: string };
export type StripeEvent = Thing & { type: string; created: number; api_version: string };
export type Card = {
  id: string;
  customer: string;
  /** What happens when it is charged while its owner is away. */
  later: "succeeds" | "declines" | "needs_3ds" | "processes";
};
type Price = { id: string; unit_amount: number; currency: string; interval: "month" | "year" };

const month = 30 * 24 * 3600;

/** Stripe's books in memory: what it keeps, what happens at its pages, and the events of both. */
export class StripeBooks {
  readonly things = new Map<string, Thing>();
  readonly cards = new Map<string, Card>();
  readonly prices = new Map<string, Price>();
  readonly events: StripeEvent[] = [];
  livemode = false;
  /** The version of the webhook endpoint; another one is an endpoint that was made too early. */
  apiVersion = stripeVersion;
  now: () => number;
  #count = 0;

  constructor(now: () => number) {
    this.now = now;
  }

  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  id(prefix: string): string {
    this.#count += 1;
    return `${prefix}_${String(this.#count).padStart(6, "0")}${randomUUID().slice(0, 8)}`;
  }

  /** Keeps a thing with every field that Stripe gives it. */
  keep(kind: string, prefix: string, fields: Record<string, unknown>): Thing {
    const id = this.id(prefix);
    const own = { id, object: kind, created: this.seconds(), livemode: this.livemode, ...fields };
    const thing = shape(`stripe/openapi-objects/${kind}.json`, own) as Thing;
    this.things.set(id, thing);
    return thing;
  }

  get(id: unknown): Thing {
    const thing = this.things.get(String(id));
    if (!thing) throw new Error(`no ${String(id)}`);
    return thing;
  }

  list(object: string): Thing[] {
    return [...this.things.values()].filter((thing) => thing.object === object).reverse();
  }

  emit(type: string, object: Thing, previous?: Record<string, unknown>): StripeEvent {
    const event = {
      id: this.id("evt"),
      object: "event",
      api_version: this.apiVersion,
      created: this.seconds(),
      livemode: this.livemode,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      type,
      data: {
        object: structuredClone(object),
        ...(previous && { previous_attributes: previous }),
      },
    };
    this.events.push(event);
    return event;
  }

  /** The customer pays on the page of a session. */
  pay(
    sessionId: string,
    how: {
      card?: Card["later"];
      delayed?: boolean;
      amount?: number;
      currency?: string;
      trial?: boolean;
    } = {},
  ): void {
    const session = this.get(sessionId);
    Object.assign(session, { status: "complete", url: null });
    if (how.amount !== undefined) session.amount_total = how.amount;
    if (how.currency !== undefined) session.currency = how.currency;
    if (session.mode === "subscription") {
      this.#subscribe(session, how.card ?? "succeeds");
      return;
    }
    const save = session.setup_future_usage === "off_session";
    const card = this.#addCard(String(session.customer), how.card ?? "succeeds", save);
    const intent = this.keep("payment_intent", "pi", {
      amount: session.amount_total,
      amount_received: 0,
      currency: session.currency,
      customer: session.customer,
      payment_method: card.id,
      metadata: session.intent_metadata,
      setup_future_usage: session.setup_future_usage,
      last_payment_error: null,
      status: "processing",
    });
    session.payment_intent = intent.id;
    if (!how.delayed) this.#succeed(intent);
    session.payment_status = how.delayed ? "unpaid" : "paid";
    if (how.delayed) this.emit("payment_intent.processing", intent);
    this.emit("checkout.session.completed", session);
  }

  /** A delayed method comes to its end. */
  finishDelayed(sessionId: string, isPaid: boolean): void {
    const session = this.get(sessionId);
    const intent = this.get(session.payment_intent);
    if (isPaid) {
      this.#succeed(intent);
      session.payment_status = "paid";
      this.emit("checkout.session.async_payment_succeeded", session);
    } else {
      intent.status = "requires_payment_method";
      intent.last_payment_error = { code: "payment_failed", type: "card_error" };
      this.emit("payment_intent.payment_failed", intent);
      this.emit("checkout.session.async_payment_failed", session);
    }
  }

  expire(sessionId: string): void {
    const session = this.get(sessionId);
    Object.assign(session, { status: "expired", url: null });
    this.emit("checkout.session.expired", session);
  }

  #addCard(customer: string, later: Card["later"], attach: boolean): Card {
    const card = { id: this.id("pm"), customer, later };
    this.cards.set(card.id, card);
    const method = { ...card, object: "payment_method", type: "card", livemode: this.livemode };
    if (attach) this.emit("payment_method.attached", method);
    return card;
  }

  detach(methodId: string): void {
    const card = this.cards.get(methodId);
    this.cards.delete(methodId);
    const method = { id: methodId, object: "payment_method", customer: null, type: "card" };
    this.emit("payment_method.detached", method, { customer: card?.customer });
  }

  /** An intent gets its money. */
  #succeed(intent: Thing): void {
    const charge = this.keep("charge", "ch", {
      amount: intent.amount,
      amount_captured: intent.amount,
      amount_refunded: 0,
      currency: intent.currency,
      customer: intent.customer,
      payment_intent: intent.id,
      metadata: structuredClone(intent.metadata),
      captured: true,
      disputed: false,
      refunded: false,
    });
    const { amount } = intent;
    Object.assign(intent, {
      status: "succeeded",
      amount_received: amount,
      latest_charge: charge.id,
    });
    this.emit("payment_intent.succeeded", intent);
  }

  /** A charge without its owner: the intent, and whether Stripe answers 402. */
  chargeAway(params: Record<string, unknown>): { intent: Thing; error?: Record<string, unknown> } {
    const card = this.cards.get(String(params.payment_method));
    const intent = this.keep("payment_intent", "pi", {
      amount: Number(params.amount),
      amount_received: 0,
      currency: params.currency,
      customer: params.customer,
      payment_method: params.payment_method,
      metadata: params.metadata ?? {},
      setup_future_usage: null,
      last_payment_error: null,
      status: "processing",
    });
    if (card?.later === "processes") {
      this.emit("payment_intent.processing", intent);
      return { intent };
    }
    if (card?.later === "succeeds") {
      this.#succeed(intent);
      return { intent };
    }
    const code = card?.later === "needs_3ds" ? "authentication_required" : "card_declined";
    const decline = code === "card_declined" ? "insufficient_funds" : code;
    const error = { type: "card_error", code, decline_code: decline, message: "No." };
    Object.assign(intent, { status: "requires_payment_method", last_payment_error: error });
    this.emit("payment_intent.payment_failed", intent);
    return { intent, error: { ...error, payment_intent: structuredClone(intent) } };
  }

  /** A refund from the dashboard or by the API. */
  refund(intentId: string, amount?: number): Thing {
    const charge = this.get(this.get(intentId).latest_charge);
    const left = Number(charge.amount) - Number(charge.amount_refunded);
    const refund = this.keep("refund", "re", {
      amount: amount ?? left,
      charge: charge.id,
      payment_intent: intentId,
      currency: charge.currency,
      metadata: {},
      status: "succeeded",
    });
    charge.amount_refunded = Number(charge.amount_refunded) + (amount ?? left);
    charge.refunded = charge.amount_refunded === charge.amount;
    this.emit("refund.created", refund);
    this.emit("charge.refunded", charge);
    return refund;
  }

  /** The bank sends a refund back: the money is ours again. */
  failRefund(refundId: string): void {
    const refund = this.get(refundId);
    const charge = this.get(refund.charge);
    refund.status = "failed";
    charge.amount_refunded = Number(charge.amount_refunded) - Number(refund.amount);
    charge.refunded = false;
    this.emit("refund.failed", refund);
  }

  dispute(intentId: string): Thing {
    const charge = this.get(this.get(intentId).latest_charge);
    charge.disputed = true;
    const dispute = this.keep("dispute", "dp", {
      amount: charge.amount,
      charge: charge.id,
      currency: charge.currency,
      payment_intent: intentId,
      status: "needs_response",
    });
    this.emit("charge.dispute.created", dispute);
    this.emit("charge.dispute.funds_withdrawn", dispute);
    return dispute;
  }

  closeDispute(disputeId: string, status: "won" | "lost" | "warning_closed"): void {
    const dispute = this.get(disputeId);
    dispute.status = status;
    if (status === "won") this.emit("charge.dispute.funds_reinstated", dispute);
    this.emit("charge.dispute.closed", dispute);
  }

  #subscribe(session: Thing, later: Card["later"]): void {
    const card = this.#addCard(String(session.customer), later, true);
    const price = this.prices.get(String(session.price)) as Price;
    const trialDays = Number(session.trial_days ?? 0);
    const start = this.seconds();
    const end = trialDays > 0 ? start + trialDays * 86_400 : start + month;
    const subscription = this.keep("subscription", "sub", {
      customer: session.customer,
      metadata: session.subscription_metadata,
      status: trialDays > 0 ? "trialing" : "active",
      items: { object: "list", data: [this.#item(price, start, end)], has_more: false },
      default_payment_method: card.id,
      cancel_at: null,
      cancel_at_period_end: false,
      canceled_at: null,
      ended_at: null,
      pause_collection: null,
      pending_update: null,
      trial_start: trialDays > 0 ? start : null,
      trial_end: trialDays > 0 ? end : null,
    });
    session.subscription = subscription.id;
    session.payment_status = trialDays > 0 ? "no_payment_required" : "paid";
    if (trialDays > 0) session.amount_total = 0;
    this.emit("customer.subscription.created", subscription);
    const amount = trialDays > 0 ? 0 : price.unit_amount;
    this.invoice(subscription, { reason: "subscription_create", lines: [{ price, amount }] });
    this.emit("checkout.session.completed", session);
  }

  #item(price: Price, start: number, end: number): Thing {
    return shape("stripe/openapi-objects/subscription_item.json", {
      id: this.id("si"),
      current_period_start: start,
      current_period_end: end,
      price: { ...price, object: "price", recurring: { interval: price.interval } },
    }) as Thing;
  }

  itemOf(subscription: Thing): Thing & { price: Price } {
    const { data } = subscription.items as { data: (Thing & { price: Price })[] };
    return data[0] as Thing & { price: Price };
  }

  /** An invoice of a subscription, paid by its card. */
  invoice(
    subscription: Thing,
    of: {
      reason: string;
      lines: { price: Price; amount: number; proration?: boolean }[];
      isPaid?: boolean;
    },
  ): Thing {
    const item = this.itemOf(subscription);
    const total = of.lines.reduce((sum, line) => sum + line.amount, 0);
    const period = { start: item.current_period_start, end: item.current_period_end };
    const details = { subscription: subscription.id, metadata: subscription.metadata };
    const invoice = this.keep("invoice", "in", {
      billing_reason: of.reason,
      customer: subscription.customer,
      currency: item.price.currency,
      amount_paid: of.isPaid === false ? 0 : Math.max(total, 0),
      total,
      status: of.isPaid === false ? "open" : "paid",
      next_payment_attempt: of.isPaid === false ? this.seconds() + 86_400 : null,
      parent: { type: "subscription_details", subscription_details: details, quote_details: null },
      lines: {
        object: "list",
        has_more: false,
        data: of.lines.map((line) => this.#line(subscription, line, period)),
      },
    });
    if (of.isPaid === false) {
      this.emit("invoice.payment_failed", invoice);
      return invoice;
    }
    if (total > 0) this.#payInvoice(invoice, total);
    this.emit("invoice.paid", invoice);
    this.emit("invoice.payment_succeeded", invoice);
    return invoice;
  }

  #line(
    subscription: Thing,
    { price, amount, proration = false }: { price: Price; amount: number; proration?: boolean },
    period: Record<string, unknown>,
  ) {
    const details = { subscription: subscription.id, proration, subscription_item: "si_1" };
    return {
      id: this.id("il"),
      object: "line_item",
      amount,
      currency: price.currency,
      period,
      parent: { type: "subscription_item_details", subscription_item_details: details },
      pricing: { type: "price_details", price_details: { price: price.id, product: "prod_1" } },
    };
  }

  #payInvoice(invoice: Thing, total: number): void {
    const intent = this.keep("payment_intent", "pi", {
      amount: total,
      amount_received: 0,
      currency: invoice.currency,
      customer: invoice.customer,
      metadata: {},
      setup_future_usage: null,
      last_payment_error: null,
      status: "processing",
    });
    this.keep("invoice_payment", "inpay", {
      amount_paid: total,
      currency: invoice.currency,
      invoice: invoice.id,
      payment: { type: "payment_intent", payment_intent: intent.id },
      status: "paid",
    });
    this.#succeed(intent);
  }

  /** The next period begins. */
  renew(subscriptionId: string, isPaid = true): Thing {
    const subscription = this.get(subscriptionId);
    const item = this.itemOf(subscription);
    const end = Number(item.current_period_end);
    Object.assign(item, { current_period_start: end, current_period_end: end + month });
    subscription.status = isPaid ? "active" : "past_due";
    this.emit("customer.subscription.updated", subscription);
    const lines = [{ price: item.price, amount: item.price.unit_amount }];
    return this.invoice(subscription, { reason: "subscription_cycle", lines, isPaid });
  }
}
