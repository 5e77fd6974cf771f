import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Outcome } from "./outcome.ts";

type Money = { amount: number; currency: string };

/** Which payment a report is about, and when the provider's books said so. */
type Report = {
  provider: string;
  mode: "test" | "live";
  paymentRef: string;
  occurredAt: Date;
};

/**
 * Writes down what was paid back of a payment in all, and takes or gives back its credits by it.
 * The later report holds, whatever comes last. Errors: validation_failed (no amount).
 */
export async function applyReversal(
  db: Db,
  fact: Report & { invoiceRef?: string; reversed: Money },
): Promise<Outcome> {
  const { provider, mode, paymentRef, invoiceRef, reversed, occurredAt } = fact;
  const [row] = await ask(db<{ outcome: Outcome }[]>`
    SELECT ducat.apply_reversal(${provider}, ${mode}, ${paymentRef}, ${invoiceRef ?? null},
      ${reversed.amount}, ${reversed.currency}, ${occurredAt}) AS outcome`);
  if (!row) throw new Error("apply_reversal returned nothing");
  return row.outcome;
}

/**
 * Writes down what became of a dispute: open, it freezes the account; lost, its money counts as
 * paid back; won, all comes back. Errors: validation_failed (no amount).
 */
export async function applyDispute(
  db: Db,
  fact: Report & {
    kind: "dispute.opened" | "dispute.won" | "dispute.lost";
    disputeRef: string;
    money: Money;
  },
): Promise<Outcome> {
  const { provider, mode, paymentRef, disputeRef, kind, money, occurredAt } = fact;
  const status = kind.slice("dispute.".length);
  const [row] = await ask(db<{ outcome: Outcome }[]>`
    SELECT ducat.apply_dispute(${provider}, ${mode}, ${paymentRef}, ${disputeRef}, ${status},
      ${money.amount}, ${money.currency}, ${occurredAt}) AS outcome`);
  if (!row) throw new Error("apply_dispute returned nothing");
  return row.outcome;
}
