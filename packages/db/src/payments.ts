import type { Db } from "./connect.ts";
import type { RequestKey } from "./credits.ts";
import { ask } from "./errors.ts";
import type { Outcome } from "./outcome.ts";
import { withAccount } from "./with-account.ts";

export type ProviderName = "stripe" | "lemonsqueezy" | "zarinpal" | "sandbox";
export type Mode = "test" | "live";
/** An amount in the smallest unit that the currency is counted in. */
export type Money = { amount: number; currency: string };

export type Purpose = "pack" | "pass" | "subscription" | "renewal" | "reload" | "invoice";
export type PaymentStatus =
  | "created"
  | "pending"
  | "succeeded"
  | "failed"
  | "expired"
  | "quarantined";

export type Payment = {
  id: string;
  account_id: string;
  /** What the provider hears of it, and what a pay link names. */
  reference: string;
  purpose: Purpose;
  status: PaymentStatus;
  provider: ProviderName;
  mode: Mode;
  product_id: string | null;
  price_id: string | null;
  subscription_id: string | null;
  subject: string | null;
  /** What we ask for, in minor units, and what was charged with the provider's taxes. */
  amount: number;
  currency: string;
  charged: number | null;
  /** The credits that were promised, and those that were given. */
  credits: number;
  credits_granted: number;
  provider_ref: string | null;
  invoice_ref: string | null;
  customer_ref: string | null;
  receipt_ref: string | null;
  card_mask: string | null;
  effect_key: string | null;
  refunded: number;
  refunded_at: Date | null;
  disputed: number;
  reversed: number;
  clawed: number;
  period_start: Date | null;
  period_end: Date | null;
  failure_code: string | null;
  saves_method: boolean;
  return_url: string | null;
  metadata: Record<string, unknown>;
  checkout_url: string | null;
  paid_at: Date | null;
  expires_at: Date | null;
  created_at: Date;
  updated_at: Date;
};

export type NewPayment = {
  /** Left out: pack, pass or subscription, by the price's product. */
  purpose?: Exclude<Purpose, "invoice"> | undefined;
  priceId: string;
  provider: ProviderName;
  mode: Mode;
  subject?: string | undefined;
  returnUrl?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  requestKey?: RequestKey | undefined;
  savesMethod?: boolean | undefined;
  expiresInSeconds?: number | undefined;
  subscriptionId?: string | undefined;
};

/**
 * Writes an order down before anybody is asked to pay, once per request key; amount, currency and
 * credits are those of the price and its product now.
 * Errors: idempotency_conflict, not_found (account, price, subscription), account_frozen,
 * invalid_state (has_subscription), validation_failed (reason: purpose, subject, nothing_to_pay,
 * subscription).
 */
export async function openPayment(
  db: Db,
  accountId: string,
  order: NewPayment,
): Promise<Payment & { replayed: boolean }> {
  const [row] = await ask(db<(Payment & { replayed: boolean })[]>`
    SELECT (r.payment).*, r.replayed FROM ducat.request_payment(${accountId},
      ${order.purpose ?? null}, ${order.priceId}, ${order.provider}, ${order.mode},
      ${order.subject ?? null}, ${order.returnUrl ?? null},
      ${JSON.stringify(order.metadata ?? {})}::text::jsonb, ${order.requestKey?.key ?? null},
      ${order.requestKey?.fingerprint ?? null}, ${order.savesMethod ?? false},
      ${order.expiresInSeconds ?? null}, ${order.subscriptionId ?? null}) AS r`);
  if (!row) throw new Error("request_payment returned no row");
  return row;
}

/**
 * Takes the right to ask the provider for a payment's page; false while another caller has it.
 * Errors: not_found, account_frozen, invalid_state (it is paid or quarantined).
 */
export async function claimOpening(db: Db, paymentId: string, seconds: number): Promise<boolean> {
  const [row] = await ask(db<{ claimed: boolean }[]>`
    SELECT ducat.claim_opening(${paymentId}, ${seconds}) AS claimed`);
  return row?.claimed ?? false;
}

/** A page as the provider opened it. */
export type OpenedPage = {
  ref: string;
  url: string;
  sent: Money;
  expiresAt?: Date | undefined;
  customerRef?: string | undefined;
};

/**
 * Keeps the page that was opened for a payment, and the customer that was made for its account.
 * Errors: not_found, invalid_state (page_taken: it is another payment's).
 */
export async function recordCheckout(
  db: Db,
  paymentId: string,
  page: OpenedPage,
): Promise<Payment> {
  const [row] = await ask(db<Payment[]>`
    SELECT * FROM ducat.record_checkout(${paymentId}, ${page.ref}, ${page.url},
      ${page.sent.amount}, ${page.sent.currency}, ${page.expiresAt ?? null},
      ${page.customerRef ?? null})`);
  if (!row) throw new Error("record_checkout returned no row");
  return row;
}

/** A payment of the account; undefined when it has no such one. */
export async function findPayment(
  db: Db,
  accountId: string,
  id: string,
): Promise<Payment | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<Payment[]>`
      SELECT * FROM ducat.payments WHERE account_id = ${accountId} AND id = ${id}`,
  );
  return row;
}

/** An order's page, or the charge of a saved card, as a provider is asked about it. */
export type OrderRow = {
  /** The attempt's id; it sorts by creation. */
  id: string;
  kind: "checkout" | "charge";
  status: string;
  payment_id: string;
  account_id: string;
  /** The provider's name of it; null for a charge that the provider has not answered yet. */
  ref: string | null;
  reference: string;
  purpose: Purpose;
  /** Exactly what the provider was asked for. */
  sent: Money;
  created_at: Date;
  price_ref: string | null;
  email: string | null;
};

export type FoundOrder = { payment: Payment; attempt: OrderRow | undefined };

/**
 * An order by a page of it at a provider, or by its reference with the newest page (or charge).
 * Sees every account: for callbacks and pay links.
 */
export async function findOrder(
  db: Db,
  order: { provider: ProviderName; mode: Mode; ref: string } | { reference: string },
): Promise<FoundOrder | undefined> {
  const by = { provider: null, mode: null, ref: null, reference: null, ...order };
  const rows = await ask(db<(Payment & { attempt: TextOrderRow | null })[]>`
    SELECT (o.payment).*, o.attempt
    FROM ducat.find_order(${by.provider}, ${by.mode}, ${by.ref}, ${by.reference}) AS o`);
  const [row] = rows;
  if (!row) return undefined;
  const { attempt, ...payment } = row;
  return { payment, attempt: attempt ? toOrderRow(attempt) : undefined };
}

type TextOrderRow = Omit<OrderRow, "created_at"> & { created_at: string };

const toOrderRow = (row: TextOrderRow): OrderRow => ({
  ...row,
  created_at: new Date(row.created_at),
});

/**
 * Pages that may still be paid, oldest first, up to 1000; `afterId` is the last one's id. Sees
 * every account: for reconciliation.
 */
export async function listOpenOrders(
  db: Db,
  filter: {
    provider: ProviderName;
    mode: Mode;
    olderThanSeconds: number;
    limit: number;
    afterId?: string | undefined;
  },
): Promise<(OrderRow & { ref: string })[]> {
  const rows = await ask(db<{ row: TextOrderRow & { ref: string } }[]>`
    SELECT row FROM ducat.list_open_orders(${filter.provider}, ${filter.mode},
      ${filter.olderThanSeconds}, ${filter.limit}, ${filter.afterId ?? null}) AS row`);
  return rows.map(({ row }) => ({ ...toOrderRow(row), ref: row.ref }));
}

/**
 * Ends orders that nobody paid and whose provider has not said so; returns how many, `limit` at
 * most. For a worker's sweep.
 */
export async function expireOrders(db: Db, limit: number): Promise<number> {
  const [row] = await ask(db<{ ended: number }[]>`SELECT ducat.expire_orders(${limit}) AS ended`);
  return row?.ended ?? 0;
}

/**
 * Payments that succeeded since a moment, in the order of their success, up to 1000; `afterId` is
 * the last one's id. Sees every account: for reconciliation.
 */
export function listSucceeded(
  db: Db,
  filter: {
    provider: ProviderName;
    mode: Mode;
    since: Date;
    limit: number;
    afterId?: string | undefined;
  },
): Promise<Payment[]> {
  return ask(db<Payment[]>`
    SELECT * FROM ducat.list_succeeded(${filter.provider}, ${filter.mode}, ${filter.since},
      ${filter.limit}, ${filter.afterId ?? null})`);
}

type About = {
  provider: ProviderName;
  mode: Mode;
  /** The provider's name of the payment (or of its page), and ours where it knows it. */
  paymentRef: string;
  orderRef?: string | undefined;
};

/** A provider's word that an order was paid; see PaymentSucceeded of the adapters. */
export type SucceededFact = About & {
  effectKey: string;
  customerRef?: string | undefined;
  money: Money;
  price: Money;
  receiptRef?: string | undefined;
  cardMask?: string | undefined;
};

/** What a fact came to, and the payment that it is about: undefined where it is unknown. */
export type Settled = { outcome: Outcome; payment: Payment | undefined };

/**
 * Applies that an order was paid: credits and all else that it promised, once per effect key, in
 * any order and number of tellings. Where the charge is not what was asked for, or the order was
 * paid before, the outcome is refused and the payment the quarantined row that keeps the charge.
 */
export function settlePayment(db: Db, fact: SucceededFact): Promise<Settled> {
  return tell(db, "settle_payment", {
    ...about(fact),
    effect_key: fact.effectKey,
    customer_ref: fact.customerRef,
    receipt_ref: fact.receiptRef,
    card_mask: fact.cardMask,
    charged: fact.money,
    price: fact.price,
  });
}

/** A provider's word that an order waits, has expired or failed. */
export type MovedFact = About & {
  kind: "payment.pending" | "payment.expired" | "payment.failed";
  code?: string | undefined;
};

/** Applies what became of an order that was not paid. A payment that succeeded stays so. */
export function movePayment(db: Db, fact: MovedFact): Promise<Settled> {
  return tell(db, "move_payment", { ...about(fact), kind: fact.kind, code: fact.code });
}

const about = ({ provider, mode, paymentRef, orderRef }: About) => ({
  provider,
  mode,
  payment_ref: paymentRef,
  order_ref: orderRef,
});

async function tell(
  db: Db,
  name: "settle_payment" | "move_payment",
  fact: Record<string, unknown>,
): Promise<Settled> {
  const [row] = await ask(db<(Payment & { outcome: Outcome })[]>`
    SELECT (s.payment).*, s.outcome
    FROM ${db(`ducat.${name}`)}(${JSON.stringify(fact)}::text::jsonb) AS s`);
  if (!row) throw new Error(`${name} returned no row`);
  const { outcome, ...payment } = row;
  return { outcome, payment: outcome === "unknown" ? undefined : payment };
}
