import { createHmac, randomUUID } from "node:crypto";
import { shape } from "./fixtures.ts";
import { type Answer, type Incoming, startServer, type TestServer } from "./http-server.ts";

type Attributes = Record<string, unknown>;
export type LemonResource = { type: string; id: string; attributes: Attributes };
export type LemonEvent = { name: string; body: string };
export type LemonServer = TestServer & { books: LemonBooks };

export const lemonKey = "ls_test_key";
export const lemonStore = "7";
const month = 30 * 86_400_000;

/** Lemon Squeezy's books in memory, and the webhooks of what happens in them. */
export class LemonBooks {
  readonly things = new Map<string, LemonResource>();
  readonly checkouts = new Map<string, { attributes: Attributes; variant: string }>();
  /** What a variant costs in cents, and whether it is a subscription. */
  readonly variants = new Map<string, { price: number; currency: string; isPlan: boolean }>();
  readonly events: LemonEvent[] = [];
  testMode = true;
  readonly now: () => number;
  #count = 0;

  constructor(now: () => number) {
    this.now = now;
  }

  time(offset = 0): string {
    return new Date(this.now() + offset).toISOString().replace("Z", "000Z");
  }

  keep(type: string, fixture: string, ours: Attributes): LemonResource {
    this.#count += 1;
    const id = String(this.#count);
    const whole = shape(fixture, {}) as { data?: { attributes?: Attributes } };
    const times = { created_at: this.time(), updated_at: this.time() };
    const own = { ...times, test_mode: this.testMode, store_id: Number(lemonStore), ...ours };
    const attributes = { ...whole.data?.attributes, ...own };
    const thing = { type, id, attributes };
    this.things.set(`${type}/${id}`, thing);
    return thing;
  }

  get(type: string, id: unknown): LemonResource {
    const thing = this.things.get(`${type}/${String(id)}`);
    if (!thing) throw new Error(`no ${type} ${String(id)}`);
    return thing;
  }

  emit(name: string, thing: LemonResource, custom?: unknown): void {
    const meta = {
      test_mode: this.testMode,
      event_name: name,
      webhook_id: randomUUID(),
      // Whatever was passed comes back as text.
      ...(custom !== undefined && { custom_data: custom }),
    };
    this.events.push({ name, body: JSON.stringify({ meta, data: thing }) });
  }

  /** The buyer pays a checkout; in another currency, with taxes, with other data if they insist. */
  pay(
    checkoutId: string,
    how: {
      custom?: unknown;
      email?: string;
      subtotal?: number;
      discount?: number;
      tax?: number;
      currency?: string;
      usdRate?: number;
      storeId?: number;
      variant?: number;
      quantity?: number;
      trial?: boolean;
    } = {},
  ): LemonResource {
    const checkout = this.checkouts.get(checkoutId);
    if (!checkout) throw new Error("no checkout");
    const variant = this.variants.get(checkout.variant);
    if (!variant) throw new Error("no variant");
    const data = checkout.attributes.checkout_data as Attributes;
    const custom = how.custom === undefined ? data.custom : how.custom;
    const listed = Number(checkout.attributes.custom_price ?? variant.price);
    const subtotal = how.subtotal ?? (how.trial ? 0 : listed);
    const discount_total = how.discount ?? 0;
    const tax = how.tax ?? 0;
    const rate = how.usdRate ?? 1;
    const money = {
      currency: how.currency ?? variant.currency,
      subtotal,
      discount_total,
      tax,
      total: subtotal - discount_total + tax,
      subtotal_usd: Math.round(subtotal * rate),
      discount_total_usd: Math.round(discount_total * rate),
      total_usd: Math.round((subtotal - discount_total + tax) * rate),
      status: "paid",
      refunded: false,
      refunded_at: null,
      refunded_amount: 0,
      user_email: how.email ?? data.email,
      customer_id: 11,
    };
    const variant_id = how.variant ?? Number(checkout.variant);
    const item = { order_id: 1, product_id: 1, variant_id, price: listed, quantity: how.quantity };
    const order = this.keep("orders", "lemonsqueezy/api-go/order.json", {
      ...money,
      ...(how.storeId !== undefined && { store_id: how.storeId }),
      first_order_item: item,
    });
    this.emit("order_created", order, custom);
    if (variant.isPlan) this.#subscribe(order, money, { custom, trial: how.trial ?? false });
    return order;
  }

  #subscribe(
    order: LemonResource,
    money: Attributes,
    { custom, trial }: { custom: unknown; trial: boolean },
  ): void {
    const item = order.attributes.first_order_item as Attributes;
    const end = this.time(month);
    const subscription = this.keep("subscriptions", "lemonsqueezy/api-go/subscription.json", {
      order_id: Number(order.id),
      customer_id: 11,
      user_email: money.user_email,
      variant_id: item.variant_id,
      status: trial ? "on_trial" : "active",
      cancelled: false,
      pause: null,
      trial_ends_at: trial ? end : null,
      renews_at: end,
      ends_at: null,
      custom,
      urls: { customer_portal: "https://store.lemonsqueezy.com/billing?expires=1&signature=x" },
    });
    this.emit("subscription_created", subscription, custom);
    this.invoice(subscription, "initial", { ...money });
  }

  invoice(subscription: LemonResource, reason: string, money: Attributes, paid = true) {
    const fixture = "lemonsqueezy/api-go/subscription_invoice.json";
    const invoice = this.keep("subscription-invoices", fixture, {
      ...money,
      subscription_id: Number(subscription.id),
      billing_reason: reason,
      status: paid ? "paid" : "pending",
    });
    const name = paid ? "subscription_payment_success" : "subscription_payment_failed";
    this.emit(name, invoice, subscription.attributes.custom);
    return invoice;
  }

  renew(subscriptionId: string, isPaid = true): LemonResource {
    const subscription = this.get("subscriptions", subscriptionId);
    const variant = this.variants.get(String(subscription.attributes.variant_id));
    subscription.attributes.status = isPaid ? "active" : "past_due";
    this.emit("subscription_updated", subscription, subscription.attributes.custom);
    return this.invoice(subscription, "renewal", moneyOf(variant?.price ?? 0), isPaid);
  }

  refund(type: string, id: string, amount: number): LemonResource {
    const thing = this.get(type, id);
    const { attributes } = thing;
    const refunded_amount = Number(attributes.refunded_amount ?? 0) + amount;
    const isWhole = refunded_amount === attributes.total;
    Object.assign(attributes, {
      refunded_amount,
      refunded: isWhole,
      refunded_at: isWhole ? this.time() : null,
      status: isWhole ? "refunded" : "partial_refund",
    });
    const name = type === "orders" ? "order_refunded" : "subscription_payment_refunded";
    this.emit(name, thing);
    return thing;
  }
}

const moneyOf = (amount: number): Attributes => ({
  currency: "USD",
  subtotal: amount,
  discount_total: 0,
  tax: 0,
  total: amount,
  refunded_amount: 0,
  refunded: false,
  customer_id: 11,
});

export async function startLemonSqueezy(now: () => number): Promise<LemonServer> {
  const books = new LemonBooks(now);
  const server = await startServer((request) => answerRequest(books, request));
  return { ...server, books };
}

const refuse = (status: number, detail: string): Answer => ({
  status,
  body: { jsonapi: { version: "1.0" }, errors: [{ detail, status: String(status) }] },
});

function answerRequest(books: LemonBooks, request: Incoming): Answer {
  const { headers, method, path } = request;
  if (headers.authorization !== `Bearer ${lemonKey}`) return refuse(401, "Unauthenticated.");
  const isJsonApi = headers.accept === "application/vnd.api+json";
  if (!isJsonApi) return refuse(406, "Not acceptable.");
  const [, version, noun = "", id = "", verb = ""] = path.split("/");
  if (version !== "v1") return refuse(404, "Not found.");
  const body = request.raw.length > 0 ? JSON.parse(request.raw.toString("utf8")) : {};
  if (method === "POST" && noun === "checkouts") return createCheckout(books, body.data);
  if (method === "GET" && id === "") return list(books, noun, request.query);
  if (noun === "customers" && method === "GET") return showCustomer(books, id);
  const thing = books.things.get(`${noun}/${id}`);
  if (!thing) return refuse(404, "Not found.");
  if (method === "POST" && verb === "refund") return refund(books, thing, body.data);
  if (method === "GET") return show(thing);
  if (noun !== "subscriptions") return refuse(405, "Not allowed.");
  return updateSubscription(
    books,
    thing,
    method === "DELETE" ? { cancelled: true } : body.data.attributes,
  );
}

/** Replies have no custom data: only webhooks do. */
function show({ type, id, attributes }: LemonResource, status = 200): Answer {
  const { custom: _hidden, ...shown } = attributes;
  return { status, body: { jsonapi: { version: "1.0" }, data: { type, id, attributes: shown } } };
}

function createCheckout(books: LemonBooks, data: Record<string, never>): Answer {
  const { attributes, relationships } = data as unknown as {
    attributes: Attributes;
    relationships: Record<"store" | "variant", { data: { id: string } }>;
  };
  const variant = relationships.variant.data.id;
  if (relationships.store.data.id !== lemonStore || !books.variants.has(variant)) {
    return refuse(422, "The selected variant is invalid.");
  }
  const id = randomUUID();
  const checkoutData = attributes.checkout_data as Attributes;
  const custom = Object.fromEntries(
    Object.entries(checkoutData.custom as object).map(([key, value]) => [key, String(value)]),
  );
  books.checkouts.set(id, {
    variant,
    attributes: { ...attributes, checkout_data: { ...checkoutData, custom } },
  });
  const whole = shape("lemonsqueezy/api-go/checkout.json", {}) as { data?: LemonResource };
  const url = `https://store.lemonsqueezy.com/checkout/custom/${id}?signature=x`;
  const shown = { ...whole.data?.attributes, ...attributes, url };
  return { status: 201, body: { data: { type: "checkouts", id, attributes: shown } } };
}

function list(books: LemonBooks, noun: string, query: URLSearchParams): Answer {
  const store = query.get("filter[store_id]");
  const size = Number(query.get("page[size]") ?? 10);
  const from = (Number(query.get("page[number]") ?? 1) - 1) * size;
  const all = [...books.things.values()]
    .filter(({ type }) => type === noun)
    .filter(({ attributes }) => store === null || String(attributes.store_id) === store)
    .reverse();
  const data = all
    .slice(from, from + size)
    .map((thing) => (show(thing).body as { data: unknown }).data);
  return { body: { meta: { page: { total: all.length } }, data } };
}

function showCustomer(books: LemonBooks, id: string): Answer {
  const has = [...books.things.values()].some(({ type }) => type === "subscriptions");
  const whole = shape("lemonsqueezy/api-go/customer.json", {}) as { data?: LemonResource };
  const portal = has ? "https://store.lemonsqueezy.com/billing?expires=1&signature=x" : null;
  const attributes = { ...whole.data?.attributes, urls: { customer_portal: portal } };
  return { body: { data: { type: "customers", id, attributes } } };
}

function refund(books: LemonBooks, thing: LemonResource, data: LemonResource): Answer {
  const amount = Number(data.attributes.amount);
  const left = Number(thing.attributes.total) - Number(thing.attributes.refunded_amount ?? 0);
  if (!(amount > 0) || amount > left) return refuse(422, "The amount is too large.");
  return show(books.refund(thing.type, thing.id, amount));
}

function updateSubscription(books: LemonBooks, thing: LemonResource, change: Attributes): Answer {
  const { attributes } = thing;
  if (change.cancelled !== undefined) {
    const isOff = change.cancelled === true;
    const end = isOff ? attributes.renews_at : null;
    const status = isOff ? "cancelled" : "active";
    Object.assign(attributes, { cancelled: isOff, status, ends_at: end });
    books.emit(isOff ? "subscription_cancelled" : "subscription_resumed", thing, attributes.custom);
  }
  if (change.variant_id !== undefined) {
    const before = books.variants.get(String(attributes.variant_id));
    const after = books.variants.get(String(change.variant_id));
    if (!after) return refuse(422, "The selected variant is invalid.");
    const isDecided = change.invoice_immediately === true || change.disable_prorations === true;
    // Unasked, the difference would wait for the renewal and come as a surprise.
    if (!isDecided) return refuse(422, "Say what the difference costs.");
    attributes.variant_id = change.variant_id;
    const delta = after.price - (before?.price ?? 0);
    if (change.invoice_immediately && delta > 0) books.invoice(thing, "updated", moneyOf(delta));
  }
  books.emit("subscription_updated", thing, attributes.custom);
  return show(thing);
}

/** X-Signature as Lemon Squeezy computes it: lower-case hex over the bytes, no time in it. */
export function signLemonSqueezy(payload: string, secret: string): Record<string, string> {
  const signature = createHmac("sha256", secret).update(payload).digest("hex");
  return { "x-signature": signature, "content-type": "application/json" };
}
