import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Payment, PaymentStatus, Purpose } from "./payments.ts";
import type { RefundStatus } from "./refunds.ts";
import { findSliceFloor, type SlicedList } from "./slices.ts";

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

/** Which payments are meant; `from` (included) and `to` are when they were ordered. */
export type PaymentSearch = {
  accountId?: string | undefined;
  provider?: string | undefined;
  status?: PaymentStatus | undefined;
  purpose?: Purpose | undefined;
  /** A payment's id, our reference, its receipt's number, or the provider's name of it. */
  text?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Of what was charged, else of what is asked for; in minor units. */
  minAmount?: number | undefined;
  maxAmount?: number | undefined;
  currency?: string | undefined;
};

/** Payments of every account, for pages and exports. For admins. */
export function searchPayments(db: Db, search: PaymentSearch): SlicedList<FoundPayment> {
  const { accountId = null, provider = null, status = null, purpose = null } = search;
  const { text = null, from = null, to = null, currency = null } = search;
  const { minAmount = null, maxAmount = null } = search;
  return {
    read: ({ before = null, floor = null, limit }) =>
      ask(db<FoundPayment[]>`
        SELECT (s.payment).*, s.product_key, s.is_disputed, s.refunds
        FROM ducat.search_payments(${limit}, ${accountId}, ${provider}, ${status}, ${purpose},
          ${text}, ${before}, ${floor}, ${from}, ${to}, ${minAmount}, ${maxAmount}, ${currency})
          AS s`),
    positionOf: ({ id }) => id,
    // An account has few, and a name finds one.
    ...(accountId === null &&
      text === null && {
        findFloor: (before, rows) => findSliceFloor(db, "payments", { before, rows }),
      }),
  };
}

/** Whose payment this is; undefined when there is none. For administrators. */
export async function findPaymentAccount(db: Db, paymentId: string): Promise<string | undefined> {
  const [row] = await ask(db<{ id: string | null }[]>`
    SELECT ducat.find_payment_account(${paymentId}) AS id`);
  return row?.id ?? undefined;
}
