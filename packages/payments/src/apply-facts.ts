import type { InvoicePaid, ProviderFact } from "@ducat/billing/facts";
import type { PaymentProvider } from "@ducat/billing/provider";
import type { Db } from "@ducat/db/connect";
import type { Outcome } from "@ducat/db/outcome";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import { movePayment, settlePayment } from "@ducat/db/payments";
import { removeCustomer, removeMethod, saveMethod } from "@ducat/db/provider-customers";
import { applyDispute, applyReversal } from "@ducat/db/reversals";
import {
  applySubscription,
  drawTicket,
  recordInvoice,
  recordInvoiceFailure,
} from "@ducat/db/subscriptions";
import { isKnownEffect, reviveWebhookEvents } from "@ducat/db/webhook-events";
import { isFinal } from "./is-final.ts";
import { nameEffects } from "./name-fact.ts";

export type AppliedFact = { fact: ProviderFact; outcome: Outcome };

type FactKind<K extends ProviderFact["kind"]> = Extract<ProviderFact, { kind: K }>;
type Books = { db: Db; provider: PaymentProvider };

/**
 * Writes what a provider told us into the books, whichever way it was told: each fact in one
 * transaction, none twice. A fact that only says "touched" is replaced by what the provider then
 * answers. Every fact is tried; if some fail, throws afterwards the failure that may pass, else
 * the first one. Errors: provider_unavailable, unavailable, and refusals of provider or database.
 */
export async function applyFacts(
  deps: { db: Db },
  provider: PaymentProvider,
  facts: readonly ProviderFact[],
): Promise<AppliedFact[]> {
  const books = { db: deps.db, provider };
  const applied: AppliedFact[] = [];
  const failures: unknown[] = [];
  for (const fact of facts) {
    try {
      applied.push(...(await applyFact(books, fact)));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.find((error) => !isFinal(error)) ?? failures[0];
  return applied;
}

async function applyFact(books: Books, fact: ProviderFact): Promise<AppliedFact[]> {
  if (fact.kind === "reversal.touched") return applyTouchedReversal(books, fact);
  const outcome = await write(books, fact);
  if (outcome === "applied") await revive(books, fact);
  return [{ fact, outcome }];
}

async function write(books: Books, fact: ProviderFact): Promise<Outcome> {
  const { db } = books;
  switch (fact.kind) {
    case "payment.succeeded":
      return (await settlePayment(db, fact)).outcome;
    case "payment.pending":
    case "payment.expired":
    case "payment.failed":
      return (await movePayment(db, fact)).outcome;
    case "invoice.paid":
      return payInvoice(books, fact);
    case "invoice.failed":
      return failInvoice(books, fact);
    case "subscription.touched":
      return refreshSubscription(books, fact);
    case "reversal.total":
    case "dispute.opened":
    case "dispute.won":
    case "dispute.lost":
      return reverse(books, fact);
    default:
      return writeOther(books, fact);
  }
}

type OtherFact = FactKind<
  "method.saved" | "method.removed" | "customer.removed" | "anomaly" | "reversal.touched"
>;

async function writeOther({ db }: Books, fact: OtherFact): Promise<Outcome> {
  switch (fact.kind) {
    case "method.saved":
      return saveMethod(db, fact);
    case "method.removed":
      return removeMethod(db, fact);
    case "customer.removed":
      return removeCustomer(db, fact);
    case "anomaly":
      return recordAnomaly(db, fact);
    case "reversal.touched":
      return "known";
  }
}

/**
 * A paid invoice refills by the plan and the period that it pays. Where it doesn't name them, or
 * its subscription isn't in our books yet, the provider is asked first.
 */
async function payInvoice(books: Books, fact: InvoicePaid): Promise<Outcome> {
  const { db } = books;
  if (await isKnownEffect(db, fact.effectKey)) return "known";
  const isWhole = fact.planRef !== undefined && fact.periodStart && fact.periodEnd;
  if (isWhole) {
    const { outcome } = await recordInvoice(db, fact);
    if (outcome !== "unknown") return outcome;
  }
  await refreshSubscription(books, fact);
  return (await recordInvoice(db, fact)).outcome;
}

/** The customer hears of it once; what it means for the plan is the subscription's own state. */
async function failInvoice(books: Books, fact: FactKind<"invoice.failed">): Promise<Outcome> {
  const state = await refreshSubscription(books, fact);
  const { outcome } = await recordInvoiceFailure(books.db, fact);
  return state === "applied" && outcome === "known" ? "applied" : outcome;
}

type AboutSubscription = FactKind<"invoice.paid" | "invoice.failed" | "subscription.touched">;

/**
 * The provider's truth about a subscription. The ticket is drawn before we ask: of two answers the
 * one that was asked for later holds, whichever is written first.
 */
async function refreshSubscription(books: Books, fact: AboutSubscription): Promise<Outcome> {
  const { db, provider } = books;
  if (!provider.fetchSubscription) return "known";
  const ticket = await drawTicket(db);
  const shown = await provider.fetchSubscription(fact.subscriptionRef);
  // Lemon Squeezy tells our reference in its webhooks only, not when it is asked.
  const orderRef = shown.orderRef ?? fact.orderRef;
  const customerRef = shown.customerRef ?? fact.customerRef;
  const snapshot = {
    ...shown,
    ...(orderRef !== undefined && { orderRef }),
    ...(customerRef !== undefined && { customerRef }),
  };
  const about = { provider: provider.name, mode: provider.mode };
  const { outcome } = await applySubscription(db, { ...about, snapshot, ticket });
  return outcome === "stale" ? "known" : outcome;
}

type Reversal = FactKind<"reversal.total" | "dispute.opened" | "dispute.won" | "dispute.lost">;

/** A reversal that we can't place may belong to an invoice, which only the provider can name. */
async function reverse(books: Books, fact: Reversal): Promise<Outcome> {
  const outcome = await writeReversal(books.db, fact);
  if (outcome !== "unknown" || !books.provider.fetchReversals) return outcome;
  if (fact.kind === "reversal.total" && fact.invoiceRef !== undefined) return outcome;
  const facts = await books.provider.fetchReversals(fact.paymentRef);
  const named = facts.filter((one) => one.kind === "reversal.total" && one.invoiceRef);
  for (const one of named) await writeReversal(books.db, one as FactKind<"reversal.total">);
  return named.length > 0 ? writeReversal(books.db, fact) : outcome;
}

function writeReversal(db: Db, fact: Reversal): Promise<Outcome> {
  return fact.kind === "reversal.total" ? applyReversal(db, fact) : applyDispute(db, fact);
}

async function applyTouchedReversal(
  books: Books,
  fact: FactKind<"reversal.touched">,
): Promise<AppliedFact[]> {
  const facts = (await books.provider.fetchReversals?.(fact.paymentRef)) ?? [];
  if (facts.length === 0) return [{ fact, outcome: "known" }];
  const applied: AppliedFact[] = [];
  for (const one of facts) {
    if (one.kind !== "reversal.touched") applied.push(...(await applyFact(books, one)));
  }
  return applied;
}

/** An order that we can't place is no alarm where its credit is in the books by another way. */
function recordAnomaly(db: Db, fact: FactKind<"anomaly">): Promise<Outcome> {
  const { provider, mode, detail, about, effectKey } = fact;
  const data = { ...fact, occurredAt: fact.occurredAt.toISOString() };
  return reportAnomaly(db, { provider, mode, kind: detail, about, data, effectKey });
}

/** What was told about it before we knew it, and given up, finds its place now. */
async function revive({ db }: Books, fact: ProviderFact): Promise<void> {
  const about = nameEffects(fact);
  const { provider, mode } = fact;
  if (about.length > 0) await reviveWebhookEvents(db, { provider, mode, about });
}
