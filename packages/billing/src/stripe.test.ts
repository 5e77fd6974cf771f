import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conform } from "../test/conformance.ts";
import { hasFixtures, listFixtures, parseFixture } from "../test/fixtures.ts";
import { collect, creditKeys, hear, ofKind, order, parseAll, type Rig } from "../test/rig.ts";
import type { StripeBooks, StripeEvent } from "../test/stripe-books.ts";
import { startStripeRig, stripeSecret } from "../test/stripe-rig.ts";
import { type StripeServer, signStripe, stripeKey } from "../test/stripe-server.ts";
import { createStripe } from "./stripe.ts";
import { readEvent, stripeEventTypes } from "./stripe-facts.ts";

conform("stripe", startStripeRig);

let rig: Rig & { books: StripeBooks; server: StripeServer };
beforeAll(async () => {
  rig = await startStripeRig();
});
afterAll(() => rig.close());

const told = { mode: "test" as const, occurredAt: new Date(0) };
const heard = async () => parseAll(rig.provider, await rig.takeDeliveries());

function wrap(type: string, data: Record<string, unknown>): StripeEvent {
  const fixed = { id: "evt_1", object: "event", api_version: "2026-10-28.endive", created: 1 };
  return { ...fixed, livemode: false, type, data };
}

async function parse(event: unknown) {
  const body = JSON.stringify(event);
  const headers = signStripe(body, { secret: stripeSecret, at: rig.clock.now });
  return rig.provider.parseWebhook?.(Buffer.from(body), headers);
}

describe("the adapter itself", () => {
  it("refuses a key of the other mode and an empty secret, without repeating them", () => {
    const settings = {
      secretKey: stripeKey,
      webhookSecrets: [stripeSecret],
      mode: "test" as const,
    };
    expect(() => createStripe({ ...settings, secretKey: "sk_live_x" })).toThrow(/test mode/);
    expect(() => createStripe({ ...settings, mode: "live" })).toThrow(/live mode/);
    expect(() => createStripe({ ...settings, secretKey: "garbage" })).not.toThrow(/garbage/);
    expect(() => createStripe({ ...settings, webhookSecrets: [" "] })).toThrow(/empty/);
  });

  it("takes both secrets while one is being rolled", async () => {
    const both = createStripe({
      secretKey: stripeKey,
      webhookSecrets: ["whsec_new", stripeSecret],
      mode: "test",
      now: () => rig.clock.now,
    });
    const body = JSON.stringify(wrap("ping", { object: {} }));
    for (const secret of ["whsec_new", stripeSecret]) {
      const headers = signStripe(body, { secret, at: rig.clock.now });
      await expect(both.parseWebhook?.(Buffer.from(body), headers)).resolves.toMatchObject({
        facts: [],
        type: "ping",
      });
    }
  });

  it("refuses thin events, which have another shape", async () => {
    const thin = { id: "evt_2", object: "v2.core.event", type: "v1.invoice.paid", livemode: false };
    await expect(parse(thin)).rejects.toMatchObject({
      detail: { extra: { reason: "wrong_api_version" } },
    });
  });

  it("sends the placeholder unharmed, our order, and no removed parameter", async () => {
    await order(rig, { returnUrl: "https://app.example.com/return?x=1", saveMethod: true });
    const sent = rig.server.requests.filter(({ path }) => path === "/v1/checkout/sessions").at(-1);
    const form = new URLSearchParams(sent?.raw.toString("utf8"));
    expect(form.get("success_url")).toBe(
      "https://app.example.com/return?x=1&session_id={CHECKOUT_SESSION_ID}",
    );
    expect(form.get("payment_intent_data[setup_future_usage]")).toBe("off_session");
    expect(form.get("payment_intent_data[metadata][ducat_amount]")).toBe("1000");
    expect(form.get("metadata[ducat_currency]")).toBe("USD");
    expect(sent?.headers["idempotency-key"]).toMatch(/^checkout:ord_/);
    expect([...form.keys()].some((key) => key.startsWith("payment_method_types"))).toBe(false);
  });

  it("answers the same session when the same order is asked for again", async () => {
    const customer = { accountRef: "acc_same", email: "same@example.com" };
    const first = await order(rig, { orderRef: "ord_same", customer });
    const second = await order(rig, { orderRef: "ord_same", customer });
    expect(second.created).toEqual(first.created);
  });

  it("doesn't sell at a price that differs from the catalog's", async () => {
    const price = { amount: 500, currency: "USD" };
    await expect(order(rig, { price, priceRef: "price_small" })).rejects.toMatchObject({
      code: "invalid_state",
    });
  });

  it("keeps the end of a session within Stripe's bounds", async () => {
    const soon = await order(rig, { expiresAt: new Date(rig.clock.now + 1000) });
    const late = await order(rig, { expiresAt: new Date(rig.clock.now + 1e10) });
    const minutes = ({ created }: typeof soon) =>
      ((created.expiresAt?.getTime() ?? 0) - rig.clock.now) / 60_000;
    expect(minutes(soon)).toBeGreaterThanOrEqual(30);
    expect(minutes(late)).toBeLessThanOrEqual(24 * 60);
  });
});

describe("payments that take their time", () => {
  it("waits for a delayed method, and credits when it came through", async () => {
    const { created, open } = await order(rig);
    rig.books.pay(created.ref, { delayed: true });
    const waiting = await heard();
    expect(creditKeys(waiting)).toEqual([]);
    expect(ofKind(waiting, "payment.pending").length).toBeGreaterThan(0);
    expect(await rig.provider.settle?.(open)).toMatchObject([{ kind: "payment.pending" }]);
    rig.books.finishDelayed(created.ref, true);
    expect(creditKeys(await heard())).toHaveLength(1);
  });

  it("says so when it failed, by webhook and when asked", async () => {
    const { created, open } = await order(rig);
    rig.books.pay(created.ref, { delayed: true });
    rig.books.finishDelayed(created.ref, false);
    const facts = await heard();
    expect(creditKeys(facts)).toEqual([]);
    expect(ofKind(facts, "payment.failed")).toMatchObject([{ orderRef: open.orderRef }]);
    expect(await rig.provider.settle?.(open)).toMatchObject([{ kind: "payment.failed" }]);
  });

  it("closes an order whose session has ended", async () => {
    const { created, open } = await order(rig);
    rig.books.expire(created.ref);
    expect(ofKind(await heard(), "payment.expired")).toMatchObject([{ orderRef: open.orderRef }]);
    expect(await rig.provider.settle?.(open)).toMatchObject([{ kind: "payment.expired" }]);
  });
});

describe("what Stripe sends besides", () => {
  it("says that a payment isn't ours when it comes, and misses none of those later", async () => {
    const since = new Date(rig.clock.now);
    const session = rig.books.keep("checkout.session", "cs_test", {
      ...{ mode: "payment", status: "open", amount_total: 700, currency: "usd", customer: "cus_1" },
      ...{ metadata: {}, client_reference_id: "ord_1", intent_metadata: {} },
    });
    await rig.pay(session.id);
    expect(await heard()).toMatchObject([{ kind: "anomaly", detail: "foreign_session" }]);
    const facts = await collect(rig.provider.reconcile({ since, open: [] }));
    expect(facts.filter((fact) => JSON.stringify(fact).includes(session.id))).toEqual([]);
  });

  it("gives back what a failed refund took, by the truth and not by the message", async () => {
    const { created, open } = await order(rig);
    await rig.pay(created.ref);
    const [paid] = ofKind(await hear(rig, open), "payment.succeeded");
    const paymentRef = paid?.paymentRef ?? "";
    const refund = rig.books.refund(paymentRef, 400);
    await heard();
    rig.books.failRefund(refund.id);
    expect(await heard()).toMatchObject([{ kind: "reversal.touched", paymentRef }]);
    expect(await rig.provider.fetchReversals?.(paymentRef)).toMatchObject([
      { kind: "reversal.total", reversed: { amount: 0 } },
    ]);
  });

  it("opens no dispute for an inquiry, and only looks when a status is new", async () => {
    const dispute = { id: "dp_1", amount: 10, currency: "usd", payment_intent: "pi_1" };
    const read = (status: string) =>
      readEvent(wrap("charge.dispute.updated", { object: { ...dispute, status } }) as never, told);
    expect(read("warning_needs_response")).toEqual([]);
    expect(read("warning_closed")).toMatchObject([{ kind: "dispute.won" }]);
    expect(read("under_review")).toMatchObject([
      { kind: "dispute.opened", effectKey: "s:test:dp:dp_1:open" },
    ]);
    expect(read("appeal_under_review")).toMatchObject([{ kind: "reversal.touched" }]);
  });

  it("names whose card was removed, although a removed card belongs to nobody", async () => {
    const { created } = await order(rig, { saveMethod: true });
    await rig.pay(created.ref);
    const [saved] = ofKind(await heard(), "method.saved");
    rig.books.detach(saved?.methodRef ?? "");
    expect(await heard()).toMatchObject([
      { kind: "method.removed", methodRef: saved?.methodRef, customerRef: created.customerRef },
    ]);
  });

  it("ignores invoices that have no subscription, and payments of invoices", () => {
    const invoice = { id: "in_1", amount_paid: 5, currency: "usd", parent: null };
    expect(readEvent(wrap("invoice.paid", { object: invoice }) as never, told)).toEqual([]);
    const intent = { id: "pi_1", status: "succeeded", metadata: {}, amount_received: 5 };
    expect(readEvent(wrap("payment_intent.succeeded", { object: intent }) as never, told)).toEqual(
      [],
    );
  });

  it("tells a coupon of 100 % from a trial", () => {
    const line = {
      amount: 999,
      period: { start: 1, end: 2 },
      parent: { type: "subscription_item_details", subscription_item_details: {} },
      pricing: { price_details: { price: "price_small" } },
    };
    const parent = {
      type: "subscription_details",
      subscription_details: { subscription: "sub_1" },
    };
    const invoice = {
      id: "in_1",
      amount_paid: 0,
      currency: "usd",
      lines: { data: [line] },
      parent,
    };
    const object = { ...invoice, billing_reason: "subscription_create" };
    expect(readEvent(wrap("invoice.paid", { object }) as never, told)).toMatchObject([
      { trial: false, reason: "initial", planRef: "price_small", periodEnd: new Date(2000) },
    ]);
  });

  it("shows a subscription whose collection is paused, and ends one by its date", async () => {
    const plans = rig.plans?.small;
    const { created } = await order(rig, { kind: "subscription", ...plans });
    await rig.pay(created.ref);
    const ref = ofKind(await heard(), "subscription.touched")[0]?.subscriptionRef ?? "";
    const subscription = rig.books.get(ref);
    subscription.pause_collection = { behavior: "void", resumes_at: null };
    expect(await rig.provider.fetchSubscription?.(ref)).toMatchObject({
      status: "paused",
      pause: "free",
    });
    const cancel_at = Math.floor(rig.clock.now / 1000) + 1000;
    Object.assign(subscription, { pause_collection: null, cancel_at });
    const leaving = await rig.provider.fetchSubscription?.(ref);
    expect(leaving?.cancelAt).toEqual(new Date(cancel_at * 1000));
    expect((await rig.provider.resumeSubscription?.(ref))?.cancelAt).toBeUndefined();
    subscription.status = "a_status_of_tomorrow";
    await expect(rig.provider.fetchSubscription?.(ref)).rejects.toThrow(/a_status_of_tomorrow/);
  });

  it("reads events of an older version anew by their id", async () => {
    const { created, open } = await order(rig);
    const since = new Date(rig.clock.now);
    rig.books.apiVersion = "2020-08-27";
    await rig.pay(created.ref);
    rig.books.apiVersion = "2026-10-28.endive";
    // In that version these fields meant something else.
    for (const event of rig.books.events.slice(-2)) {
      Object.assign(event.data as object, {
        object: { ...(event.data as { object: object }).object, amount_total: 7, currency: "x" },
      });
    }
    await rig.dropDeliveries();
    const facts = await collect(rig.provider.reconcile({ since, open: [] }));
    const mine = facts.filter(({ orderRef }) => orderRef === open.orderRef);
    expect(creditKeys(mine)).toHaveLength(1);
    expect(ofKind(facts, "anomaly")).toEqual([]);
  });
});

describe.skipIf(!hasFixtures)("payloads of Stripe itself (needs ../shared/fixtures)", () => {
  const objects = listFixtures("stripe/openapi-objects").map(parseFixture);
  const eventsOf = (object: Record<string, unknown>) =>
    stripeEventTypes.filter((type) => {
      const noun = { "checkout.session": "checkout.session", dispute: "charge.dispute" };
      const name = String(object.object);
      return type.startsWith(`${noun[name as keyof typeof noun] ?? name}.`);
    });
  const subscriptionEvents = stripeEventTypes.filter((type) =>
    type.startsWith("customer.subscription."),
  );

  it("are read as they are, for every event that carries them", () => {
    let read = 0;
    for (const object of objects) {
      const types = object.object === "subscription" ? subscriptionEvents : eventsOf(object);
      for (const type of types) {
        const facts = readEvent(wrap(type, { object }) as never, told);
        expect(creditKeys(facts), type).toEqual([]);
        read += 1;
      }
    }
    expect(read).toBeGreaterThan(30);
  });

  it("are read with any of their fields missing or null, at any depth", async () => {
    for (const object of objects) {
      const [type] = object.object === "subscription" ? subscriptionEvents : eventsOf(object);
      if (!type) continue;
      for (const other of withOneChanged(object)) {
        const delivery = await rig.provider.parseStoredWebhook?.(
          Buffer.from(JSON.stringify(wrap(type, { object: other }))),
        );
        expect(creditKeys(delivery?.facts ?? []), type).toEqual([]);
      }
    }
  });

  it("are read without an alarm when what is null is not there at all", () => {
    for (const object of objects) {
      const [type] = object.object === "subscription" ? subscriptionEvents : eventsOf(object);
      if (!type) continue;
      const bare = JSON.parse(JSON.stringify(object, (_, value) => value ?? undefined));
      const facts = (data: unknown) => readEvent(wrap(type, { object: data }) as never, told);
      expect(facts(bare), type).toEqual(facts(object));
    }
  });

  it("give the whole payment or none, whichever field of a paid session is lost", async () => {
    const { created } = await order(rig);
    await rig.pay(created.ref);
    await rig.dropDeliveries();
    const session = rig.books.get(created.ref);
    const read = (object: unknown) =>
      readEvent(wrap("checkout.session.completed", { object }) as never, told);
    const [whole] = ofKind(read(session), "payment.succeeded");
    let lost = 0;
    for (const other of withOneChanged(session)) {
      const found = ofKind(read(other), "payment.succeeded");
      lost += found.length === 0 ? 1 : 0;
      for (const { effectKey, money, price } of found) {
        expect({ effectKey, money, price }).toEqual({
          effectKey: whole?.effectKey,
          money: whole?.money,
          price: whole?.price,
        });
      }
    }
    expect(lost).toBeGreaterThan(10);
  });

  it("of an older shape say what they can", async () => {
    const read = async (name: string, type: string) =>
      (await parse(wrap(type, parseFixture(`stripe/pay-rails/${name}.json`))))?.facts ?? [];
    expect(await read("checkout.session.completed", "checkout.session.completed")).toMatchObject([
      { kind: "subscription.touched", subscriptionRef: "sub_1LNkeSKXBGcbgpbZ7jMqOPSi" },
    ]);
    expect(await read("charge.refunded", "charge.refunded")).toMatchObject([
      { kind: "reversal.total", reversed: { amount: 500, currency: "USD" }, of: { amount: 1500 } },
    ]);
    expect(await read("subscription.updated", "customer.subscription.updated")).toMatchObject([
      { kind: "subscription.touched", subscriptionRef: "sub_00000000000000" },
    ]);
    // Where it doesn't name its subscription as this version does, it refills nothing.
    expect(creditKeys(await read("invoice", "invoice.paid")).length).toBeLessThanOrEqual(1);
  });
});

/** Copies with one field null, and with one field gone, for every field at every depth. */
function* withOneChanged(object: unknown): Generator<unknown> {
  if (typeof object !== "object" || object === null) return;
  for (const [key, value] of Object.entries(object)) {
    yield { ...object, [key]: null };
    const { [key]: _gone, ...rest } = object as Record<string, unknown>;
    yield rest;
    if (Array.isArray(value)) {
      for (const inner of withOneChanged(value[0])) yield { ...object, [key]: [inner] };
    } else {
      for (const inner of withOneChanged(value)) yield { ...object, [key]: inner };
    }
  }
}
