import Stripe from "stripe";
import { type Answer, type Incoming, startServer, type TestServer } from "./http-server.ts";
import { StripeBooks, stripeVersion, type Thing } from "./stripe-books.ts";
import { answerCatalog } from "./stripe-catalog-books.ts";

type Params = Record<string, unknown>;
type Nested = { [key: string]: Nested | string };
export type StripeServer = TestServer & { books: StripeBooks };

export const stripeKey = "sk_test_51ducat";
const known = {
  session:
    "mode customer metadata client_reference_id line_items success_url cancel_url expires_at " +
    "adaptive_pricing payment_intent_data subscription_data",
  intent:
    "amount currency customer payment_method off_session confirm description metadata " +
    "allowed_payment_method_types automatic_payment_methods payment_method_options",
};

/** A server that answers as Stripe's API of 2026-10-28 for all that the adapter asks of it. */
export async function startStripe(now: () => number): Promise<StripeServer> {
  const books = new StripeBooks(now);
  const replies = new Map<string, { params: string; answer: Answer }>();
  const server = await startServer((request) => {
    const params = request.method === "GET" ? parseForm(request.query) : parseBody(request);
    const refusal = checkRequest(request);
    if (refusal) return refusal;
    const key = request.method === "POST" ? request.headers["idempotency-key"] : undefined;
    const text = JSON.stringify([request.path, params]);
    const first = key === undefined ? undefined : replies.get(key);
    if (first && first.params !== text) {
      return refuse(400, { type: "idempotency_error", message: "Other parameters." });
    }
    if (first) return { ...first.answer, headers: { "idempotent-replayed": "true" } };
    const answer = answerRequest(books, request, params);
    // The first answer is kept, whatever it was, and a later change of the thing isn't in it.
    const kept = { ...answer, body: structuredClone(answer.body) };
    if (key !== undefined) replies.set(key, { params: text, answer: kept });
    return kept;
  });
  /** A lost answer that Stripe itself turned into a 500 is what a repeat with the key gets too. */
  const { take } = server.faults;
  server.faults.take = (request) => {
    const fault = take(request);
    if (fault === "status_500_after") setImmediate(() => spoilLast(replies));
    return fault;
  };
  return { ...server, books };
}

function spoilLast(replies: Map<string, { params: string; answer: Answer }>): void {
  const last = [...replies.values()].at(-1);
  if (last) last.answer = refuse(500, { type: "api_error", message: "oops" });
}

const refuse = (status: number, error: Params): Answer => ({ status, body: { error } });

function checkRequest({ headers }: Incoming): Answer | undefined {
  if (headers.authorization !== `Bearer ${stripeKey}`) {
    return refuse(401, { type: "invalid_request_error", message: "Invalid API Key." });
  }
  if (headers["stripe-version"] === stripeVersion) return undefined;
  return refuse(400, { type: "invalid_request_error", message: "Another version." });
}

function checkKnown(params: Params, names: string): Answer | undefined {
  const unknown = Object.keys(params).find((name) => !names.split(" ").includes(name));
  if (unknown === undefined) return undefined;
  const message = `Received unknown parameter: ${unknown}`;
  return refuse(400, { type: "invalid_request_error", param: unknown, message });
}

function answerRequest(books: StripeBooks, request: Incoming, params: Params): Answer {
  const [, , noun = "", second = "", third = ""] = request.path.split("/");
  const call = `${request.method} ${noun}`;
  const isCheckout = noun === "checkout";
  const id = isCheckout || noun === "billing_portal" ? third : second;
  const sold = answerCatalog(books, request, params);
  if (sold) return "listed" in sold ? page(sold.listed, params) : sold;
  if (call === "POST customers") return keepCustomer(books, params);
  if (call === "POST checkout") return createSession(books, params);
  if (call === "POST billing_portal") return openPortal(books, params);
  if (call === "POST payment_intents") return createIntent(books, params);
  if (call === "POST refunds") return createRefund(books, params);
  if (call === "POST subscriptions") return updateSubscription(books, id, params);
  if (call === "DELETE subscriptions") return endSubscription(books, id);
  if (request.method !== "GET") return refuse(404, { message: "No such call." });
  if (id === "" && noun === "events") return listEvents(books, params);
  if (id === "") return listThings(books, noun, params);
  if (isCheckout && third === "") return listThings(books, "checkout.session", params);
  const thing = books.things.get(id);
  if (!thing) return refuse(404, { type: "invalid_request_error", code: "resource_missing" });
  return { body: expand(books, thing, params.expand) };
}

function expand(books: StripeBooks, thing: Thing, names: unknown): Thing {
  const shown = structuredClone(thing);
  for (const name of Object.values((names ?? {}) as Record<string, string>)) {
    if (typeof shown[name] === "string") shown[name] = structuredClone(books.get(shown[name]));
  }
  return shown;
}

function keepCustomer(books: StripeBooks, params: Params): Answer {
  return { body: books.keep("customer", "cus", { email: params.email ?? null, ...params }) };
}

function createSession(books: StripeBooks, params: Params): Answer {
  const refusal = checkKnown(params, known.session);
  if (refusal) return refusal;
  const line = (params.line_items as Record<string, Params>)["0"] as Params;
  const data = line.price_data as Nested | undefined;
  const found = data ? undefined : books.prices.get(String(line.price));
  if (!data && !found) {
    return refuse(400, { type: "invalid_request_error", code: "resource_missing", param: "price" });
  }
  const intent = (params.payment_intent_data ?? {}) as Params;
  const subscription = (params.subscription_data ?? {}) as Params;
  const price = found ?? {
    id: books.id("price"),
    unit_amount: Number(data?.unit_amount),
    currency: String(data?.currency),
    interval: "month" as const,
  };
  books.prices.set(price.id, price);
  const session = books.keep("checkout.session", "cs_test", {
    mode: params.mode,
    status: "open",
    payment_status: "unpaid",
    amount_total: price.unit_amount,
    currency: price.currency,
    customer: params.customer ?? null,
    client_reference_id: params.client_reference_id ?? null,
    metadata: params.metadata ?? {},
    payment_intent: null,
    subscription: null,
    setup_intent: null,
    invoice: null,
    success_url: params.success_url,
    expires_at: Number(params.expires_at ?? books.seconds() + 86_400),
    // Beside what Stripe shows: what it remembers for the moment of payment.
    intent_metadata: intent.metadata ?? {},
    setup_future_usage: intent.setup_future_usage ?? null,
    subscription_metadata: subscription.metadata ?? {},
    trial_days: subscription.trial_period_days,
    price: price.id,
  });
  session.url = `https://checkout.stripe.com/c/pay/${session.id}`;
  return { body: session };
}

function openPortal(books: StripeBooks, params: Params): Answer {
  if (!books.things.has(String(params.customer))) {
    return refuse(400, { type: "invalid_request_error", code: "resource_missing" });
  }
  return { body: { id: books.id("bps"), url: "https://billing.stripe.com/p/session/x" } };
}

function createIntent(books: StripeBooks, params: Params): Answer {
  const refusal = checkKnown(params, known.intent);
  if (refusal) return refusal;
  const card = books.cards.get(String(params.payment_method));
  if (!card || card.customer !== params.customer) {
    const error = { type: "invalid_request_error", code: "resource_missing" };
    return refuse(400, { ...error, param: "payment_method", message: "No such PaymentMethod." });
  }
  const { intent, error } = books.chargeAway(params);
  return error ? refuse(402, error) : { body: intent };
}

function createRefund(books: StripeBooks, params: Params): Answer {
  const intent = books.things.get(String(params.payment_intent));
  if (!intent?.latest_charge) return refuse(404, { code: "resource_missing" });
  const charge = books.get(intent.latest_charge);
  const left = Number(charge.amount) - Number(charge.amount_refunded);
  const amount = params.amount === undefined ? left : Number(params.amount);
  if (left === 0) return refuse(400, { code: "charge_already_refunded" });
  if (amount > left) return refuse(400, { code: "amount_too_large" });
  return { body: books.refund(intent.id, amount) };
}

function updateSubscription(books: StripeBooks, id: string, params: Params): Answer {
  const subscription = books.things.get(id);
  if (!subscription) return refuse(404, { code: "resource_missing" });
  const item = books.itemOf(subscription);
  if (params.cancel_at_period_end !== undefined) {
    subscription.cancel_at_period_end = params.cancel_at_period_end === "true";
    subscription.cancel_at = subscription.cancel_at_period_end ? item.current_period_end : null;
  }
  if (params.cancel_at === "") subscription.cancel_at = null;
  const change = (params.items as Record<string, Params> | undefined)?.["0"];
  if (change) {
    const isInvoiced = params.proration_behavior === "always_invoice";
    // Unasked, the difference would wait for the next invoice and come as a surprise.
    if (!isInvoiced && params.proration_behavior !== "none") return refuse(400, {});
    const price = books.prices.get(String(change.price));
    if (!price) return refuse(400, { code: "resource_missing", param: "items[0][price]" });
    const old = item.price;
    Object.assign(item, { price: { ...price, object: "price" } });
    const lines = [
      { price: old, amount: -old.unit_amount, proration: true },
      { price, amount: price.unit_amount, proration: true },
    ];
    if (isInvoiced) books.invoice(subscription, { reason: "subscription_update", lines });
  }
  books.emit("customer.subscription.updated", subscription);
  return { body: subscription };
}

function endSubscription(books: StripeBooks, id: string): Answer {
  const subscription = books.get(id);
  Object.assign(subscription, { status: "canceled", ended_at: books.seconds() });
  books.emit("customer.subscription.deleted", subscription);
  return { body: subscription };
}

const nouns: Record<string, string> = {
  payment_intents: "payment_intent",
  invoices: "invoice",
  refunds: "refund",
  disputes: "dispute",
  invoice_payments: "invoice_payment",
  "checkout.session": "checkout.session",
};

function listThings(books: StripeBooks, noun: string, params: Params): Answer {
  const { created, customer, payment, invoice, status, payment_intent } = params as Record<
    string,
    Nested
  >;
  const found = books.list(nouns[noun] ?? noun).filter((thing) => {
    if (created && Number(thing.created) < Number(created.gte)) return false;
    if (customer && thing.customer !== customer) return false;
    if (invoice && thing.invoice !== invoice) return false;
    if (status && thing.status !== status) return false;
    if (payment_intent && thing.payment_intent !== payment_intent) return false;
    if (!payment) return true;
    return (thing.payment as Params).payment_intent === payment.payment_intent;
  });
  return page(found, params);
}

function listEvents(books: StripeBooks, params: Params): Answer {
  const types = Object.values((params.types ?? {}) as Record<string, string>);
  if (types.length > 20) return refuse(400, { message: "At most 20 types." });
  const since = Number((params.created as Nested | undefined)?.gte ?? 0);
  const found = books.events.filter(
    ({ type, created }) => types.includes(type) && created >= since,
  );
  return page([...found].reverse(), params);
}

function page(things: Thing[], params: Params): Answer {
  const limit = Number(params.limit ?? 10);
  const start = things.findIndex(({ id }) => id === params.starting_after) + 1;
  const data = structuredClone(things.slice(start, start + limit));
  return { body: { object: "list", data, has_more: start + limit < things.length, url: "/" } };
}

function parseBody({ raw }: Incoming): Params {
  return parseForm(new URLSearchParams(raw.toString("utf8")));
}

/** Bracket keys of the form encoding: a[b][0]=c. */
function parseForm(form: URLSearchParams): Params {
  const all: Nested = {};
  for (const [name, value] of form) {
    const path = name.replaceAll("]", "").split("[");
    let at = all;
    for (const step of path.slice(0, -1)) {
      at[step] ??= {};
      at = at[step] as Nested;
    }
    at[path.at(-1) as string] = value;
  }
  return all;
}

/** An event as Stripe posts it: its bytes, and the signature that its own SDK computes. */
export function signStripe(
  payload: string,
  { secret, at }: { secret: string; at: number },
): Record<string, string> {
  const timestamp = Math.floor(at / 1000);
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
  return { "stripe-signature": header, "content-type": "application/json" };
}
