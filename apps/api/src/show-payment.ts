import type { PaymentDetails } from "@ducat/db/payment-details";
import type { Payment as PaymentRow } from "@ducat/db/payments";
import { isPayable } from "@ducat/payments/follow-pay-link";
import type { Payment, PaymentStatus } from "@ducat/types/payments";

type Shown = { publicUrl: string; now: number; details: PaymentDetails | undefined };

/** A payment as callers see it. */
export function showPayment(row: PaymentRow, { publicUrl, now, details }: Shown): Payment {
  const { currency, charged, period_start, period_end } = row;
  const money = (amount: number) => ({ amount, currency });
  return {
    id: row.id,
    status: showStatus(row, details?.is_disputed ?? false),
    purpose: row.purpose,
    provider: row.provider,
    product: details?.product ?? null,
    price_id: row.price_id,
    subscription_id: row.subscription_id,
    subject: row.subject,
    reference: row.reference,
    price: money(row.amount),
    charged: charged === null ? null : money(charged),
    reversed: money(row.reversed),
    credits: row.credits,
    credits_granted: row.credits_granted,
    credits_clawed: row.clawed,
    period: period_start && period_end ? showPeriod(period_start, period_end) : null,
    pay_url: isPayable(row, now) ? `${publicUrl}/pay/${row.reference}` : null,
    receipt_ref: row.receipt_ref,
    card: row.card_mask,
    failure_code: row.failure_code,
    metadata: row.metadata,
    paid_at: toMoment(row.paid_at),
    expires_at: toMoment(row.expires_at),
    created_at: row.created_at.toISOString(),
  };
}

/** What became of a payment that succeeded is in its amounts. */
export function showStatus(row: PaymentRow, isDisputed: boolean): PaymentStatus {
  const { status, reversed, charged } = row;
  if (status !== "succeeded") return status;
  if (isDisputed) return "disputed";
  if (reversed === 0) return "succeeded";
  return reversed >= (charged ?? 0) ? "reversed" : "partially_reversed";
}

export const showPeriod = (start: Date, end: Date) => ({
  start: start.toISOString(),
  end: end.toISOString(),
});

export const toMoment = (date: Date | null): string | null => date?.toISOString() ?? null;
