import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Outcome } from "./outcome.ts";
import type { Mode, Money, Payment, ProviderName } from "./payments.ts";
import { withAccount } from "./with-account.ts";

export type SubscriptionStatus =
  | "incomplete"
  | "trialing"
  | "active"
  | "past_due"
  | "unpaid"
  | "paused"
  | "canceled";

export type Interval = "month" | "year";

export type Subscription = {
  id: string;
  account_id: string;
  product_id: string;
  price_id: string | null;
  /** What the provider calls the plan. */
  plan_ref: string | null;
  /** `manual`: an administrator gave it, and nobody pays for it. */
  provider: ProviderName | "manual";
  mode: Mode;
  /** Null: ours, renewed by orders of our own. */
  provider_ref: string | null;
  customer_ref: string | null;
  status: SubscriptionStatus;
  pause: "no_access" | "free" | null;
  interval: Interval;
  started_at: Date;
  period_start: Date | null;
  period_end: Date | null;
  trial_ends_at: Date | null;
  /** When it ends although it runs. */
  cancel_at: Date | null;
  /** Since when it is past due: access goes on for the product's grace_days. */
  past_due_at: Date | null;
  ended_at: Date | null;
  /** The plan from the next period on. */
  next_product_id: string | null;
  next_price_id: string | null;
  refilled_product_id: string | null;
  refill_payment_id: string | null;
  refill_index: number;
  /** When the next month of a paid year is given. */
  next_refill_at: Date | null;
  created_at: Date;
  updated_at: Date;
};

/** A subscription as its provider showed it, told by the adapter. */
export type Snapshot = {
  ref: string;
  status: SubscriptionStatus;
  planRef?: string | undefined;
  customerRef?: string | undefined;
  orderRef?: string | undefined;
  cancelAt?: Date | undefined;
  trialEndsAt?: Date | undefined;
  periodStart?: Date | undefined;
  periodEnd?: Date | undefined;
  pause?: "no_access" | "free" | undefined;
  fetchedAt: Date;
};

type About = {
  provider: ProviderName;
  mode: Mode;
  effectKey: string;
  occurredAt: Date;
  customerRef?: string | undefined;
  orderRef?: string | undefined;
  invoiceRef: string;
  subscriptionRef: string;
};

/** A paid invoice, told by the adapter. */
export type PaidInvoice = About & {
  money: Money;
  reason: "initial" | "renewal" | "update" | "other";
  /** The first invoice of a trial: nothing was charged. */
  trial: boolean;
  planRef?: string | undefined;
  periodStart?: Date | undefined;
  periodEnd?: Date | undefined;
  paymentRef?: string | undefined;
};

export type FailedInvoice = About & { nextAttempt?: Date | undefined };

/** The number that says which of two fetches began later: draw it before asking the provider. */
export async function drawTicket(db: Db): Promise<number> {
  const [row] = await ask(db<{ ticket: number }[]>`SELECT ducat.draw_ticket() AS ticket`);
  if (!row) throw new Error("draw_ticket returned no row");
  return row.ticket;
}

/**
 * Applies what a provider showed of a subscription. `stale`: one that was asked for later has been
 * applied already, and nothing changes. `unknown`: nobody's, as far as we know: its order is not in
 * our books and its customer is none of ours. `refused`: its plan is none of ours; an anomaly tells
 * of it. Gives no credits.
 */
export async function applySubscription(
  db: Db,
  shown: { provider: ProviderName; mode: Mode; snapshot: Snapshot; ticket: number },
): Promise<{ outcome: Outcome | "stale"; subscription?: Subscription }> {
  const { snapshot } = shown;
  const told = JSON.stringify({
    ref: snapshot.ref,
    status: snapshot.status,
    plan_ref: snapshot.planRef,
    customer_ref: snapshot.customerRef,
    order_ref: snapshot.orderRef,
    cancel_at: snapshot.cancelAt,
    trial_ends_at: snapshot.trialEndsAt,
    period_start: snapshot.periodStart,
    period_end: snapshot.periodEnd,
    pause: snapshot.pause,
    fetched_at: snapshot.fetchedAt,
  });
  const [row] = await ask(db<({ outcome: Outcome | "stale" } & Subscription)[]>`
    SELECT r.outcome, (r.subscription).* FROM ducat.apply_subscription(${shown.provider},
      ${shown.mode}, ${shown.ticket}, ${told}::text::jsonb) AS r`);
  if (!row) throw new Error("apply_subscription returned no row");
  const { outcome, ...subscription } = row;
  return subscription.id === null ? { outcome } : { outcome, subscription };
}

type Recorded = { outcome: Outcome; payment?: Payment };

/**
 * Writes a paid invoice down as a payment and gives what it stands for, once. `unknown`: its
 * subscription or period is not in our books: apply a snapshot, then ask again; so also where the
 * invoice names no plan or no period. `refused`: another currency, no amount, a plan that we don't
 * sell, a period that is paid already, or nothing paid for a plan that costs something.
 */
export async function recordInvoice(db: Db, fact: PaidInvoice): Promise<Recorded> {
  const told = JSON.stringify({
    ...describe(fact),
    amount: fact.money.amount,
    currency: fact.money.currency,
    reason: fact.reason,
    trial: fact.trial,
    plan_ref: fact.planRef,
    period_start: fact.periodStart,
    period_end: fact.periodEnd,
    payment_ref: fact.paymentRef,
  });
  const [row] = await ask(db<({ outcome: Outcome } & Payment)[]>`
    SELECT r.outcome, (r.payment).* FROM ducat.record_invoice(${told}::text::jsonb) AS r`);
  return readRecorded(row);
}

/**
 * Tells the customer, once per invoice, that it could not be charged, and keeps it as a failed
 * payment until it is paid. `unknown`: apply a snapshot of its subscription, then ask again.
 */
export async function recordInvoiceFailure(db: Db, fact: FailedInvoice): Promise<Recorded> {
  const told = JSON.stringify({ ...describe(fact), next_attempt_at: fact.nextAttempt });
  const [row] = await ask(db<({ outcome: Outcome } & Payment)[]>`
    SELECT r.outcome, (r.payment).* FROM ducat.record_invoice_failure(${told}::text::jsonb) AS r`);
  return readRecorded(row);
}

function describe(fact: About) {
  return {
    provider: fact.provider,
    mode: fact.mode,
    effect_key: fact.effectKey,
    occurred_at: fact.occurredAt,
    customer_ref: fact.customerRef,
    order_ref: fact.orderRef,
    invoice_ref: fact.invoiceRef,
    subscription_ref: fact.subscriptionRef,
  };
}

function readRecorded(row: ({ outcome: Outcome } & Payment) | undefined): Recorded {
  if (!row) throw new Error("an invoice's function returned no row");
  const { outcome, ...payment } = row;
  return payment.id === null ? { outcome } : { outcome, payment };
}

type Named = { key: string; name: Record<string, string> };

/** A subscription with what is sold by it. */
export type CurrentSubscription = Subscription & {
  product: Named & { grace_days: number };
  price: (Money & { interval: Interval }) | null;
  next_product: Named | null;
};

/**
 * The account's subscription: the one that runs, else the last one that did. Undefined when it
 * never had one; one whose first payment is still missing counts only while there is no other.
 */
export async function findSubscription(
  db: Db,
  accountId: string,
): Promise<CurrentSubscription | undefined> {
  const rows = await withAccount(
    db,
    accountId,
    (sql) => sql<CurrentSubscription[]>`
      SELECT s.*,
        jsonb_build_object('key', d.key, 'name', d.name, 'grace_days', d.grace_days) AS product,
        CASE WHEN r.id IS NOT NULL THEN jsonb_build_object('amount', r.amount,
          'currency', r.currency, 'interval', r.interval) END AS price,
        CASE WHEN n.id IS NOT NULL THEN jsonb_build_object('key', n.key, 'name', n.name) END
          AS next_product
      FROM ducat.subscriptions s
      JOIN ducat.products d ON d.id = s.product_id
      LEFT JOIN ducat.prices r ON r.id = s.price_id
      LEFT JOIN ducat.products n ON n.id = s.next_product_id
      WHERE s.account_id = ${accountId}
      ORDER BY CASE s.status WHEN 'canceled' THEN 1 WHEN 'incomplete' THEN 2 ELSE 0 END, s.id DESC
      LIMIT 1`,
  );
  return rows[0];
}

/**
 * Changes the plan from the next period on; the plan that runs takes a planned change back. What a
 * provider then shows of a subscription of its own goes before this.
 * Errors: not_found (no running subscription, or the price is not sold to this account),
 * invalid_state (reason: currency).
 */
export async function scheduleChange(
  db: Db,
  accountId: string,
  change: { priceId: string },
): Promise<Subscription> {
  const [row] = await ask(db<Subscription[]>`
    SELECT * FROM ducat.schedule_change(${accountId}, ${change.priceId})`);
  if (!row) throw new Error("schedule_change returned no row");
  return row;
}
