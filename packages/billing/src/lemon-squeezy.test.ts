import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conform } from "../test/conformance.ts";
import { hasFixtures, listFixtures, parseFixture, readFixture } from "../test/fixtures.ts";
import { lemonSecret, referenceSecret, startLemonRig } from "../test/lemon-squeezy-rig.ts";
import {
  type LemonBooks,
  type LemonServer,
  lemonStore,
  signLemonSqueezy,
} from "../test/lemon-squeezy-server.ts";
import { collect, creditKeys, hear, ofKind, order, parseAll, type Rig } from "../test/rig.ts";
import { createLemonSqueezy } from "./lemon-squeezy.ts";
import { readReference, writeReference } from "./lemon-squeezy-reference.ts";

conform("lemon-squeezy", startLemonRig);

let rig: Rig & { books: LemonBooks; server: LemonServer };
beforeAll(async () => {
  rig = await startLemonRig();
});
afterAll(() => rig.close());

const heard = async () => parseAll(rig.provider, await rig.takeDeliveries());
const detailsOf = (facts: Awaited<ReturnType<typeof heard>>) =>
  ofKind(facts, "anomaly").map(({ detail }) => detail);

describe("our reference in custom data", () => {
  const price = { amount: 1000, currency: "USD" };
  const reference = { orderRef: "ord_1", kind: "pack" as const, price, variant: "2" };
  const written = writeReference(reference, referenceSecret, lemonStore);

  it("is read back, and not when any part of it is another", () => {
    expect(readReference(written, [referenceSecret], lemonStore)).toEqual(reference);
    for (const key of Object.keys(written)) {
      const other = { ...written, [key]: `${written[key]}1` };
      expect(readReference(other, [referenceSecret], lemonStore), key).toBeUndefined();
      const { [key]: _gone, ...rest } = written;
      expect(readReference(rest, [referenceSecret], lemonStore), key).toBeUndefined();
    }
    expect(readReference(written, [referenceSecret], "8")).toBeUndefined();
    expect(readReference(written, ["another secret"], lemonStore)).toBeUndefined();
    for (const custom of [null, undefined, "x", 7, [], { order: 25, sig: {} }]) {
      expect(readReference(custom, [referenceSecret], lemonStore)).toBeUndefined();
    }
  });

  it("is still read after our secret was rolled", () => {
    expect(readReference(written, ["the next secret", referenceSecret], lemonStore)).toEqual(
      reference,
    );
  });
});

describe("what buyers can do", () => {
  const buy = async (how: Parameters<LemonBooks["pay"]>[1]) => {
    const { created } = await order(rig);
    rig.books.pay(created.ref, how);
    return heard();
  };

  it("gives nothing for custom data of their own, or of another price", async () => {
    const forged = { order: "ord_1", kind: "pack", amount: "1000", currency: "USD", variant: "2" };
    for (const custom of [{ user_id: "1" }, forged, { ...forged, sig: "00" }, null]) {
      const facts = await buy({ custom });
      expect(creditKeys(facts)).toEqual([]);
      expect(detailsOf(facts)).toEqual(["foreign_session"]);
    }
  });

  it("gives nothing for a discount, a cheaper variant, two of it, or another store", async () => {
    expect(detailsOf(await buy({ discount: 500 }))).toEqual(["amount_mismatch"]);
    expect(detailsOf(await buy({ discount: 1000 }))).toEqual(["amount_mismatch"]);
    expect(detailsOf(await buy({ variant: 5 }))).toEqual(["variant_mismatch"]);
    expect(detailsOf(await buy({ quantity: 2 }))).toEqual(["variant_mismatch"]);
    expect(detailsOf(await buy({ storeId: 99 }))).toEqual(["store_mismatch"]);
  });

  it("takes a price in dollars that was charged in the buyer's currency, with taxes", async () => {
    const facts = await buy({ currency: "EUR", subtotal: 922, usdRate: 1.08405, tax: 221 });
    expect(ofKind(facts, "payment.succeeded")).toMatchObject([
      { money: { amount: 1143, currency: "EUR" }, price: { amount: 1000, currency: "USD" } },
    ]);
    const cheap = await buy({ currency: "EUR", subtotal: 100, usdRate: 1.08405 });
    expect(detailsOf(cheap)).toEqual(["amount_mismatch"]);
  });

  it("names the plan of a first invoice that paid the price, and of no cheaper one", async () => {
    const subscribe = async (how: Parameters<LemonBooks["pay"]>[1]) => {
      const { created } = await order(rig, { kind: "subscription", ...rig.plans?.small });
      rig.books.pay(created.ref, how);
      return ofKind(await heard(), "invoice.paid").map(({ planRef }) => planRef);
    };
    expect(await subscribe({})).toEqual(["3"]);
    expect(await subscribe({ tax: 200 })).toEqual(["3"]);
    for (const how of [{ subtotal: 500 }, { subtotal: 500, tax: 499 }, { discount: 1 }]) {
      expect(await subscribe(how)).toEqual([undefined]);
    }
    expect(await subscribe({ trial: true })).toEqual([undefined]);
  });

  it("dates a paid invoice by when it was made, however late it is refunded", async () => {
    const { created } = await order(rig, { kind: "subscription", ...rig.plans?.small });
    const paid = rig.books.pay(created.ref);
    await rig.dropDeliveries();
    const madeAt = new Date(rig.clock.now);
    rig.clock.now += 40 * 86_400_000;
    const [invoice] = [...rig.books.things.values()].filter(
      ({ type, attributes }) =>
        type === "subscription-invoices" && attributes.user_email === paid.attributes.user_email,
    );
    rig.books.refund("subscription-invoices", invoice?.id ?? "", 100);
    if (invoice) invoice.attributes.updated_at = rig.books.time();
    const told = await collect(rig.provider.reconcile({ since: new Date(0), open: [] }));
    const [fact] = ofKind(told, "invoice.paid").filter(
      ({ invoiceRef }) => invoiceRef === invoice?.id,
    );
    expect(fact?.occurredAt).toEqual(madeAt);
    const [back] = ofKind(told, "reversal.total").filter(
      ({ paymentRef }) => paymentRef === fact?.paymentRef,
    );
    expect(back?.occurredAt).toEqual(new Date(rig.clock.now));
  });

  it("doesn't credit an order that waits, failed or is a fraud", async () => {
    for (const [status, kind] of [
      ["pending", "payment.pending"],
      ["failed", "payment.failed"],
      ["fraudulent", "anomaly"],
      ["a_status_of_tomorrow", "anomaly"],
    ]) {
      const { created } = await order(rig);
      const paid = rig.books.pay(created.ref);
      paid.attributes.status = status;
      const { custom_data } = JSON.parse(rig.books.events.at(-1)?.body ?? "{}").meta;
      await rig.dropDeliveries();
      rig.books.emit("order_created", paid, custom_data);
      const facts = await heard();
      expect(creditKeys(facts), status).toEqual([]);
      expect(facts.map((fact) => fact.kind)).toEqual([kind]);
    }
  });
});

describe("webhooks", () => {
  it("are told apart by what they do, and not by ids or times that may repeat", async () => {
    const { created } = await order(rig);
    const paid = rig.books.pay(created.ref);
    rig.books.refund("orders", paid.id, 100);
    rig.books.refund("orders", paid.id, 100);
    const deliveries = await rig.takeDeliveries();
    const names = await Promise.all(
      deliveries.map(async ({ raw, headers }) => {
        return (await rig.provider.parseWebhook?.(raw, headers))?.dedupe;
      }),
    );
    expect(names).toEqual([
      `orders:${paid.id}:paid`,
      `orders:${paid.id}:refunded:100`,
      `orders:${paid.id}:refunded:200`,
    ]);
    // A resend may have another webhook_id.
    const [first] = deliveries;
    const resent = (first?.raw.toString("utf8") ?? "").replace(/"webhook_id":"\w{8}/, "$&");
    const body = JSON.parse(resent);
    body.meta.webhook_id = "00000000-0000-4000-8000-000000000000";
    const text = JSON.stringify(body);
    const delivery = await rig.provider.parseWebhook?.(
      Buffer.from(text),
      signLemonSqueezy(text, lemonSecret),
    );
    expect(delivery).toMatchObject({ dedupe: names[0], deliveryId: body.meta.webhook_id });
  });

  it("of a type that we don't know mean nothing", async () => {
    for (const type of ["license-keys", "affiliates", "discounts"]) {
      rig.books.emit(
        "license_key_created",
        rig.books.keep(type, "lemonsqueezy/api-go/webhook.json", {}),
      );
    }
    expect(await heard()).toEqual([]);
  });

  it("are refused when one of the two places names the other mode, or none names one", async () => {
    const { created } = await order(rig);
    await rig.pay(created.ref);
    const [delivery] = await rig.takeDeliveries();
    const original = delivery?.raw.toString("utf8") ?? "{}";
    const change = (edit: (event: ReturnType<typeof JSON.parse>) => void) => {
      const event = JSON.parse(original);
      edit(event);
      const text = JSON.stringify(event);
      return rig.provider.parseWebhook?.(Buffer.from(text), signLemonSqueezy(text, lemonSecret));
    };
    for (const edit of [
      (event: ReturnType<typeof JSON.parse>) => {
        event.meta.test_mode = false;
      },
      (event: ReturnType<typeof JSON.parse>) => {
        event.data.attributes.test_mode = false;
      },
      (event: ReturnType<typeof JSON.parse>) => {
        event.meta.test_mode = null;
        event.data.attributes.test_mode = null;
      },
    ]) {
      await expect(change(edit)).rejects.toMatchObject({
        detail: { extra: { reason: "wrong_mode" } },
      });
    }
    await expect(
      change((event) => {
        event.meta.test_mode = null;
      }),
    ).resolves.toBeDefined();
  });

  it("need secrets: without one anything would be signed", () => {
    const settings = { apiKey: "k", storeId: "1", mode: "test" as const };
    const make = (webhookSecrets: string[], referenceSecrets: string[]) => () =>
      createLemonSqueezy({ ...settings, webhookSecrets, referenceSecrets });
    expect(make([], [referenceSecret])).toThrow(/secret/);
    expect(make([lemonSecret], [])).toThrow(/secret/);
    expect(make([""], [referenceSecret])).toThrow(/secret/);
    expect(make([lemonSecret], [referenceSecret])).not.toThrow();
  });
});

describe("calls", () => {
  it("sends a checkout as the API wants it, which ends by itself", async () => {
    await order(rig);
    const sent = rig.server.requests.filter(({ path }) => path === "/v1/checkouts").at(-1);
    expect(sent?.headers["content-type"]).toBe("application/vnd.api+json");
    const { data } = JSON.parse(sent?.raw.toString("utf8") ?? "{}");
    expect(data).toMatchObject({
      type: "checkouts",
      attributes: {
        custom_price: 1000,
        test_mode: true,
        expires_at: new Date(rig.clock.now + 86_400_000).toISOString(),
        product_options: { enabled_variants: [2] },
        checkout_options: { discount: false },
        checkout_data: { variant_quantities: [{ variant_id: 2, quantity: 1 }] },
      },
      relationships: { store: { data: { id: lemonStore } }, variant: { data: { id: "2" } } },
    });
    await expect(order(rig, { priceRef: "../users" })).rejects.toMatchObject({
      code: "validation_failed",
    });
    const plan = { ...rig.plans?.small, kind: "subscription" as const };
    await order(rig, plan);
    const last = JSON.parse(rig.server.requests.at(-1)?.raw.toString("utf8") ?? "{}");
    expect(last.data.attributes).not.toHaveProperty("custom_price");
  });

  it("doesn't pay back twice when the first answer got lost", async () => {
    const { created, open } = await order(rig);
    await rig.pay(created.ref);
    const [paid] = ofKind(await hear(rig, open), "payment.succeeded");
    if (!paid) throw new Error("not paid");
    const input = {
      paymentRef: paid.paymentRef,
      money: { amount: 300, currency: "USD" },
      paid: paid.money,
      reversedBefore: { amount: 0, currency: "USD" },
      paidAt: new Date(),
      key: "one",
    };
    rig.faults.add("/refund", "status_500_after");
    await expect(rig.provider.refund?.(input)).rejects.toMatchObject({
      code: "provider_unavailable",
    });
    expect(await rig.provider.refund?.(input)).toMatchObject([{ reversed: { amount: 300 } }]);
    const [, id = ""] = paid.paymentRef.split(":");
    expect(rig.books.get("orders", id).attributes.refunded_amount).toBe(300);
    // Somebody paid back in the dashboard meanwhile: our books have to catch up first.
    rig.books.refund("orders", id, 50);
    const next = { ...input, reversedBefore: { amount: 300, currency: "USD" }, key: "two" };
    await expect(rig.provider.refund?.(next)).rejects.toMatchObject({ code: "invalid_state" });
  });

  it("gives no path to what is no id", async () => {
    for (const ref of ["../orders/1", "1?x=1", "", "1/refund"]) {
      await expect(rig.provider.fetchSubscription?.(ref)).rejects.toMatchObject({
        code: "validation_failed",
      });
      await expect(rig.provider.fetchReversals?.(`order:${ref}`)).rejects.toMatchObject({
        code: "validation_failed",
      });
    }
  });
});

describe("reconciliation without custom data", () => {
  const since = () => new Date(rig.clock.now - 1000);

  it("leaves an order alone whose buyer can't be told, under the key of its credit", async () => {
    const date = since();
    const one = await order(rig);
    const other = await order(rig);
    const paid = rig.books.pay(one.created.ref, { email: "somebody@else.example" });
    await rig.dropDeliveries();
    const open = [one.open, other.open];
    const find = async () => {
      const facts = await collect(rig.provider.reconcile({ since: date, open }));
      return facts.filter(({ effectKey }) => effectKey === `l:test:order:${paid.id}`);
    };
    // Its webhook may still be on the way.
    expect(await find()).toEqual([]);
    rig.clock.now += 5 * 60_000;
    expect(await find()).toMatchObject([{ kind: "anomaly", detail: "unknown_order" }]);
  });

  it("never chooses between two accounts, and takes the youngest order of one", async () => {
    const date = since();
    const customer = { accountRef: "acc_x", email: "shared@example.com" };
    const first = await order(rig, { customer });
    rig.clock.now += 1000;
    const second = await order(rig, { customer });
    rig.clock.now += 1000;
    const paid = rig.books.pay(second.created.ref);
    await rig.dropDeliveries();
    rig.clock.now += 5 * 60_000;
    const same = { email: customer.email, accountRef: "acc_x" };
    const open = [
      { ...first.open, ...same },
      { ...second.open, ...same },
    ];
    const find = async (orders: typeof open) => {
      const facts = await collect(rig.provider.reconcile({ since: date, open: orders }));
      return facts.find(({ effectKey }) => effectKey === `l:test:order:${paid.id}`);
    };
    expect(await find(open)).toMatchObject({
      kind: "payment.succeeded",
      orderRef: second.open.orderRef,
    });
    const [one, two] = open;
    if (!one || !two) throw new Error("two orders");
    const accounts = [one, { ...two, accountRef: "acc_y" }];
    expect(await find(accounts)).toMatchObject({ kind: "anomaly", detail: "unknown_order" });
    const later = open.map((each) => ({ ...each, createdAt: new Date(rig.clock.now + 1) }));
    expect(await find(later)).toMatchObject({ kind: "anomaly" });
    const dearer = { ...two, sent: { amount: 2000, currency: "USD" } };
    expect(await find([dearer])).toMatchObject({ detail: "unknown_order" });
  });

  it("stops at the date, although the list goes on", async () => {
    for (let count = 0; count < 3; count += 1) await rig.pay((await order(rig)).created.ref);
    rig.clock.now += 60_000;
    const date = since();
    const { created, open } = await order(rig);
    await rig.pay(created.ref);
    await rig.dropDeliveries();
    const facts = await collect(rig.provider.reconcile({ since: date, open: [open] }));
    expect(facts).toMatchObject([{ kind: "payment.succeeded", orderRef: open.orderRef }]);
  });
});

describe.skipIf(!hasFixtures)("payloads of Lemon Squeezy (needs ../shared/fixtures)", () => {
  const live = createLemonSqueezy({
    apiKey: "k",
    storeId: "1",
    webhookSecrets: [lemonSecret],
    referenceSecrets: [referenceSecret],
    mode: "live",
  });
  const read = async (path: string) => {
    const raw = readFixture(path);
    const text = raw.toString("utf8");
    return live.parseWebhook?.(raw, signLemonSqueezy(text, lemonSecret));
  };

  it("are read byte for byte, and credit nothing without our reference", async () => {
    const folder = "lemonsqueezy/webhooks-pay-rails";
    expect(await read(`${folder}/order_created.json`)).toMatchObject({
      type: "order_created",
      facts: [{ kind: "anomaly", detail: "foreign_session", about: "order:1" }],
    });
    expect(await read("lemonsqueezy/webhooks-go/order_created.json")).toMatchObject({
      facts: [{ kind: "anomaly", detail: "foreign_session" }],
    });
    expect((await read(`${folder}/subscription_payment_success.json`))?.facts).toMatchObject([
      {
        kind: "invoice.paid",
        effectKey: "l:live:sinv:1",
        subscriptionRef: "1",
        reason: "initial",
        trial: false,
        money: { amount: 999, currency: "USD" },
      },
    ]);
    expect((await read(`${folder}/subscription_payment_refunded.json`))?.facts).toMatchObject([
      { kind: "reversal.total", paymentRef: "sinv:1", reversed: { amount: 999 } },
    ]);
    // The documentation's subscription is of another store than its invoices.
    for (const name of ["subscription_created", "subscription_updated"]) {
      expect((await read(`${folder}/${name}.json`))?.facts).toMatchObject([
        { kind: "anomaly", detail: "store_mismatch" },
      ]);
    }
  });

  it("answer as recorded, and are read with whatever they leave out", async () => {
    const body = (name: string) => readFixture(`lemonsqueezy/api-go/${name}.json`).toString("utf8");
    rig.server.replay("GET /v1/subscriptions/1", { body: body("subscription") });
    expect(await rig.provider.fetchSubscription?.("1")).toMatchObject({
      status: "active",
      planRef: "1",
      customerRef: "1",
      periodEnd: new Date("2022-11-12T00:00:00Z"),
    });
    rig.server.replay("GET /v1/subscriptions/1", { body: body("subscription_cancelled") });
    expect(await rig.provider.fetchSubscription?.("1")).toMatchObject({
      status: "canceled",
      cancelAt: new Date("2022-11-12T00:00:00Z"),
    });
    rig.server.replay("DELETE /v1/subscriptions/1", { body: body("subscription_updated") });
    const canceled = rig.provider.cancelSubscription?.({ ref: "1", when: "period_end" });
    expect(await canceled).toMatchObject({ planRef: "11", status: "active" });
    rig.server.replay("GET /v1/orders/1", { body: body("order") });
    expect(await rig.provider.fetchReversals?.("order:1")).toMatchObject([
      { reversed: { amount: 0 }, of: { amount: 1199, currency: "USD" } },
    ]);
    rig.server.replay("GET /v1/subscription-invoices/1", { body: body("subscription_invoice") });
    expect(await rig.provider.fetchReversals?.("sinv:1")).toMatchObject([{ of: { amount: 999 } }]);
    const portal = { customerRef: "1", returnUrl: "https://app.example.com" };
    rig.server.replay("GET /v1/customers/1", { body: body("customer") });
    await expect(rig.provider.createPortalUrl?.(portal)).rejects.toMatchObject({
      code: "invalid_state",
    });
    rig.server.replay("POST /v1/checkouts", { status: 201, body: body("checkout") });
    const { created } = await order(rig);
    expect(created.ref).toBe("5e8b546c-c561-4a2c-a586-40c18bb2a195");
    for (const name of ["store", "users_me", "variant", "price", "webhook"]) {
      rig.server.replay("GET /v1/subscriptions/1", { body: body(name) });
      await expect(rig.provider.fetchSubscription?.("1")).rejects.toMatchObject({
        code: "provider_unavailable",
      });
    }
  });

  it("say something or raise an alarm, whichever of their fields is lost", async () => {
    const folders = ["lemonsqueezy/webhooks-pay-rails", "lemonsqueezy/webhooks-go"];
    for (const path of folders.flatMap(listFixtures)) {
      const event = parseFixture(path) as { data: { attributes: Record<string, unknown> } };
      for (const key of Object.keys(event.data.attributes)) {
        const { [key]: _gone, ...rest } = event.data.attributes;
        for (const attributes of [rest, { ...event.data.attributes, [key]: null }]) {
          const text = JSON.stringify({ ...event, data: { ...event.data, attributes } });
          const parsed = live.parseStoredWebhook?.(Buffer.from(text));
          if (key === "test_mode") {
            await expect(parsed, key).rejects.toMatchObject({ code: "signature_invalid" });
            continue;
          }
          expect((await parsed)?.facts.length, `${path} ${key}`).toBeGreaterThan(0);
        }
      }
    }
  });
});
