import type Stripe from "stripe";
import type { ProviderFact } from "./facts.ts";
import type { CallOptions, OpenOrder } from "./provider.ts";
import { settleEach } from "./settle-each.ts";
import { settle } from "./stripe-checkout.ts";
import { ask, requestOptions, type StripeContext, stripeApiVersion } from "./stripe-client.ts";
import { readDispute, readEvent, readInvoice, stripeEventTypes } from "./stripe-facts.ts";
import { about, dateOf, idOf, type Told } from "./stripe-order.ts";
import { readIntent, readSession } from "./stripe-payment-facts.ts";
import { fetchReversals } from "./stripe-reversals.ts";

/** A session lives this long, so one that was made before the date may be paid after it. */
const sessionLifeSeconds = 24 * 60 * 60;
/** At most this many of each kind a run; a longer gap takes several runs. */
const mostObjects = 10_000;
/** events.list takes at most 20 types a request (Events API). */
const typesAtOnce = 20;

/**
 * Everything since the date: first the events, whether Stripe could deliver them or not (it keeps
 * them for 30 days), then the objects themselves, which it keeps for ever.
 */
export async function* reconcile(
  context: StripeContext,
  { since, open }: { since: Date; open: readonly OpenOrder[] },
  call?: CallOptions,
): AsyncGenerator<ProviderFact> {
  const failure = yield* settleEach(open, (order) => settle(context, order, call));
  yield* ownOnly(readEvents(context, since, call));
  yield* ownOnly(readObjects(context, since, call));
  if (failure !== undefined) throw failure;
}

/** What else is sold through the same account is not missing here. */
async function* ownOnly(facts: AsyncIterable<ProviderFact>): AsyncGenerator<ProviderFact> {
  for await (const fact of facts) {
    if (fact.kind !== "anomaly" || fact.detail !== "foreign_session") yield fact;
  }
}

async function* readEvents(
  context: StripeContext,
  since: Date,
  call?: CallOptions,
): AsyncGenerator<ProviderFact> {
  const created = { gte: Math.floor(since.getTime() / 1000) };
  for (let from = 0; from < stripeEventTypes.length; from += typesAtOnce) {
    const types = stripeEventTypes.slice(from, from + typesAtOnce);
    const list = context.client.events.list({ types, created, limit: 100 }, requestOptions(call));
    for await (const event of limited(list)) yield* await readListed(context, event, call);
  }
}

/** Events are listed in the version they were made in: of another one only the id is used. */
async function readListed(
  context: StripeContext,
  event: Stripe.Event,
  call?: CallOptions,
): Promise<ProviderFact[]> {
  const { client, mode } = context;
  const told: Told = { mode, occurredAt: new Date(event.created * 1000) };
  if (event.api_version === stripeApiVersion) return readEvent(event, told);
  const { object, id } = event.data.object as { object?: string; id?: string };
  if (id === undefined) return [];
  const options = requestOptions(call);
  switch (object) {
    case "checkout.session":
      return readSession(await ask(() => client.checkout.sessions.retrieve(id, {}, options)), told);
    case "payment_intent":
      return readIntent(await ask(() => client.paymentIntents.retrieve(id, {}, options)), told);
    case "invoice": {
      const invoice = await ask(() => client.invoices.retrieve(id, {}, options));
      return invoice.status === "paid" ? readInvoice(invoice, told) : [];
    }
    case "subscription":
      return [{ ...about(told, `sub:${id}`), kind: "subscription.touched", subscriptionRef: id }];
    // Charges, refunds and disputes are read as objects below.
    default:
      return [];
  }
}

async function* readObjects(
  context: StripeContext,
  since: Date,
  call?: CallOptions,
): AsyncGenerator<ProviderFact> {
  const { client, mode } = context;
  const start = Math.floor(since.getTime() / 1000);
  const told = (created: number): Told => ({ mode, occurredAt: dateOf(created) ?? since });
  const options = requestOptions(call);
  const page = { created: { gte: start }, limit: 100 };
  const sessions = { ...page, created: { gte: start - sessionLifeSeconds } };
  for await (const session of limited(client.checkout.sessions.list(sessions, options))) {
    yield* readSession(session, told(session.created));
  }
  for await (const intent of limited(client.paymentIntents.list(page, options))) {
    yield* readIntent(intent, told(intent.created));
  }
  for await (const invoice of limited(client.invoices.list({ ...page, status: "paid" }, options))) {
    yield* readInvoice(invoice, told(invoice.created));
  }
  for await (const dispute of limited(client.disputes.list(page, options))) {
    yield* readDispute(dispute, told(dispute.created));
  }
  const refunded = new Set<string>();
  for await (const refund of limited(client.refunds.list(page, options))) {
    const payment = idOf(refund.payment_intent) ?? idOf(refund.charge);
    if (payment !== undefined) refunded.add(payment);
  }
  for (const payment of refunded) yield* await fetchReversals(context, payment, call);
}

/** The pages of a list one after the other, with a limit, and with our errors. */
async function* limited<T>(list: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = list[Symbol.asyncIterator]();
  for (let count = 0; count < mostObjects; count += 1) {
    const next = await ask(() => iterator.next());
    if (next.done) return;
    yield next.value;
  }
}
