import type { ProviderFact } from "@ducat/billing/facts";
import type { Money } from "@ducat/billing/money";
import { listSucceeded, type Payment } from "@ducat/db/payments";
import { listUnaskedSubscriptions } from "@ducat/db/provider-books";
import { isFinal } from "./is-final.ts";
import type { Run } from "./run-reconciliation.ts";

const dayMs = 24 * 3_600_000;
const pageSize = 1_000;
/** The most payments of ours that a run looks at, and that it asks the provider about. */
const mostPayments = 10_000;
const mostAsked = 250;

/** A run over a month looks at every subscription, the others at those not asked for a day. */
const isDeep = ({ since, startedAt }: Run) => startedAt.getTime() - since.getTime() >= 28 * dayMs;

/** Asks about our running subscriptions that the provider told nothing of. */
export async function compareSubscriptions(run: Run): Promise<void> {
  const { deps, provider } = run;
  if (!provider.fetchSubscription) return;
  const side = { provider: provider.name, mode: provider.mode };
  const which = isDeep(run)
    ? { seconds: 0, limit: pageSize }
    : { seconds: dayMs / 1000, limit: mostAsked };
  for (const ref of await listUnaskedSubscriptions(deps.db, { ...side, ...which })) {
    if (run.asked.has(`subscription:${ref}`)) continue;
    await run.take({
      ...side,
      kind: "subscription.touched",
      effectKey: `asked:${ref}`,
      occurredAt: new Date(deps.now()),
      subscriptionRef: ref,
    });
  }
}

/**
 * Looks for each of our payments of this time at the provider: it must be there, over the same
 * money. Those that the provider has not told of by itself are asked about one by one.
 */
export async function comparePayments(run: Run): Promise<void> {
  const { deps, provider, since } = run;
  const filter = { provider: provider.name, mode: provider.mode, since, limit: pageSize };
  let last: Payment | undefined;
  let asked = 0;
  for (let count = 0; count < mostPayments; count += pageSize) {
    const page = await listSucceeded(deps.db, { ...filter, ...(last && { afterId: last.id }) });
    for (const payment of page) {
      // What cost nothing has no payment at the provider.
      if (!payment.charged) continue;
      let money = run.seen.get(payment.effect_key ?? "");
      if (money === undefined) {
        if (asked >= mostAsked) continue;
        asked += 1;
        money = await askFor(run, payment);
      }
      if (money) await compareMoney(run, payment, money);
    }
    last = page.at(-1);
    if (page.length < pageSize) return;
  }
}

async function compareMoney(run: Run, payment: Payment, money: Money): Promise<void> {
  const { charged, currency } = payment;
  if (money.amount === charged && money.currency === currency) return;
  const detail = `${charged} ${currency} here, ${money.amount} ${money.currency} there`;
  const about = nameOf(payment);
  await run.note(
    { kind: "amount_differs", about, repaired: false, detail },
    { refs: refsOf(payment) },
  );
}

/** What the provider says was paid; undefined when it was noted that it says nothing. */
async function askFor(run: Run, payment: Payment): Promise<Money | undefined> {
  run.signal.throwIfAborted();
  try {
    for (const fact of await fetchFacts(run, payment)) {
      await run.take(fact);
      if (fact.kind === "payment.succeeded") return fact.money;
      if (fact.kind === "reversal.total") return fact.of;
    }
  } catch (error) {
    if (!isFinal(error)) throw error;
  }
  const detail = "the provider knows of no such payment";
  const about = nameOf(payment);
  await run.note(
    { kind: "not_at_provider", about, repaired: false, detail },
    { refs: refsOf(payment) },
  );
  return undefined;
}

/** Where the return proves a payment, settling proves it again; else its reversals name it. */
async function fetchFacts({ provider, deps }: Run, payment: Payment): Promise<ProviderFact[]> {
  const ref = payment.provider_ref ?? payment.invoice_ref;
  if (ref === null) return [];
  const facts = (await provider.fetchReversals?.(ref)) ?? [];
  if (facts.length > 0 || !provider.caps.returnIsAuthoritative) return facts;
  const sent = { amount: payment.amount, currency: payment.currency };
  const order = { ref, orderRef: payment.reference, kind: "pack" as const, sent };
  const settled = await provider.settle?.({ ...order, createdAt: new Date(deps.now()) });
  return (settled ?? []).filter(({ kind }) => kind === "payment.succeeded");
}

const nameOf = (payment: Payment) =>
  payment.provider_ref ?? payment.invoice_ref ?? payment.reference;
const refsOf = ({ effect_key }: Payment) => (effect_key === null ? [] : [effect_key]);
