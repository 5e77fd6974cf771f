import type { Money } from "./money.ts";
import type { Mode, ProviderName } from "./provider.ts";

type About = {
  provider: ProviderName;
  mode: Mode;
  /**
   * Names the effect. For payment.succeeded and invoice.paid it is what makes the credit happen
   * once, however often and by whichever way the payment is told.
   */
  effectKey: string;
  /** When the provider's books said so. */
  occurredAt: Date;
  customerRef?: string;
  /** Our own reference, proven to be ours; absent where the provider can't tell. */
  orderRef?: string;
};

export type PaymentSucceeded = About & {
  kind: "payment.succeeded";
  paymentRef: string;
  purpose: "pack" | "reload";
  /** All that was charged, with the provider's taxes: a reversal is a part of this. */
  money: Money;
  /** What we asked for; the adapter has compared it with the charge, compare it with the order. */
  price: Money;
  /** The bank's reference and the masked card, where the provider tells them. */
  receiptRef?: string;
  cardMask?: string;
};

export type InvoicePaid = About & {
  kind: "invoice.paid";
  invoiceRef: string;
  subscriptionRef: string;
  money: Money;
  reason: "initial" | "renewal" | "update" | "other";
  /** The first invoice of a trial: nothing was charged, and nothing but the trial begins. */
  trial: boolean;
  /** Absent where the invoice doesn't say: fetch the subscription. */
  planRef?: string;
  periodStart?: Date;
  periodEnd?: Date;
  /** The payment that refunds of this invoice will name, where the invoice names it. */
  paymentRef?: string;
};

/**
 * The refunds of a payment in all, as of occurredAt. Of two, the later one holds, and of two at
 * the same moment the larger one; the effect key names the tally and not one change of it.
 */
export type ReversalTotal = About & {
  kind: "reversal.total";
  paymentRef: string;
  invoiceRef?: string;
  reversed: Money;
  of: Money;
};

export type AnomalyDetail =
  | "amount_mismatch"
  | "currency_mismatch"
  | "store_mismatch"
  | "variant_mismatch"
  | "unknown_order"
  | "foreign_session"
  | "fraud_warning"
  | "unreadable";

/**
 * What a provider told us, verified. Facts may come in any order and any number of times. A fact
 * that says "touched" is a reason to fetch, under a lock, and says nothing else.
 */
export type ProviderFact =
  | PaymentSucceeded
  | (About & { kind: "payment.pending" | "payment.expired"; paymentRef: string })
  | (About & {
      kind: "payment.failed";
      paymentRef: string;
      code: string;
      retry: "never" | "later" | "needs_customer";
    })
  | InvoicePaid
  | (About & {
      kind: "invoice.failed";
      invoiceRef: string;
      subscriptionRef: string;
      nextAttempt?: Date;
    })
  | ReversalTotal
  | (About & { kind: "reversal.touched"; paymentRef: string })
  | (About & {
      kind: "dispute.opened" | "dispute.won" | "dispute.lost";
      paymentRef: string;
      disputeRef: string;
      money: Money;
    })
  | (About & { kind: "subscription.touched"; subscriptionRef: string })
  | (About & { kind: "method.saved" | "method.removed"; methodRef: string })
  | (About & { kind: "customer.removed" })
  /**
   * Money or a message that can't be trusted or placed: keep it, raise an alarm, credit nothing.
   * unknown_order has the key that its credit would have: where the ledger has it, all is well.
   */
  | (About & { kind: "anomaly"; detail: AnomalyDetail; about: string });
