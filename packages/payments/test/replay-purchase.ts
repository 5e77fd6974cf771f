import type { ProviderFact } from "@ducat/billing/facts";
import type { PaymentProvider, SubscriptionSnapshot } from "@ducat/billing/provider";
import { advanceClock } from "@ducat/db/credits";
import { openPayment, recordCheckout } from "@ducat/db/payments";
import { makeAccount } from "../../db/test/factories.ts";
import { applyFacts } from "../src/apply-facts.ts";
import type { Purchase, Told } from "./recorded-purchase.ts";
import type { Place } from "./shop.ts";

const names = [
  "effectKey",
  "paymentRef",
  "invoiceRef",
  "subscriptionRef",
  "disputeRef",
  "customerRef",
  "ref",
] as const;

/** The same of another customer: every name of the provider's gets an ending. */
function rename<T extends object>(told: T, ending: string, reference: string): T {
  const copy = { ...told } as Record<string, unknown>;
  for (const name of names) {
    if (typeof copy[name] === "string") copy[name] = `${copy[name]}${ending}`;
  }
  if (copy.orderRef !== undefined) copy.orderRef = reference;
  return copy as T;
}

/** The provider of a recorded purchase, for one copy of it, as it is once `seen` has happened. */
function copyProvider(
  { provider, askReversals }: Purchase,
  { ending, reference, seen }: { ending: string; reference: string; seen(): Told | undefined },
): PaymentProvider {
  const strip = (ref: string) => ref.slice(0, -ending.length);
  const { fetchSubscription, fetchReversals } = provider;
  return {
    ...provider,
    ...(fetchSubscription && {
      fetchSubscription: async () => {
        const snapshot = seen()?.snapshot as SubscriptionSnapshot;
        return rename(snapshot, ending, reference);
      },
    }),
    ...(fetchReversals && {
      fetchReversals: async (ref: string) => {
        const facts = await askReversals(strip(ref));
        return facts.map((fact) => rename(fact, ending, reference));
      },
    }),
  };
}

export type Replay = { accountId: string; ending: string };

/**
 * Tells a copy of a purchase to the books of a new account, in the order given: positions of what
 * happened. What can't be placed is told again, as a worker would, until nothing changes.
 */
export async function replayPurchase(
  db: Place,
  purchase: Purchase,
  { order, priceId, number }: { order: readonly number[]; priceId: string; number: number },
): Promise<Replay> {
  const { provider, told, endedAt } = purchase;
  const { id: accountId } = await makeAccount(db.app);
  const { name, mode } = provider;
  const payment = await openPayment(db.app, accountId, { priceId, provider: name, mode });
  const ending = `~${number}`;
  const { amount, currency, reference } = payment;
  const page = { ref: reference, url: "https://pay.example.com", sent: { amount, currency } };
  await recordCheckout(db.app, payment.id, page);
  await advanceClock(db.app, accountId, Math.ceil((endedAt - Date.now()) / 1_000));
  const copy = { ending, reference };
  let last = 0;
  const own = copyProvider(purchase, { ...copy, seen: () => told[last] });
  const waiting: ProviderFact[] = [];
  const tell = async (fact: ProviderFact) => {
    const applied = await applyFacts({ db: db.worker }, own, [fact]);
    return applied.every(({ outcome }) => outcome !== "unknown");
  };
  for (const position of order) {
    // A provider shows at least what it has told of.
    last = Math.max(last, position);
    const fact = rename(told[position]?.fact as ProviderFact, copy.ending, copy.reference);
    if (!(await tell(fact))) waiting.push(fact);
  }
  for (let before = -1; waiting.length > 0 && waiting.length !== before; ) {
    before = waiting.length;
    for (const fact of waiting.splice(0)) if (!(await tell(fact))) waiting.push(fact);
  }
  if (waiting.length > 0) throw new Error(`never placed: ${waiting.map(({ kind }) => kind)}`);
  return { accountId, ending };
}
