import { randomUUID } from "node:crypto";
import type { Payment } from "../src/payments.ts";

/** The provider's time `seconds` after a fixed moment: only the order of reports matters. */
export const at = (seconds: number) => new Date(Date.UTC(2026, 9, 1) + seconds * 1000);

/** How a provider names a paid payment. */
const nameOf = ({ provider, mode, provider_ref, currency }: Payment) => ({
  provider,
  mode,
  paymentRef: provider_ref ?? "",
  currency,
});

/** The word that `amount` of a payment was paid back in all, as of `seconds`. */
export function makeReversal(payment: Payment, amount: number, seconds: number) {
  const { currency, ...name } = nameOf(payment);
  const of = { amount: payment.charged ?? 0, currency };
  return { ...name, occurredAt: at(seconds), reversed: { amount, currency }, of };
}

export type DisputeStatus = "opened" | "won" | "lost";

/** A dispute of a payment, of all of it unless it is told otherwise, with its states. */
export function makeDispute(payment: Payment, amount = payment.charged ?? 0) {
  const { currency, ...name } = nameOf(payment);
  const disputeRef = `dp_${randomUUID()}`;
  return {
    reason: `dispute:${disputeRef}`,
    disputeRef,
    tell: (status: DisputeStatus, seconds: number) => ({
      ...name,
      kind: `dispute.${status}` as const,
      occurredAt: at(seconds),
      disputeRef,
      money: { amount, currency },
    }),
  };
}
