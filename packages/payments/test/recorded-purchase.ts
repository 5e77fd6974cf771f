import type { ProviderFact } from "@ducat/billing/facts";
import type { OpenOrder, PaymentProvider, SubscriptionSnapshot } from "@ducat/billing/provider";
import { ofKind, order, parseAll, type Rig } from "../../billing/test/rig.ts";
import type { StripeBooks } from "../../billing/test/stripe-books.ts";

/** A day whose month has 30 days, so that calendars agree with providers; far enough to last. */
export const firstDay = Date.parse("2030-11-20T12:00:00Z");
const day = 86_400_000;

/** One thing that a provider tells, and the subscription as it was from then on. */
export type Told = { fact: ProviderFact; snapshot?: SubscriptionSnapshot | undefined };

/** What was paid and what became of it: all that decides about the credits. */
export type Charge = { name: string; charged: number; refunded: number; lost: number };

export type Purchase = {
  provider: PaymentProvider;
  /** The order in the facts. */
  orderRef: string;
  kind: "pack" | "plan";
  /** Six, in the order in which they happened. */
  told: Told[];
  /** What the provider says when it is asked about a payment's reversals. */
  askReversals(paymentRef: string): Promise<ProviderFact[]>;
  /** When the last of it had happened. */
  endedAt: number;
  charges: Charge[];
  /** A dispute is open at the end. */
  isDisputed: boolean;
};

/** The provider's answers don't change any more: it is asked once for all copies. */
function askOnce({ fetchReversals }: PaymentProvider): Purchase["askReversals"] {
  const answers = new Map<string, Promise<ProviderFact[]>>();
  return async (ref) => {
    if (!fetchReversals) return [];
    const answer = answers.get(ref) ?? fetchReversals(ref);
    answers.set(ref, answer);
    return answer;
  };
}

const hearFacts = async (rig: Rig) => parseAll(rig.provider, await rig.takeDeliveries());

function first<K extends ProviderFact["kind"]>(facts: ProviderFact[], kind: K) {
  const [fact] = ofKind(facts, kind);
  if (!fact) throw new Error(`nothing told of ${kind}`);
  return fact;
}

/**
 * A plan's life at a provider with webhooks: begun, paid, changed in the middle of its month,
 * renewed, paid back in part and (where that exists) lost in a dispute.
 */
export async function recordPlan(rig: Rig): Promise<Purchase> {
  const { provider, clock, plans, renew } = rig;
  if (!plans || !renew) throw new Error("this provider has no plans");
  clock.now = firstDay;
  const { created, open } = await order(rig, { kind: "subscription", ...plans.small });
  await rig.pay(created.ref);
  const begun = await hearFacts(rig);
  const touched = ofKind(begun, "subscription.touched").find(({ orderRef }) => orderRef);
  if (!touched) throw new Error("nothing told of the subscription");
  const ref = touched.subscriptionRef;
  const told: Told[] = [];
  const tell = async (fact: ProviderFact) => {
    told.push({ fact, snapshot: await provider.fetchSubscription?.(ref) });
  };
  const initial = first(begun, "invoice.paid");
  await tell(touched);
  await tell(initial);

  clock.now += 15 * day;
  const { price, priceRef: planRef } = plans.large;
  await provider.changePlan?.({ ref, planRef, price, when: "now", key: `change-${ref}` });
  const update = first(await hearFacts(rig), "invoice.paid");
  await tell(update);

  clock.now = firstDay + 30 * day + 1_000;
  moveRenewal(rig, ref);
  await renew(ref, true);
  const renewal = first(await hearFacts(rig), "invoice.paid");
  await tell(renewal);

  clock.now += 60_000;
  const paymentRef = initial.paymentRef ?? findIntent(rig, initial.invoiceRef);
  const renewalRef = renewal.paymentRef ?? findIntent(rig, renewal.invoiceRef);
  await rig.refundThere?.(paymentRef, 300);
  await tell(first(await hearFacts(rig), "reversal.total"));
  clock.now += 60_000;
  const charges = [
    { name: "initial", charged: initial.money.amount, refunded: 300, lost: 0 },
    { name: "update", charged: update.money.amount, refunded: 0, lost: 0 },
    { name: "renewal", charged: renewal.money.amount, refunded: 0, lost: 0 },
  ];
  // The sandbox has no disputes of invoices.
  if (rig.dispute && provider.name !== "sandbox") {
    await rig.dispute(paymentRef, "opened");
    await hearFacts(rig);
    await rig.dispute(paymentRef, "lost");
    await tell(first(await hearFacts(rig), "dispute.lost"));
    Object.assign(charges[0] ?? {}, { lost: initial.money.amount });
  } else {
    await rig.refundThere?.(renewalRef, 500);
    await tell(first(await hearFacts(rig), "reversal.total"));
    Object.assign(charges[2] ?? {}, { refunded: 500 });
  }
  const orderRef = open.orderRef;
  const askReversals = askOnce(provider);
  const end = { endedAt: clock.now, charges, isDisputed: false };
  return { provider, askReversals, orderRef, kind: "plan", told, ...end };
}

/** Lemon Squeezy renews by the calendar; its imitation leaves the date to whoever renews. */
export function moveRenewal(rig: Rig, ref: string): void {
  if (rig.provider.name !== "lemonsqueezy") return;
  const { books } = rig as Rig & {
    books: { get(type: string, id: string): { attributes: Record<string, unknown> } };
  };
  const { attributes } = books.get("subscriptions", ref);
  const next = new Date(String(attributes.renews_at));
  next.setUTCMonth(next.getUTCMonth() + 1);
  attributes.renews_at = next.toISOString();
}

/** Stripe's invoices don't name their payments in webhooks; its books do. */
export function findIntent(rig: Rig, invoiceRef: string): string {
  const { books } = rig as Rig & { books: StripeBooks };
  const paid = books.list("invoice_payment").find(({ invoice }) => invoice === invoiceRef);
  const { payment_intent } = (paid?.payment ?? {}) as { payment_intent?: string };
  if (payment_intent === undefined) throw new Error("nothing was paid for this invoice");
  return payment_intent;
}

/** A pack at a provider with webhooks: paid, told of twice, paid back in two parts, disputed. */
export async function recordPack(rig: Rig): Promise<Purchase> {
  const { provider, clock } = rig;
  clock.now = firstDay;
  const { created, open } = await order(rig);
  await rig.pay(created.ref);
  const paid = ofKind(await hearFacts(rig), "payment.succeeded");
  const [one] = paid;
  if (!one) throw new Error("nothing told of the payment");
  const facts: ProviderFact[] = [one, paid[1] ?? later(one)];
  const refund = async (amount: number) => {
    clock.now += 60_000;
    await rig.refundThere?.(one.paymentRef, amount);
    facts.push(first(await hearFacts(rig), "reversal.total"));
  };
  await refund(250);
  await refund(333);
  if (rig.dispute) {
    for (const status of ["opened", "won"] as const) {
      clock.now += 60_000;
      await rig.dispute(one.paymentRef, status);
      const dispute = (await hearFacts(rig)).find(({ kind }) => kind === `dispute.${status}`);
      if (dispute) facts.push(dispute);
    }
  } else {
    facts.push(...ofKind(facts, "reversal.total").map(later));
  }
  const charge = { name: "pack", charged: one.money.amount, refunded: 583, lost: 0 };
  const told = facts.map((fact) => ({ fact }));
  const end = { endedAt: clock.now + 60_000, charges: [charge], isDisputed: false };
  const askReversals = askOnce(provider);
  return { provider, askReversals, orderRef: open.orderRef, kind: "pack", told, ...end };
}

/** The same, told a second time. */
const later = <F extends ProviderFact>(fact: F): F => ({ ...fact });

/** A pack at a provider that only answers: asked before and after, paid back in two parts. */
export async function recordAnswers(rig: Rig): Promise<Purchase> {
  const { provider, clock } = rig;
  clock.now = firstDay;
  const { created, open } = await order(rig);
  const ask = async (at: OpenOrder) => (await provider.settle?.(at)) ?? [];
  const waiting = await ask(open);
  await rig.pay(created.ref);
  const paid = [...(await ask(open)), ...(await ask(open))];
  const one = first(paid, "payment.succeeded");
  const facts: ProviderFact[] = [...waiting, ...paid, expire(one)];
  let reversed = 0;
  for (const amount of [100_000, 133_333]) {
    clock.now += 60_000;
    const { currency } = one.money;
    const told = await provider.refund?.({
      paymentRef: one.paymentRef,
      money: { amount, currency },
      paid: one.money,
      reversedBefore: { amount: reversed, currency },
      paidAt: new Date(firstDay),
      orderRef: open.orderRef,
      key: `refund-${amount}`,
      ...(one.receiptRef !== undefined && { receiptRef: one.receiptRef }),
    });
    facts.push(first(told ?? [], "reversal.total"));
    reversed += amount;
  }
  const charge = { name: "pack", charged: one.money.amount, refunded: reversed, lost: 0 };
  const told = facts.map((fact) => ({ fact }));
  const end = { endedAt: clock.now + 60_000, charges: [charge], isDisputed: false };
  const askReversals = askOnce(provider);
  return { provider, askReversals, orderRef: open.orderRef, kind: "pack", told, ...end };
}

/** What reconciliation says of a page that it finds closed, also after it was paid. */
function expire(paid: ProviderFact & { paymentRef: string }): ProviderFact {
  const { provider, mode, occurredAt, paymentRef, orderRef = "" } = paid;
  const effectKey = `${paid.effectKey}:expired`;
  return { kind: "payment.expired", provider, mode, effectKey, occurredAt, paymentRef, orderRef };
}
