import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Payment, PaymentStatus, Purpose } from "./payments.ts";
import type { RefundStatus } from "./refunds.ts";

/** A refund as a person may see it; times are ISO 8601 as PostgreSQL writes them in JSON. */
export type ListedRefund = {
  id: string;
  status: RefundStatus;
  amount: number;
  reason: string | null;
  error: string | null;
  actor: string;
  created_at: string;
};

export type FoundPayment = Payment & {
  product_key: string | null;
  /** A dispute about it has not been decided yet. */
  is_disputed: boolean;
  refunds: ListedRefund[];
};

export type PaymentSearch = {
  accountId?: string | undefined;
  provider?: string | undefined;
  status?: PaymentStatus | undefined;
  purpose?: Purpose | undefined;
  /** One payment's id, our reference, or the provider's name of payment or invoice. */
  text?: string | undefined;
  /** Only those made before this one (an id: ids sort by creation). */
  beforeId?: string | undefined;
  limit: number;
};

/** Payments of every account, newest first, 101 at most. For administrators. */
export async function searchPayments(db: Db, search: PaymentSearch): Promise<FoundPayment[]> {
  const { accountId, provider, status, purpose, text, beforeId, limit } = search;
  return ask(db<FoundPayment[]>`
    SELECT (s.payment).*, s.product_key, s.is_disputed, s.refunds
    FROM ducat.search_payments(${limit}, ${accountId ?? null}, ${provider ?? null},
      ${status ?? null}, ${purpose ?? null}, ${text ?? null}, ${beforeId ?? null}) AS s`);
}

/** Whose payment this is; undefined when there is none. For administrators. */
export async function findPaymentAccount(db: Db, paymentId: string): Promise<string | undefined> {
  const [row] = await ask(db<{ id: string | null }[]>`
    SELECT ducat.find_payment_account(${paymentId}) AS id`);
  return row?.id ?? undefined;
}
