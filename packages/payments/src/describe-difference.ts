import type { ProviderFact } from "@ducat/billing/facts";
import type { Difference } from "@ducat/db/reconciliations";
import type { AppliedFact } from "./apply-facts.ts";

type Kind = Difference["kind"];
/** A difference before its payment of ours was looked up. */
export type Finding = Omit<Difference, "payment_id" | "provider">;

/** What it means that a fact of reconciliation was news; undefined where it means nothing. */
const kinds: Record<ProviderFact["kind"], Kind | undefined> = {
  "payment.succeeded": "missing_payment",
  "invoice.paid": "missing_invoice",
  "invoice.failed": "subscription_differs",
  "subscription.touched": "subscription_differs",
  "reversal.total": "missing_reversal",
  "reversal.touched": "missing_reversal",
  "dispute.opened": "dispute_differs",
  "dispute.won": "dispute_differs",
  "dispute.lost": "dispute_differs",
  "method.saved": "method_differs",
  "method.removed": "method_differs",
  "customer.removed": "method_differs",
  anomaly: "unknown_order",
  // An open order that moves on is what a run is for, and nobody's books were wrong.
  "payment.pending": undefined,
  "payment.expired": undefined,
  "payment.failed": undefined,
};

/**
 * The difference that a fact showed when it was written: repaired where the books took it now,
 * not repaired where they couldn't; undefined where they had it already.
 */
export function describeDifference({ fact, outcome }: AppliedFact): Finding | undefined {
  const kind = chooseKind(fact, outcome);
  if (kind === undefined || outcome === "known") return undefined;
  const repaired = outcome === "applied" && fact.kind !== "anomaly";
  return { kind, about: nameObject(fact), repaired, detail: describe(fact, outcome) };
}

function chooseKind(fact: ProviderFact, outcome: AppliedFact["outcome"]): Kind | undefined {
  if (fact.kind === "anomaly") {
    // A suspicion is for a person to look at, and no difference of the books.
    if (fact.detail === "fraud_warning") return undefined;
    const isMoney = fact.detail === "amount_mismatch" || fact.detail === "currency_mismatch";
    return isMoney ? "amount_differs" : "unknown_order";
  }
  if (fact.kind === "payment.succeeded" && outcome === "refused") return "amount_differs";
  if (outcome !== "unknown") return kinds[fact.kind];
  if (fact.kind === "payment.succeeded") return "unknown_order";
  // What else goes through the same account of the provider has nothing to do with us; what
  // names an order of ours, or was paid for a subscription, has.
  const isOurs = fact.orderRef !== undefined || fact.kind === "invoice.paid";
  return isOurs ? kinds[fact.kind] : undefined;
}

/** What the provider calls the thing. */
export function nameObject(fact: ProviderFact): string {
  switch (fact.kind) {
    case "invoice.paid":
    case "invoice.failed":
      return fact.invoiceRef;
    case "subscription.touched":
      return fact.subscriptionRef;
    case "dispute.opened":
    case "dispute.won":
    case "dispute.lost":
      return fact.disputeRef;
    case "method.saved":
    case "method.removed":
      return fact.methodRef;
    case "customer.removed":
      return fact.customerRef ?? fact.effectKey;
    case "anomaly":
      return fact.about;
    default:
      return fact.paymentRef;
  }
}

function describe(fact: ProviderFact, outcome: AppliedFact["outcome"]): string {
  if (fact.kind === "anomaly") return fact.detail;
  if (outcome === "applied") return `${fact.kind} was not in our books`;
  if (outcome === "refused") return `${fact.kind} was refused by our books`;
  return `${fact.kind} belongs to nothing in our books`;
}
