import { randomUUID } from "node:crypto";
import { chargeReload } from "@ducat/payments/charge-reload";
import { processWebhook } from "@ducat/payments/process-webhook";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { startStripeRig } from "../../../packages/billing/test/stripe-rig.ts";
import { chargingRigs, makeCardholder } from "../../../packages/payments/test/saved-cards.ts";
import { credits, openShop, type Shop } from "../../../packages/payments/test/shop.ts";
import { readState, type State } from "../test/account-state.ts";
import { type Stage, setStage } from "../test/stage.ts";
import { makeApp, type Sent, strip } from "../test/webhook-stage.ts";
import { type RunningServer, startServer } from "./server.ts";

const day = 86_400_000;
/** What an account has before it buys anything. */
const trial = 3;

type Cards = Awaited<ReturnType<(typeof chargingRigs)[number][1]>>;
type StripeCards = Cards & Awaited<ReturnType<typeof startStripeRig>>;

let stage: Stage;
let rig: StripeCards;
let shop: Shop;
let server: RunningServer;
beforeAll(async () => {
  stage = await setStage({ queue: "down" });
  const [, start] = chargingRigs.find(([name]) => name === "stripe") ?? [];
  rig = (await start?.()) as StripeCards;
  shop = await openShop(stage.db, rig);
  server = await startServer(makeApp(stage, rig.provider), { host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await server.close(1_000);
  await rig.close();
  await stage.close();
});

type Told = Sent & { type: string };

/** What Stripe has sent since the last call, signed as it signs, and not delivered yet. */
async function hold(): Promise<Told[]> {
  const sent = await rig.takeDeliveries();
  return sent.map(({ raw, headers }) => ({
    raw,
    headers: strip(headers),
    type: JSON.parse(raw.toString("utf8")).type,
  }));
}

/** Delivers the events of these types over HTTP, and processes each. */
async function deliver(held: Told[], ...types: string[]): Promise<void> {
  const chosen = held.filter(({ type }) => types.length === 0 || types.includes(type));
  expect(chosen.map(({ type }) => type)).toEqual(expect.arrayContaining(types));
  for (const { raw, headers } of chosen) {
    const url = `http://127.0.0.1:${server.port}/webhooks/stripe`;
    const answer = await fetch(url, { method: "POST", headers, body: new Uint8Array(raw) });
    expect([answer.status, await answer.text()]).toEqual([200, "ok"]);
    const [row] = await stage.db.admin`SELECT id FROM ducat.webhook_events WHERE body = ${raw}`;
    await processWebhook(shop.deps, String(row?.id));
  }
}

/** The same happening under another event id, signed anew. */
function rename(told: Told | undefined): Told {
  const event = JSON.parse(told?.raw.toString("utf8") ?? "");
  const signed = rig.sign?.(JSON.stringify({ ...event, id: `evt_${randomUUID()}` }));
  return { ...(signed as Sent), type: event.type };
}

/** What became different of all that an account has. */
async function changesOf(accountId: string, act: () => Promise<unknown>): Promise<Partial<State>> {
  const before = await readState(stage.db.admin, accountId);
  await act();
  const after = await readState(stage.db.admin, accountId);
  const names = Object.keys(after) as (keyof State)[];
  const changed = names.filter(
    (name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]),
  );
  return Object.fromEntries(changed.map((name) => [name, newOf(before[name], after[name])]));
}

/** Of what was told to somebody only the news. */
const newOf = <T>(before: T, after: T) =>
  Array.isArray(before) && Array.isArray(after) && typeof after[0] === "string"
    ? after.slice(before.length)
    : after;

/** An account that can be written to. */
async function makeAccount(): Promise<string> {
  const id = await stage.makeAccount();
  await stage.db.admin`UPDATE ducat.accounts SET email = ${`${id}@example.com`} WHERE id = ${id}`;
  return id;
}

/** A customer who has just paid for the small plan; nothing is delivered yet. */
async function startPlan() {
  rig.clock.now = Math.floor(Date.now() / 1_000) * 1_000;
  const { accountId, page } = await shop.order("small", await makeAccount());
  await rig.pay(page);
  const held = await hold();
  const { subscription } = rig.books.get(page);
  return { accountId, held, ref: String(subscription) };
}

/** The same when all of it has been heard. */
async function keepPlan() {
  const { accountId, held, ref } = await startPlan();
  await deliver(held);
  return { accountId, ref };
}

const plan = { status: "active", credits: credits.small, cancels: false, late: false };

describe("what docs/payments.md says of an event of Stripe is what it does:", () => {
  it("customer.subscription.created links the plan to its order, without credits", async () => {
    const { accountId, held } = await startPlan();
    const change = () => deliver(held, "customer.subscription.created");
    const created = { purpose: "subscription", status: "created", reason: null, charged: null };
    expect(await changesOf(accountId, change)).toEqual({
      plan: { ...plan, period: expect.any(Number) },
      payments: [{ ...created, granted: 0, ofPlan: true }],
      events: ["subscription.changed"],
    });
    expect(await changesOf(accountId, change)).toEqual({});
  });

  it("customer.subscription.updated brings a cancellation, and what it takes back", async () => {
    const { accountId, ref } = await keepPlan();
    const { cancelSubscription, resumeSubscription } = rig.provider;
    await cancelSubscription?.({ ref, when: "period_end" });
    const held = await hold();
    const changed = await changesOf(accountId, () =>
      deliver(held, "customer.subscription.updated"),
    );
    expect(changed).toMatchObject({ plan: { ...plan, cancels: true } });
    expect(Object.keys(changed)).toEqual(["plan", "events"]);
    await resumeSubscription?.(ref);
    const back = await hold();
    expect(await changesOf(accountId, () => deliver(back))).toMatchObject({ plan });
  });

  it("customer.subscription.updated brings another plan and period, without credits", async () => {
    const { accountId, ref } = await keepPlan();
    rig.clock.now += 15 * day;
    const { price, priceRef: planRef } = rig.plans?.large ?? {};
    if (!price || !planRef) throw new Error("there is no large plan");
    await rig.provider.changePlan?.({ ref, planRef, price, when: "now", key: ref });
    const held = await hold();
    const type = "customer.subscription.updated";
    const changed = await changesOf(accountId, () => deliver(held, type));
    expect(changed).toMatchObject({ plan: { ...plan, credits: credits.large } });
    expect(Object.keys(changed)).toEqual(["plan", "events"]);
    await rig.renew?.(ref, true);
    const later = await hold();
    const before = changed.plan?.period ?? Number.NaN;
    const renewed = await changesOf(accountId, () => deliver(later, type));
    expect(Object.keys(renewed)).toEqual(["plan", "events"]);
    expect(renewed.plan?.period).toBeGreaterThan(before + 27 * day);
  });

  it("customer.subscription.deleted ends it at once, and what was paid for stays", async () => {
    const { accountId, ref } = await keepPlan();
    await rig.provider.cancelSubscription?.({ ref, when: "now" });
    const held = await hold();
    const changed = await changesOf(accountId, () =>
      deliver(held, "customer.subscription.deleted"),
    );
    expect(changed).toMatchObject({
      plan: { ...plan, status: "canceled", cancels: true },
      messages: ["subscription_ended"],
      events: ["subscription.changed"],
    });
    expect(Object.keys(changed)).toEqual(["plan", "messages", "events"]);
    expect(await readState(stage.db.admin, accountId)).toMatchObject({
      available: trial + credits.small,
    });
  });

  it("invoice.paid refills once, whatever came before it and under however many ids", async () => {
    const { accountId, held } = await startPlan();
    const paid = { purpose: "subscription", status: "succeeded", reason: "initial" };
    const changed = await changesOf(accountId, () => deliver(held, "invoice.paid"));
    expect(changed).toEqual({
      available: trial + credits.small,
      plan: { ...plan, period: expect.any(Number) },
      payments: [{ ...paid, charged: 999, granted: credits.small, ofPlan: true }],
      messages: ["receipt"],
      events: ["subscription.changed", "credits.granted", "payment.succeeded"],
    });
    const again = rename(held.find(({ type }) => type === "invoice.paid"));
    expect(await changesOf(accountId, () => deliver([again]))).toEqual({});
  });

  it("invoice.paid of a plan change gives the prorated difference once", async () => {
    const { accountId, ref } = await keepPlan();
    rig.clock.now += 15 * day;
    const { price, priceRef: planRef } = rig.plans?.large ?? {};
    if (!price || !planRef) throw new Error("there is no large plan");
    await rig.provider.changePlan?.({ ref, planRef, price, when: "now", key: ref });
    const held = await hold();
    const changed = await changesOf(accountId, () => deliver(held, "invoice.paid"));
    // Half of the month is left.
    const added = Math.floor((credits.large - credits.small) / 2);
    expect(changed.available).toBe(trial + credits.small + added);
    expect(changed.payments?.at(-1)).toMatchObject({ reason: "update", granted: added });
    const again = rename(held.find(({ type }) => type === "invoice.paid"));
    expect(await changesOf(accountId, () => deliver([again]))).toEqual({});
  });

  it("invoice.payment_failed tells the customer once, and the plan has its grace", async () => {
    const { accountId, ref } = await keepPlan();
    await rig.renew?.(ref, false);
    const held = await hold();
    const type = "invoice.payment_failed";
    const changed = await changesOf(accountId, () => deliver(held, type));
    expect(changed).toMatchObject({
      plan: { ...plan, status: "past_due", late: true },
      messages: ["payment_failed"],
    });
    expect(changed).not.toHaveProperty("available");
    expect(changed.payments?.at(-1)).toMatchObject({ status: "failed", granted: 0 });
    const again = rename(held.find((told) => told.type === type));
    expect(await changesOf(accountId, () => deliver([again]))).toEqual({});
    const { body } = await stage.call("/v1/subscription", { account: accountId });
    expect(Date.parse(body.access_until)).toBeGreaterThan(Date.now() + 6 * day);
  });

  it("customer.updated makes the card that was chosen in the portal the one to charge", async () => {
    const { accountId, page } = await shop.order("pack", await makeAccount(), {
      savesMethod: true,
    });
    await rig.pay(page);
    await deliver(await hold());
    rig.clock.now += 1_000;
    const customer = rig.books.get(rig.books.get(page).customer);
    rig.books.emit("customer.updated", { ...customer, email: "another@example.com" });
    const other = await hold();
    expect(await changesOf(accountId, () => deliver(other))).toEqual({});
    const settings = { default_payment_method: "pm_chosen" };
    rig.books.emit("customer.updated", { ...customer, invoice_settings: settings });
    const held = await hold();
    expect(await changesOf(accountId, () => deliver(held))).toEqual({ card: "pm_chosen" });
  });

  it("payment_intent.succeeded credits a pack once, by the same key as the session", async () => {
    const { accountId, page } = await shop.order("pack", await makeAccount());
    await rig.pay(page);
    const held = await hold();
    const changed = await changesOf(accountId, () => deliver(held, "payment_intent.succeeded"));
    const paid = { purpose: "pack", status: "succeeded", reason: null, charged: 1_000 };
    expect(changed).toEqual({
      available: trial + credits.pack,
      payments: [{ ...paid, granted: credits.pack, ofPlan: false }],
      messages: ["receipt"],
      events: ["credits.granted", "payment.succeeded"],
    });
    const more = [...held, rename(held.find(({ type }) => type === "payment_intent.succeeded"))];
    expect(await changesOf(accountId, () => deliver(more))).toEqual({});
  });

  /** A reload by a saved card, of which Stripe's answer got lost. */
  async function reload(later: "succeeds" | "declines") {
    const holder = await makeCardholder(stage.db, rig, { later });
    await holder.spend(85);
    await hold();
    rig.faults.add(rig.calls.charge ?? "", "status_500_after");
    await chargeReload(shop.deps, holder.id);
    expect((await holder.readAttempts())[0]?.status).toBe("unknown");
    return { holder, held: await hold() };
  }

  it("payment_intent.succeeded credits a reload once", async () => {
    const { holder, held } = await reload("succeeds");
    const changed = await changesOf(holder.id, () => deliver(held, "payment_intent.succeeded"));
    expect(changed).toMatchObject({ available: 65, messages: ["receipt"] });
    expect(await holder.readAttempts()).toMatchObject([{ status: "succeeded" }]);
    const again = rename(held[0]);
    expect(await changesOf(holder.id, () => deliver([again]))).toEqual({});
  });

  it("payment_intent.payment_failed counts a reload's failure and sends a link", async () => {
    const { holder, held } = await reload("declines");
    const type = "payment_intent.payment_failed";
    const changed = await changesOf(holder.id, () => deliver(held, type));
    expect(changed).toMatchObject({ failures: 1, messages: ["reload_needs_customer"] });
    expect(changed.events).toContain("auto_reload.needs_customer");
    expect(changed).not.toHaveProperty("available");
    expect(await holder.readAttempts()).toMatchObject([{ status: "needs_customer" }]);
    const again = rename(held[0]);
    expect(await changesOf(holder.id, () => deliver([again]))).toEqual({});
  });

  it("payment_intent.payment_failed leaves a page open, until its session says so", async () => {
    const { accountId, page } = await shop.order("pack", await makeAccount());
    rig.books.pay(page, { delayed: true });
    await deliver(await hold());
    rig.books.finishDelayed(page, false);
    const held = await hold();
    const intent = () => deliver(held, "payment_intent.payment_failed");
    expect(await changesOf(accountId, intent)).toEqual({});
    const session = () => deliver(held, "checkout.session.async_payment_failed");
    const { payments } = await changesOf(accountId, session);
    expect(payments).toMatchObject([{ status: "failed", granted: 0 }]);
  });
});
