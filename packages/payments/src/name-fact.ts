import type { ProviderFact } from "@ducat/billing/facts";

/** By which names of the provider's other facts may wait for what this one brings. */
export function nameEffects(fact: ProviderFact): string[] {
  switch (fact.kind) {
    case "payment.succeeded":
      return [fact.paymentRef];
    case "invoice.paid":
      return [fact.invoiceRef, fact.subscriptionRef, ...(fact.paymentRef ? [fact.paymentRef] : [])];
    case "subscription.touched":
      return [fact.subscriptionRef];
    default:
      return [];
  }
}

/** What a fact is about, by the provider's name; undefined where it is about no order. */
export function nameSubject(fact: ProviderFact): string | undefined {
  switch (fact.kind) {
    case "invoice.paid":
    case "invoice.failed":
    case "subscription.touched":
      return fact.subscriptionRef;
    case "reversal.total":
      return fact.invoiceRef ?? fact.paymentRef;
    case "method.saved":
    case "method.removed":
    case "customer.removed":
    case "anomaly":
      return undefined;
    default:
      return fact.paymentRef;
  }
}
