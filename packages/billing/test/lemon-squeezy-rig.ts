import { createLemonSqueezy } from "../src/lemon-squeezy.ts";
import {
  type LemonBooks,
  type LemonServer,
  lemonKey,
  lemonStore,
  signLemonSqueezy,
  startLemonSqueezy,
} from "./lemon-squeezy-server.ts";
import { post, type Received, type Rig, startReceiver } from "./rig.ts";

export const lemonSecret = "lemon-webhook-secret";
export const referenceSecret = "our-own-reference-secret";
const usd = (amount: number) => ({ amount, currency: "USD" });

export async function startLemonRig(): Promise<Rig & { books: LemonBooks; server: LemonServer }> {
  const clock = { now: Date.parse("2026-11-20T12:00:00Z") };
  const server = await startLemonSqueezy(() => clock.now);
  const receiver = await startReceiver();
  const { books } = server;
  books.variants.set("2", { price: 1200, currency: "USD", isPlan: false });
  books.variants.set("3", { price: 999, currency: "USD", isPlan: true });
  books.variants.set("4", { price: 2999, currency: "USD", isPlan: true });
  const make = (changes: Parameters<Rig["remake"]>[0] = {}) =>
    createLemonSqueezy({
      apiKey: lemonKey,
      storeId: lemonStore,
      webhookSecrets: [changes.secret ?? lemonSecret],
      referenceSecrets: [referenceSecret],
      mode: changes.mode ?? "test",
      baseUrl: server.url,
      timeoutMs: changes.timeoutMs ?? 5_000,
      now: changes.now ?? (() => clock.now),
    });
  let sent = 0;
  return {
    provider: make(),
    remake: make,
    books,
    server,
    clock,
    faults: server.faults,
    faultKinds: ["hang", "reset", "status_500", "html", "huge", "status_429", "status_401"],
    calls: {
      checkout: "POST /v1/checkouts",
      settle: "GET /v1/orders/",
      refund: "/refund",
      list: "GET /v1/orders",
    },
    pack: { price: usd(1000), priceRef: "2" },
    pay: async (ref, { charged, trial = false } = {}) => {
      const other = charged && { subtotal: charged.amount, currency: charged.currency };
      books.pay(ref, other ?? { tax: trial ? 0 : 200, trial });
    },
    takeDeliveries: async () => {
      for (const { name, body } of books.events.slice(sent)) {
        const headers = { ...signLemonSqueezy(body, lemonSecret), "x-event-name": name };
        await post(receiver.url, body, headers);
      }
      sent = books.events.length;
      return receiver.received.splice(0) as Received[];
    },
    dropDeliveries: async () => {
      sent = books.events.length;
    },
    sign: (body, { secret = lemonSecret } = {}) => ({
      raw: Buffer.from(body),
      headers: signLemonSqueezy(body, secret),
    }),
    headerOfSignature: "x-signature",
    alter: (body, change) => {
      const event = JSON.parse(body);
      if (event.meta.event_name !== "order_created" || change.version) return undefined;
      const { attributes } = event.data;
      if (change.amount !== undefined) {
        Object.assign(attributes, { subtotal: change.amount, total: change.amount, tax: 0 });
      }
      // As many of another currency, which are worth less than what we asked for.
      if (change.currency !== undefined) {
        Object.assign(attributes, { currency: change.currency, subtotal_usd: 10 });
      }
      if (change.mode) {
        event.meta.test_mode = !event.meta.test_mode;
        attributes.test_mode = !attributes.test_mode;
      }
      if (change.store) attributes.store_id = 99;
      return JSON.stringify(event);
    },
    refundThere: async (ref, amount) => {
      const [kind, id = ""] = ref.split(":");
      books.refund(kind === "order" ? "orders" : "subscription-invoices", id, amount);
    },
    plans: {
      small: { price: usd(999), priceRef: "3" },
      large: { price: usd(2999), priceRef: "4" },
    },
    renew: async (ref, isPaid) => {
      books.renew(ref, isPaid);
    },
    close: async () => {
      await Promise.all([server.close(), receiver.close()]);
    },
  };
}
