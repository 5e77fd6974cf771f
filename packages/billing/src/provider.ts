import type { ProviderFact } from "./facts.ts";
import type { Money } from "./money.ts";

export const providerNames = ["stripe", "lemonsqueezy", "zarinpal", "sandbox"] as const;
export type ProviderName = (typeof providerNames)[number];
export type Mode = "test" | "live";

/**
 * What a provider can do. Callers ask these, never a name. Where something is "none" or false the
 * optional method for it is absent, and the conformance suite holds each provider to that.
 */
export type Capabilities = {
  /** It tells us by signed webhooks: parseWebhook and parseStoredWebhook. */
  webhooks: boolean;
  /** The customer's return is the moment to call settle; without it no webhook ever comes. */
  returnIsAuthoritative: boolean;
  /** "none": renewals are orders of our own, made before a period ends. */
  subscriptions: "native" | "none";
  planChange: "immediate" | "none";
  /** Whether a subscription can also end at once; at the end of its period it always can. */
  cancelNow: boolean;
  /** "none": a payment link is sent instead. */
  offSession: "saved_method" | "none";
  portal: "session" | "signed_url" | "none";
  refunds: {
    api: "sync" | "async" | "none";
    partial: boolean;
    /** The smallest refund that is taken. */
    min?: Money;
    /** Where only a young payment can be paid back: until this long after it, in milliseconds. */
    windowMs?: number;
    /** A repeat with the same key and reversedBefore never pays back twice. */
    repeatable: boolean;
  };
  /** "as_refund": a dispute reaches us as a refund; it can't be told apart. */
  disputes: "events" | "as_refund" | "none";
  /** Our key makes a repeated request the same request. */
  outgoingIdempotency: boolean;
  /** Whether a redelivery carries the same id; where not, dedupe is built from the content. */
  eventId: "stable" | "untrusted" | "none";
  reconcile: "events_api" | "list_resources" | "unverified_list";
  merchantOfRecord: boolean;
  /** ISO 4217 codes that a checkout may ask for. */
  currencies: readonly string[];
  amountChosenBy: "us" | "catalogue_or_us";
  /**
   * What must have a priceRef of the provider's own: everything, plans, or nothing. Where nothing
   * has to, a plan goes by whatever name we give it.
   */
  priceRefs: "all" | "plans" | "none";
};

/** How long one call may take in all, in milliseconds; the adapter's own limit is the default. */
export type CallOptions = { timeoutMs?: number };

/** "pack" is anything that is paid once: packs, passes, and our own renewal orders. */
export type OrderKind = "pack" | "subscription";

export type CheckoutInput = {
  /** Our opaque reference, 1 to 64 of A-Z a-z 0-9 _ and -. A repeat with it is the same order. */
  orderRef: string;
  kind: OrderKind;
  price: Money;
  /** The provider's own price, variant or plan; without it the price is made on the spot. */
  priceRef?: string;
  /** What the customer reads on the payment page. */
  title: string;
  /** For a subscription that has no priceRef; a month by default. */
  interval?: "month" | "year";
  trialDays?: number;
  customer: { accountRef: string; ref?: string; email?: string; phone?: string };
  returnUrl: string;
  cancelUrl?: string;
  expiresAt?: Date;
  /** The ref of this order's page that has ended: what is asked for is another one. */
  after?: string;
  /** Keep the card for charges while the customer is away. The caller has their consent. */
  saveMethod?: boolean;
};

export type CheckoutCreated = {
  /** The provider's id of this checkout: settle takes it. */
  ref: string;
  url: string;
  /** Exactly what was asked for; keep it, ZarinPal verifies against it. */
  sent: Money;
  expiresAt?: Date;
  /** The customer that was made for the account; keep it for the next checkout. */
  customerRef?: string;
};

/** An order of ours that waits for its payment, as it was sent. */
export type OpenOrder = {
  /** CheckoutCreated.ref */
  ref: string;
  orderRef: string;
  kind: OrderKind;
  sent: Money;
  createdAt: Date;
  priceRef?: string;
  accountRef?: string;
  email?: string;
};

/** Header names in lower case, as node:http and fetch write them. */
export type HeaderMap = Readonly<Record<string, string | undefined>>;

/** One webhook, verified: what to store, by which key once, and what it says. */
export type Delivery = {
  /** The provider's id of the delivery or event, for people who search for it. */
  deliveryId: string;
  /** The same for every delivery of the same event: UNIQUE with provider and mode. */
  dedupe: string;
  type: string;
  mode: Mode;
  occurredAt: Date;
  /** Empty for a type that means nothing to us: keep it, answer 200, do nothing. */
  facts: ProviderFact[];
  raw: unknown;
};

export type SubscriptionStatus =
  | "incomplete"
  | "trialing"
  | "active"
  | "past_due"
  | "unpaid"
  | "paused"
  | "canceled";

/** A subscription as the provider had it at fetchedAt. Apply it only under a lock taken before. */
export type SubscriptionSnapshot = {
  ref: string;
  status: SubscriptionStatus;
  planRef?: string;
  customerRef?: string;
  orderRef?: string;
  /** When it ends although it is running: a cancellation that waits for its date. */
  cancelAt?: Date;
  trialEndsAt?: Date;
  periodStart?: Date;
  periodEnd?: Date;
  /** While paused: nothing is given, or the plan goes on without being paid. */
  pause?: "no_access" | "free";
  fetchedAt: Date;
};

export type OffSessionInput = {
  /** The id of our attempt. A new attempt has a new key; an unknown outcome keeps the old one. */
  key: string;
  orderRef: string;
  customerRef: string;
  methodRef: string;
  money: Money;
  title: string;
};

export type OffSessionResult =
  /** The effect key is that of the payment.succeeded which the provider tells by itself. */
  | { status: "succeeded"; paymentRef: string; effectKey: string }
  /** It will be told how it ended. */
  | { status: "processing"; paymentRef: string }
  /** 3-D Secure, declined, expired, no card: nothing was charged, send the customer a link. */
  | { status: "needs_customer"; code: string; paymentRef?: string }
  /** It may have been charged. Keep the key, ask findCharge, never start a new attempt. */
  | { status: "unknown" };

export type RefundInput = {
  paymentRef: string;
  /** Absent: all that is left. */
  money?: Money;
  /** What was paid, and what our books say was paid back before. */
  paid: Money;
  reversedBefore: Money;
  paidAt: Date;
  /** The bank's reference of the payment, where the fact carried one. */
  receiptRef?: string;
  orderRef?: string;
  reason?: string;
  /** The id of our refund. */
  key: string;
};

export type PlanChangeInput = {
  ref: string;
  planRef: string;
  /** The price of the new plan; only the sandbox, which has no catalog of its own, reads it. */
  price: Money;
  /**
   * What the change costs: "now" invoices the difference for the rest of the period at once,
   * "period_end" takes nothing before the next period, which is invoiced at the new price. Either
   * way the provider names the new plan from now on; whether it may be used is for the caller.
   */
  when: "now" | "period_end";
  key: string;
};

/**
 * A payment provider. Every method reports what is so and decides nothing; it touches no database.
 * Errors are DomainErrors: provider_unavailable where the outcome is unknown (time-out, 5xx, an
 * answer that is no answer; safe to ask again with the same key), invalid_state where the provider
 * refused for good, not_found, validation_failed for what this provider can't be asked.
 */
export type PaymentProvider = {
  readonly name: ProviderName;
  readonly mode: Mode;
  readonly caps: Capabilities;
  createCheckout(input: CheckoutInput, options?: CallOptions): Promise<CheckoutCreated>;
  /**
   * Bytes in, verified facts out; no network. Throws signature_invalid (extra.reason:
   * bad_signature, wrong_mode, wrong_api_version), malformed_body, payload_too_large.
   */
  parseWebhook?(raw: Uint8Array, headers: HeaderMap): Promise<Delivery>;
  /** The same for bytes that parseWebhook accepted when they came: a replay checks no signature. */
  parseStoredWebhook?(raw: Uint8Array): Promise<Delivery>;
  /**
   * Which checkout a customer came back from, where returnIsAuthoritative. Anyone can write this
   * address: it says which order to settle and nothing about money.
   */
  readReturn?(query: URLSearchParams): { ref: string } | undefined;
  /** What an order came to; the same facts as its webhooks, with the same effect keys. */
  settle?(order: OpenOrder, options?: CallOptions): Promise<ProviderFact[]>;
  /** The truth about a subscription; a webhook is only the reason to ask. */
  fetchSubscription?(ref: string, options?: CallOptions): Promise<SubscriptionSnapshot>;
  /** The truth about what was paid back or disputed of a payment; nothing where it can't tell. */
  fetchReversals?(paymentRef: string, options?: CallOptions): Promise<ProviderFact[]>;
  chargeOffSession?(input: OffSessionInput, options?: CallOptions): Promise<OffSessionResult>;
  /** The charge of an attempt since the date, by its key; undefined when there is none yet. */
  findCharge?(
    input: { key: string; customerRef: string; since: Date },
    options?: CallOptions,
  ): Promise<OffSessionResult | undefined>;
  /** A page where customers manage card and plan. Short-lived: make it on the click, never keep. */
  createPortalUrl?(
    input: { customerRef: string; subscriptionRef?: string; returnUrl: string },
    options?: CallOptions,
  ): Promise<{ url: string; expiresAt?: Date }>;
  changePlan?(input: PlanChangeInput, options?: CallOptions): Promise<SubscriptionSnapshot>;
  cancelSubscription?(
    input: { ref: string; when: "period_end" | "now" },
    options?: CallOptions,
  ): Promise<SubscriptionSnapshot>;
  /** Take a cancellation back that waits for the end of the period. */
  resumeSubscription?(ref: string, options?: CallOptions): Promise<SubscriptionSnapshot>;
  refund?(input: RefundInput, options?: CallOptions): Promise<ProviderFact[]>;
  /**
   * All that happened since the date, told again with the same effect keys, and what became of
   * the open orders. On a clean book each of these facts is known already.
   */
  reconcile(
    input: { since: Date; open: readonly OpenOrder[] },
    options?: CallOptions,
  ): AsyncIterable<ProviderFact>;
};
