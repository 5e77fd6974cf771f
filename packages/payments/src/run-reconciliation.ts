import type { ProviderFact } from "@ducat/billing/facts";
import type { Money } from "@ducat/billing/money";
import type { PaymentProvider } from "@ducat/billing/provider";
import { findPaymentId, hasSavedMethod, isDealtWith } from "@ducat/db/provider-books";
import type { Difference, Reconciliation } from "@ducat/db/reconciliations";
import type { DomainError } from "@ducat/types/errors";
import { type AppliedFact, applyFacts } from "./apply-facts.ts";
import { describeDifference, type Finding, nameObject } from "./describe-difference.ts";
import { isAway, isFinal } from "./is-final.ts";
import type { PaymentDeps } from "./providers.ts";

/** So many facts in a row that can't be written, and the books are away rather than one odd. */
const mostFailures = 5;
/** A run that sees more has a wrong date; what it wrote stays, and the next one goes on. */
const mostFacts = 200_000;

/** A run under way: what it has seen, found and failed at. */
export type Run = {
  deps: PaymentDeps;
  provider: PaymentProvider;
  /** Aborted when the run is ours no more, or the process stops. */
  signal: AbortSignal;
  since: Date;
  startedAt: Date;
  facts: number;
  differences: Difference[];
  /** Credits that the provider's books told of by their effect keys, and the money where told. */
  seen: Map<string, Money | undefined>;
  /** Subscriptions and payments that the provider was asked about in this run. */
  asked: Set<string>;
  failures: unknown[];
  /** Writes what the provider told and notes what differed. Throws when that is of no use. */
  take(fact: ProviderFact): Promise<AppliedFact[]>;
  note(finding: Finding, of?: { reference?: string | undefined; refs?: string[] }): Promise<void>;
};

export function openRun(
  deps: PaymentDeps,
  provider: PaymentProvider,
  { since, started_at, signal }: Reconciliation & { signal: AbortSignal },
): Run {
  const side = { provider: provider.name, mode: provider.mode };
  const noted = new Set<string>();
  let inARow = 0;

  const note: Run["note"] = async (finding, { reference, refs = [] } = {}) => {
    const name = `${finding.kind}:${finding.about}`;
    if (noted.has(name)) return;
    noted.add(name);
    const names = [...refs, finding.about];
    const paymentId = await findPaymentId(deps.db, { ...side, reference, refs: names });
    const ours = paymentId === undefined ? {} : { payment_id: paymentId };
    run.differences.push({ ...finding, provider: provider.name, ...ours });
  };

  const take: Run["take"] = async (fact) => {
    signal.throwIfAborted();
    run.facts += 1;
    if (run.facts > mostFacts) throw new Error("too many facts for one run");
    remember(run.seen, fact);
    if (isRepeat(run.asked, fact)) return [];
    try {
      if (await isOldCard(run, fact)) return [];
      const applied = await applyFacts(deps, provider, [fact]);
      inARow = 0;
      for (const one of applied) {
        const finding = describeDifference(one);
        // What was kept aside is told again and again: until somebody has said what it is.
        const isOver = finding && one.outcome === "refused" && (await isOldNews(run, one.fact));
        if (finding && !isOver) await note(finding, namesOf(one.fact));
      }
      return applied;
    } catch (error) {
      if (isFinal(error)) {
        // Refused for good: nothing that a repeat would mend, so a person has to know of it.
        const kind = describeDifference({ fact, outcome: "applied" })?.kind;
        const detail = `${fact.kind}: ${(error as DomainError).code}`;
        if (kind) await note({ kind, about: nameObject(fact), repaired: false, detail });
        return [];
      }
      run.failures.push(error);
      inARow += 1;
      if (inARow >= mostFailures) throw error;
      if (!isAway(error)) deps.log.error({ err: error, fact: fact.kind }, "a fact was not written");
      return [];
    }
  };

  const run: Run = {
    deps,
    provider,
    signal,
    since,
    startedAt: started_at ?? new Date(deps.now()),
    facts: 0,
    differences: [],
    seen: new Map(),
    asked: new Set(),
    failures: [],
    take,
    note,
  };
  return run;
}

function remember(seen: Run["seen"], fact: ProviderFact): void {
  if (fact.kind === "payment.succeeded" || fact.kind === "invoice.paid") {
    seen.set(fact.effectKey, fact.money);
  }
  // An order that the provider has, and that it can't say whose it is.
  if (fact.kind === "anomaly" && !seen.has(fact.effectKey)) seen.set(fact.effectKey, undefined);
}

/** A thing is asked about once a run: what the answer was is newer than all that is told of it. */
function isRepeat(asked: Set<string>, fact: ProviderFact): boolean {
  let name = "";
  if (fact.kind === "subscription.touched") {
    asked.add(`subscription:${fact.subscriptionRef}`);
    // The first that names an order of ours may say whose it is.
    name = `subscription:${fact.subscriptionRef}:${fact.orderRef ?? ""}`;
  }
  if (fact.kind === "reversal.touched") name = `reversal:${fact.paymentRef}`;
  if (name === "") return false;
  const isKnown = asked.has(name);
  asked.add(name);
  return isKnown;
}

/**
 * A list of the past says which cards were saved, and not which is the one to charge: it only
 * helps where there is none, and not with a card that was removed since.
 */
async function isOldCard({ deps, asked }: Run, fact: ProviderFact): Promise<boolean> {
  if (fact.kind === "method.removed") asked.add(`method.saved:${fact.methodRef}`);
  if (fact.kind !== "method.saved") return false;
  const { provider, mode, customerRef } = fact;
  if (customerRef === undefined || asked.has(`method.saved:${fact.methodRef}`)) return true;
  return hasSavedMethod(deps.db, { provider, mode, customerRef });
}

const isOldNews = async ({ deps }: Run, fact: ProviderFact): Promise<boolean> =>
  fact.kind !== "anomaly" && isDealtWith(deps.db, fact.effectKey);

/** By which names our payment of a fact may be found. */
function namesOf(fact: ProviderFact): { reference: string | undefined; refs: string[] } {
  const refs = [fact.effectKey];
  if ("paymentRef" in fact && fact.paymentRef !== undefined) refs.push(fact.paymentRef);
  if ("invoiceRef" in fact && fact.invoiceRef !== undefined) refs.push(fact.invoiceRef);
  return { reference: fact.orderRef, refs };
}
