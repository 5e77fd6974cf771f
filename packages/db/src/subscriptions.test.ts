import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makePrice } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import {
  addMonths,
  listAnomalies,
  listEvents,
  makePlan,
  makeSubscribed,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, findBalance } from "./credits.ts";
import {
  applySubscription,
  drawTicket,
  findSubscription,
  type SubscriptionStatus,
  scheduleChange,
} from "./subscriptions.ts";

const database = useDatabase({ checksEvents: true });

const listMessages = (accountId: string) => database.admin<{ kind: string }[]>`
  SELECT kind FROM ducat.messages WHERE account_id = ${accountId} ORDER BY id`;

describe("a snapshot", () => {
  it("makes the subscription of the account whose order it names, and gives no credits", async () => {
    const one = await makeSubscribed(database);
    const shown = await one.show();
    expect(shown).toMatchObject({
      outcome: "applied",
      subscription: {
        account_id: one.accountId,
        product_id: one.offer.product.id,
        price_id: one.offer.price.id,
        status: "active",
        interval: "month",
        period_end: one.period(0)[1],
      },
    });
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      id: shown.subscription?.id,
      product: { key: one.offer.product.key, grace_days: 7 },
      price: { amount: 900, currency: "USD", interval: "month" },
      next_product: null,
    });
    expect(await findBalance(database.app, one.accountId)).toMatchObject({ available: 3 });
    const [payment] = await database.admin`
      SELECT subscription_id, status FROM ducat.payments WHERE id = ${one.order.id}`;
    expect(payment).toEqual({ subscription_id: shown.subscription?.id, status: "created" });
  });

  it("that is the same again is known; the older of two is stale and changes nothing", async () => {
    const one = await makeSubscribed(database);
    const [early, late] = [await drawTicket(database.app), await drawTicket(database.worker)];
    const tell = (ticket: number, status: SubscriptionStatus) =>
      applySubscription(database.worker, {
        ...one.about,
        snapshot: one.snapshotOf({ status }),
        ticket,
      });
    expect(await tell(late, "past_due")).toMatchObject({ outcome: "applied" });
    expect(await tell(early, "active")).toMatchObject({ outcome: "stale" });
    expect(await tell(late, "active")).toMatchObject({
      outcome: "stale",
      subscription: { status: "past_due" },
    });
    expect(await one.show({ status: "past_due" })).toMatchObject({ outcome: "known" });
    // A newer fetch that saw nothing new still outdates an older one.
    expect(await tell(late + 1, "canceled")).toMatchObject({ outcome: "stale" });
  });

  it("of an order of another provider or mode, or of nobody's, is unknown", async () => {
    const one = await makeSubscribed(database);
    const ticket = await drawTicket(database.worker);
    const snapshot = one.snapshotOf();
    const unknown = { outcome: "unknown" };
    for (const about of [
      { provider: "sandbox", mode: "live" },
      { provider: "stripe", mode: "test" },
    ] as const) {
      const shown = await applySubscription(database.worker, { ...about, snapshot, ticket });
      expect(shown).toEqual(unknown);
    }
    expect(await one.show({ orderRef: undefined })).toEqual(unknown);
    expect(await one.show({ orderRef: randomUUID() })).toEqual(unknown);
    expect(await findSubscription(database.app, one.accountId)).toBeUndefined();
  });

  it("without an order belongs to the one account of its customer, not to one of two", async () => {
    const one = await makeSubscribed(database);
    const other = await makeAccount(database.app);
    await one.show();
    const second = { ref: `sub_${randomUUID()}`, orderRef: undefined };
    expect(await one.show(second)).toMatchObject({
      outcome: "applied",
      subscription: { account_id: one.accountId },
    });
    // Two at once is for a person to look at.
    expect(await listAnomalies(database.admin, second.ref)).toEqual([
      { kind: "second_subscription" },
    ]);
    await database.admin`
      INSERT INTO ducat.provider_customers (account_id, provider, mode, customer_ref)
      VALUES (${other.id}, 'sandbox', 'test', ${one.customerRef})`;
    const third = { ref: `sub_${randomUUID()}`, orderRef: undefined };
    expect(await one.show(third)).toEqual({ outcome: "unknown" });
  });

  it("of a plan that we don't sell is refused with an anomaly, and makes nothing", async () => {
    const one = await makeSubscribed(database);
    const pack = await makePlan(database.admin, { kind: "pack" }, { interval: "once" });
    for (const planRef of ["price_of_nobody", pack.price.provider_ref ?? ""]) {
      expect(await one.show({ planRef })).toEqual({ outcome: "refused" });
    }
    expect(await listAnomalies(database.admin, one.ref)).toEqual([{ kind: "unmapped_plan" }]);
    expect(await findSubscription(database.app, one.accountId)).toBeUndefined();
  });

  it("of a running one with such a plan keeps the plan and takes all else: it can end", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    expect(await one.show({ planRef: "price_of_nobody", status: "canceled" })).toMatchObject({
      outcome: "refused",
      subscription: { status: "canceled", product_id: one.offer.product.id },
    });
  });

  it("finds plans that have no name at the provider by the order, by our price, by history", async () => {
    const plan = await makePlan(database.admin, {}, { provider: null, provider_ref: null });
    const product_id = plan.product.id;
    const byOrder = await makeSubscribed(database, { plan });
    expect(await byOrder.show({ planRef: byOrder.order.reference })).toMatchObject({
      subscription: { product_id },
    });
    const byPrice = await makeSubscribed(database, { plan });
    expect(await byPrice.show({ planRef: plan.price.id })).toMatchObject({
      subscription: { product_id },
    });
    const made = await makeSubscribed(database, { plan });
    const onTheSpot = { planRef: `price_${randomUUID()}` };
    expect(await made.show(onTheSpot)).toMatchObject({ subscription: { product_id } });
    expect(await made.show(onTheSpot)).toMatchObject({ outcome: "known" });
    expect(await made.pay(onTheSpot)).toMatchObject({ outcome: "applied" });
    expect(await made.show({ planRef: "another" })).toMatchObject({ outcome: "refused" });
  });

  it("that tells only when it renews has a period all the same, and a trial its own", async () => {
    const start = new Date(Date.UTC(2030, 4, 31));
    const one = await makeSubscribed(database, { start });
    const dates = { periodStart: undefined, periodEnd: addMonths(start, 1) };
    const { subscription } = await one.show(dates);
    expect(subscription?.period_end).toEqual(addMonths(start, 1));
    expect(subscription?.period_start).toEqual(new Date(Date.UTC(2030, 4, 30)));
    // Past due it tells none: what was so stays.
    const due = await one.show({
      status: "past_due",
      periodStart: undefined,
      periodEnd: undefined,
    });
    expect(due.subscription?.period_end).toEqual(addMonths(start, 1));
    const trial = await makeSubscribed(database);
    const ends = new Date(Date.now() + 14 * 86_400_000);
    const told = { status: "trialing", trialEndsAt: ends, periodEnd: ends } as const;
    const begun = await trial.show({ ...told, periodStart: undefined });
    expect(begun.subscription?.period_end).toEqual(ends);
    expect(begun.subscription?.period_start?.getTime()).toBeGreaterThan(Date.now() - 60_000);
    const after = { status: "active", periodStart: undefined, periodEnd: addMonths(ends, 1) };
    const paid = await trial.show(after as Parameters<typeof trial.show>[0]);
    expect(paid.subscription?.period_start).toEqual(addMonths(addMonths(ends, 1), -1));
  });
});

describe("the states", () => {
  it("are the provider's, each told to the world once", async () => {
    const one = await makeSubscribed(database);
    const states = ["incomplete", "trialing", "active", "past_due", "unpaid", "active"] as const;
    for (const status of states) {
      expect(await one.show({ status })).toMatchObject({ subscription: { status } });
      await one.show({ status });
    }
    const events = await listEvents(database.admin, one.accountId, "subscription.changed");
    expect(events.map(({ data }) => data.status)).toEqual(states);
    expect(events[2]?.data).toMatchObject({ product: one.offer.product.key, cancel_at: null });
  });

  it("past due: since when is kept until it is paid, by the account's clock", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    await advanceClock(database.app, one.accountId, 40 * 86_400);
    const first = (await one.show({ status: "past_due" })).subscription?.past_due_at;
    expect(((first?.getTime() ?? 0) - Date.now()) / 86_400_000).toBeCloseTo(40, 1);
    expect(await one.show({ status: "unpaid" })).toMatchObject({
      subscription: { past_due_at: first },
    });
    expect(await one.show()).toMatchObject({ subscription: { past_due_at: null } });
  });

  it("paused: without access unless the provider says that it is free", async () => {
    const one = await makeSubscribed(database);
    const paused = { status: "paused" } as const;
    expect(await one.show(paused)).toMatchObject({ subscription: { pause: "no_access" } });
    expect(await one.show({ ...paused, pause: "free" })).toMatchObject({
      subscription: { pause: "free" },
    });
    expect(await one.show()).toMatchObject({ subscription: { status: "active", pause: null } });
  });

  it("canceled at the period's end runs until then, can be resumed, and ends once", async () => {
    const one = await makeSubscribed(database);
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${one.accountId}@example.com`}
      WHERE id = ${one.accountId}`;
    const cancelAt = one.period(0)[1];
    await one.show();
    expect(await one.show({ cancelAt })).toMatchObject({
      subscription: { status: "active", cancel_at: cancelAt, ended_at: null },
    });
    expect(await one.show()).toMatchObject({ subscription: { cancel_at: null } });
    await one.show({ cancelAt });
    const ended = await one.show({ status: "canceled", cancelAt: new Date(Date.now() - 1000) });
    expect(ended.subscription?.ended_at?.getTime()).toBeLessThan(Date.now());
    expect(await one.show({ status: "canceled" })).toMatchObject({
      subscription: { ended_at: ended.subscription?.ended_at },
    });
    expect(await listMessages(one.accountId)).toEqual([{ kind: "subscription_ended" }]);
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      status: "canceled",
    });
  });

  it("of one whose first payment never came end without a word", async () => {
    const one = await makeSubscribed(database);
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${one.accountId}@example.com`}
      WHERE id = ${one.accountId}`;
    await one.show({ status: "incomplete" });
    await one.show({ status: "canceled" });
    expect(await listMessages(one.accountId)).toEqual([]);
  });
});

describe("another plan", () => {
  it("is in force at once when it is more, and from the next period when it is less", async () => {
    const one = await makeSubscribed(database);
    const [small, large] = await Promise.all([
      makePlan(database.admin, { credits: 10 }, { amount: 100 }),
      makePlan(database.admin, { credits: 500 }, { amount: 4000 }),
    ]);
    const [smallRef, largeRef] = [small.price.provider_ref, large.price.provider_ref].map(String);
    await one.show();
    expect(await one.show({ planRef: largeRef })).toMatchObject({
      subscription: { product_id: large.product.id, next_product_id: null },
    });
    expect(await one.show({ planRef: smallRef })).toMatchObject({
      subscription: {
        product_id: large.product.id,
        price_id: large.price.id,
        next_product_id: small.product.id,
        next_price_id: small.price.id,
      },
    });
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      next_product: { key: small.product.key },
    });
    // Taken back, and planned again.
    expect(await one.show({ planRef: largeRef })).toMatchObject({
      subscription: { next_product_id: null },
    });
    await one.show({ planRef: smallRef });
    expect(await one.show({ planRef: smallRef, n: 1 })).toMatchObject({
      subscription: { product_id: small.product.id, next_product_id: null },
    });
  });

  it("of as many credits is less when it costs less a month", async () => {
    const one = await makeSubscribed(database);
    const plan = { credits: 100 };
    const cheap = await makePlan(database.admin, plan, { amount: 800 });
    const year = await makePlan(database.admin, plan, { amount: 9000, interval: "year" });
    await one.show();
    expect(await one.show({ planRef: cheap.price.provider_ref ?? "" })).toMatchObject({
      subscription: { next_product_id: cheap.product.id },
    });
    // A year begins a period of its own.
    const start = new Date();
    const period = { periodStart: start, periodEnd: addMonths(start, 12) };
    expect(await one.show({ planRef: year.price.provider_ref ?? "", ...period })).toMatchObject({
      subscription: { product_id: year.product.id, interval: "year", next_product_id: null },
    });
  });

  it("that is scheduled by us waits for the next period; the running one takes it back", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const { app, admin } = database;
    const small = await makePlan(admin, { credits: 10 }, { amount: 100 });
    const change = { priceId: small.price.id };
    expect(await scheduleChange(app, one.accountId, change)).toMatchObject({
      product_id: one.offer.product.id,
      next_price_id: small.price.id,
    });
    expect(await scheduleChange(app, one.accountId, change)).toMatchObject({
      next_product_id: small.product.id,
    });
    const back = { priceId: one.offer.price.id };
    expect(await scheduleChange(app, one.accountId, back)).toMatchObject({ next_price_id: null });
  });

  it("is refused where it is not sold to the account, or nothing runs", async () => {
    const one = await makeSubscribed(database);
    const { app, admin } = database;
    const ask = (priceId: string, accountId = one.accountId) =>
      refusalOf(scheduleChange(app, accountId, { priceId }));
    const missing = { code: "not_found", what: "subscription" };
    expect(await ask(one.offer.price.id)).toMatchObject(missing);
    await one.show();
    const other = await makeAccount(app);
    expect(await ask(one.offer.price.id, other.id)).toMatchObject(missing);
    const noPrice = { code: "not_found", what: "price" };
    expect(await ask(randomUUID())).toMatchObject(noPrice);
    const vendors = await makePlan(admin, { audience: "vendor" });
    const pack = await makePlan(admin, { kind: "pack" }, { interval: "once" });
    const stripe = await makePlan(admin, {}, { provider: "stripe" });
    const retired = await makePlan(admin, {}, { is_active: false });
    for (const { price } of [vendors, pack, stripe, retired]) {
      expect(await ask(price.id)).toMatchObject(noPrice);
    }
    const rials = await makePrice(admin, one.offer.product.id, {
      ...{ currency: "IRR", interval: "month", provider: "sandbox" },
    });
    expect(await ask(rials.id)).toMatchObject({ code: "invalid_state", reason: "currency" });
  });
});

describe("other accounts", () => {
  it("see nothing of a subscription", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const other = await makeAccount(database.app);
    expect(await findSubscription(database.app, other.id)).toBeUndefined();
    expect(await database.app`SELECT FROM ducat.subscriptions`).toEqual([]);
  });
});
