import { createStripe } from "../src/stripe.ts";
import { post, type Received, type Rig, startReceiver } from "./rig.ts";
import type { StripeBooks } from "./stripe-books.ts";
import { type StripeServer, signStripe, startStripe, stripeKey } from "./stripe-server.ts";

export const stripeSecret = "whsec_stripe_test";
const usd = (amount: number) => ({ amount, currency: "USD" });

export async function startStripeRig(): Promise<
  Rig & { books: StripeBooks; server: StripeServer }
> {
  const clock = { now: Date.parse("2026-11-20T12:00:00Z") };
  const server = await startStripe(() => clock.now);
  const receiver = await startReceiver();
  const { books } = server;
  const price = { currency: "usd", interval: "month" as const };
  books.prices.set("price_small", { id: "price_small", unit_amount: 999, ...price });
  books.prices.set("price_large", { id: "price_large", unit_amount: 2999, ...price });
  const make = (changes: Parameters<Rig["remake"]>[0] = {}) =>
    createStripe({
      secretKey: changes.mode === "live" ? "sk_live_51ducat" : stripeKey,
      webhookSecrets: [changes.secret ?? stripeSecret],
      mode: changes.mode ?? "test",
      baseUrl: server.url,
      timeoutMs: changes.timeoutMs ?? 5_000,
      now: changes.now ?? (() => clock.now),
    });
  let sent = 0;
  const sign: Rig["sign"] = (body, { secret = stripeSecret, at = clock.now } = {}) => ({
    raw: Buffer.from(body),
    headers: signStripe(body, { secret, at }),
  });
  return {
    provider: make(),
    remake: make,
    books,
    server,
    clock,
    faults: server.faults,
    faultKinds: ["hang", "reset", "status_500", "html", "huge", "status_429", "status_401"],
    calls: {
      checkout: "POST /v1/checkout/sessions",
      settle: "GET /v1/checkout/sessions/",
      refund: "POST /v1/refunds",
      list: "GET /v1/events",
      charge: "POST /v1/payment_intents",
    },
    pack: { price: usd(1000) },
    pay: async (ref, { charged, card } = {}) => {
      books.pay(ref, {
        ...(charged && { amount: charged.amount, currency: charged.currency.toLowerCase() }),
        ...(card && { card }),
      });
    },
    takeDeliveries: async () => {
      for (const event of books.events.slice(sent)) {
        const body = JSON.stringify(event);
        await post(receiver.url, body, signStripe(body, { secret: stripeSecret, at: clock.now }));
      }
      sent = books.events.length;
      return receiver.received.splice(0) as Received[];
    },
    dropDeliveries: async () => {
      sent = books.events.length;
    },
    sign,
    headerOfSignature: "stripe-signature",
    alter: (body, change) => {
      const event = JSON.parse(body);
      if (event.type !== "checkout.session.completed") return undefined;
      const { object } = event.data;
      if (change.amount !== undefined) object.amount_total = change.amount;
      if (change.currency !== undefined) object.currency = change.currency.toLowerCase();
      if (change.mode) event.livemode = !event.livemode;
      if (change.version !== undefined) event.api_version = change.version;
      if (change.store) object.metadata = {};
      return JSON.stringify(event);
    },
    refundThere: async (ref, amount) => {
      books.refund(ref, amount);
    },
    dispute: async (ref, status) => {
      const known = books.list("dispute").find((dispute) => dispute.payment_intent === ref);
      if (status === "opened") books.dispute(ref);
      else books.closeDispute(known?.id ?? "", status);
    },
    plans: {
      small: { price: usd(999), priceRef: "price_small" },
      large: { price: usd(2999), priceRef: "price_large" },
    },
    renew: async (ref, isPaid) => {
      books.renew(ref, isPaid);
    },
    close: async () => {
      await Promise.all([server.close(), receiver.close()]);
    },
  };
}
