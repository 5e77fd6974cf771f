import { claw, type Model, type ModelGrant } from "./ledger-model.ts";
import type { DisputeStatus } from "./reversal-facts.ts";

/** A provider's word about a payment: what was paid back in all, or a dispute's state. */
export type Word =
  | { kind: "refund"; at: number; amount: number }
  | { kind: "dispute"; at: number; amount: number; which: number; status: DisputeStatus };

/** What a set of words comes to. It is a set: neither order nor repetition is in it. */
export function tallyOf(charged: number, words: readonly Word[]) {
  const refund = lastOf(words.filter((word) => word.kind === "refund"));
  const disputes = [0, 1].map((which) =>
    lastOf(words.filter((word) => word.kind === "dispute" && word.which === which)),
  );
  const sumOf = (status: DisputeStatus) =>
    disputes.reduce(
      (sum, word) => sum + (word?.kind === "dispute" && word.status === status ? word.amount : 0),
      0,
    );
  const refunded = refund?.amount ?? 0;
  const disputed = sumOf("lost");
  const isOpen = disputes.some((word) => word?.kind === "dispute" && word.status === "opened");
  return { refunded, disputed, reversed: Math.min(charged, refunded + disputed), isOpen };
}

const ranks: Record<DisputeStatus, number> = { opened: 0, lost: 1, won: 2 };

function lastOf(words: readonly Word[]): Word | undefined {
  const rank = (word: Word) => (word.kind === "dispute" ? ranks[word.status] : 0);
  return words.toSorted((a, b) => a.at - b.at || rank(a) - rank(b) || a.amount - b.amount).at(-1);
}

export type ModelPayment = { charged: number; grants: ModelGrant[]; words: Word[] };

/** The credits of a grant that its payment has lost. */
const targetOf = (payment: ModelPayment, grant: ModelGrant) =>
  Math.ceil((grant.amount * tallyOf(payment.charged, payment.words).reversed) / payment.charged);

/** Lets everything that a payment gave follow what has been told of it. */
export function follow(model: Model, payments: readonly ModelPayment[], payment: ModelPayment) {
  for (const grant of payment.grants) {
    const target = targetOf(payment, grant);
    if (target !== grant.reversed) claw(model, grant, target);
  }
  model.frozen = payments.some(({ charged, words }) => tallyOf(charged, words).isOpen);
}
