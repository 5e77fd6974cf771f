import type { Db } from "./connect.ts";
import type { Audit, RequestKey } from "./credits.ts";
import { ask } from "./errors.ts";

export type RefundStatus = "reserved" | "unknown" | "succeeded" | "failed";

/** A refund that we ask for; its id is the key that the provider hears. Money in minor units. */
export type Refund = {
  id: string;
  account_id: string;
  payment_id: string;
  status: RefundStatus;
  amount: number;
  currency: string;
  reason: string | null;
  error: string | null;
  created_at: Date;
  /** What the provider is asked with; the same at every repeat but for `reversed_before`. */
  payment: {
    provider: string;
    mode: "test" | "live";
    reference: string;
    /** The provider's name of the payment, else of its invoice. */
    ref: string;
    charged: number;
    receipt_ref: string | null;
    paid_at: Date;
    /** What our books had of earlier refunds when this one was reserved. */
    reversed_before: number;
  };
};

type RefundRow = Omit<Refund, "payment"> & Refund["payment"];

/**
 * Reserves a refund before the provider is asked; without an amount of all that is left. A repeat
 * by its key returns the refund as it is by now. Errors: idempotency_conflict, not_found,
 * invalid_state (reason: not_paid, refund_open, exceeds), validation_failed.
 */
export async function reserveRefund(
  db: Db,
  accountId: string,
  request: RequestKey & {
    paymentId: string;
    amount?: number | undefined;
    reason: string | null;
    audit: Audit;
  },
): Promise<{ refund: Refund; replayed: boolean }> {
  const rows = await ask(db<(RefundRow & { replayed: boolean })[]>`
    SELECT ${refundColumns(db)}, replayed
    FROM ducat.reserve_refund(${accountId}, ${request.paymentId}, ${request.amount ?? null},
      ${request.reason}, ${request.key}, ${request.fingerprint},
      ${JSON.stringify(request.audit)}::text::jsonb)`);
  const [row] = rows;
  if (!row) throw new Error("reserve_refund returned nothing");
  const { replayed, ...refund } = row;
  return { refund: toRefund(refund), replayed };
}

/**
 * Writes down how asking for a refund ended; the first final word stays. Returns its status then.
 * Unknown asks again later. Errors: not_found.
 */
export async function recordRefund(
  db: Db,
  refundId: string,
  result: { status: "succeeded" } | { status: "failed" | "unknown"; error: string },
): Promise<RefundStatus> {
  const error = result.status === "succeeded" ? null : result.error;
  const [row] = await ask(db<{ status: RefundStatus }[]>`
    SELECT (ducat.record_refund(${refundId}, ${result.status}, ${error})).status`);
  if (!row) throw new Error("record_refund returned nothing");
  return row.status;
}

/**
 * A person's word on a refund whose outcome no provider can tell: written as the provider's answer
 * would be, with the credits that follow, an audit line, and what was reported of it resolved. A
 * repeat returns the refund. Errors: not_found, invalid_state (reason: under_way, decided).
 */
export async function closeRefund(
  db: Db,
  accountId: string,
  word: {
    paymentId: string;
    refundId: string;
    outcome: "succeeded" | "failed";
    reason: string;
    audit: Audit;
  },
): Promise<Refund> {
  const { paymentId, refundId, outcome, reason, audit } = word;
  const [row] = await ask(db<RefundRow[]>`
    SELECT ${refundColumns(db)}
    FROM ducat.close_refund(${accountId}, ${paymentId}, ${refundId}, ${outcome}, ${reason},
      ${JSON.stringify(audit)}::text::jsonb)`);
  if (!row) throw new Error("close_refund returned nothing");
  return toRefund(row);
}

/** Takes refunds that nobody has finished, for two minutes; `limit` at most, 100 at the most. */
export async function findDueRefunds(db: Db, limit = 20): Promise<Refund[]> {
  const rows = await ask(db<RefundRow[]>`
    SELECT ${refundColumns(db)} FROM ducat.find_due_refunds(${limit})`);
  return rows.map(toRefund);
}

const refundColumns = (db: Db) => db`
  (refund).id, (refund).account_id, (refund).payment_id, (refund).status, (refund).amount,
  (payment).currency, (refund).reason, (refund).error, (refund).created_at,
  (payment).provider, (payment).mode, (payment).reference,
  coalesce((payment).provider_ref, (payment).invoice_ref) AS ref, (payment).charged,
  (payment).receipt_ref, coalesce((payment).paid_at, (payment).created_at) AS paid_at,
  (refund).reversed_before`;

function toRefund(row: RefundRow): Refund {
  const { provider, mode, reference, ref, charged, receipt_ref, paid_at, reversed_before } = row;
  const { id, account_id, payment_id, status, amount, currency, reason, error, created_at } = row;
  return {
    ...{ id, account_id, payment_id, status, amount, currency, reason, error, created_at },
    payment: { provider, mode, reference, ref, charged, receipt_ref, paid_at, reversed_before },
  };
}
