import { describe, expect, it, onTestFinished } from "vitest";
import {
  makeOffer,
  makePaid,
  makePayment,
  makePrice,
  makeSucceededFact,
} from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { addMonths, listPlanGrants } from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, findBalance, freezeAccount } from "./credits.ts";
import { cancelOwn, resumeOwn, sweepOwnSubscriptions } from "./own-subscriptions.ts";
import { listPayments } from "./payment-list.ts";
import { findPayment, type Payment, settlePayment } from "./payments.ts";
import { refillAccount } from "./refills.ts";
import { findSubscription, scheduleChange } from "./subscriptions.ts";

const database = useDatabase();
const day = 86_400;
const audit = { actor: "root", request_id: "request-1", ip: null };
const zarinpal = { provider: "zarinpal", mode: "test" } as const;

type Product = NonNullable<Parameters<typeof makeOffer>[1]>;

const makeOwnPlan = (product: Product = {}, price: Parameters<typeof makeOffer>[2] = {}) =>
  makeOffer(
    database.admin,
    { kind: "plan", credits: 100, ...product },
    { currency: "IRR", amount: 500_000, interval: "month", ...price },
  );

/** An account whose first order of a plan is paid, at a provider without subscriptions. */
async function begin(offer?: Awaited<ReturnType<typeof makeOwnPlan>>) {
  const plan = offer ?? (await makeOwnPlan());
  const { id: accountId } = await makeAccount(database.app);
  await database.admin`
    UPDATE ducat.accounts SET email = ${`${accountId}@example.com`} WHERE id = ${accountId}`;
  const first = await makePaid(database.app, accountId, { priceId: plan.price.id, ...zarinpal });
  const current = async () => {
    const found = await findSubscription(database.app, accountId);
    if (!found) throw new Error("there is no subscription");
    return found;
  };
  const { period_end } = await current();
  if (!period_end) throw new Error("the subscription has no period");
  return {
    accountId,
    plan,
    first,
    current,
    end: period_end,
    /** Goes to `days` before (or after) a moment and sweeps. */
    goTo: async (moment: Date, days = 0) => {
      const [row] = await database.admin<{ now: Date }[]>`
        SELECT clock_timestamp() + clock_offset AS now FROM ducat.credit_accounts
        WHERE account_id = ${accountId}`;
      const to = moment.getTime() + days * day * 1000;
      const seconds = Math.ceil((to - (row?.now.getTime() ?? 0)) / 1000);
      await advanceClock(database.app, accountId, seconds);
      return await sweepOwnSubscriptions(database.worker);
    },
    renewals: async () =>
      (await listPayments(database.app, accountId, { limit: 20 }))
        .filter(({ purpose }) => purpose === "renewal")
        .reverse(),
    messages: async () =>
      (
        await database.admin<{ kind: string }[]>`
          SELECT kind FROM ducat.messages
          WHERE account_id = ${accountId} AND kind <> 'receipt' ORDER BY id`
      ).map(({ kind }) => kind),
    grants: () => listPlanGrants(database.admin, accountId),
  };
}

const pay = (payment: Payment | undefined) => {
  if (!payment) throw new Error("there is no order to pay");
  return settlePayment(database.worker, makeSucceededFact(payment));
};

describe("the first order of a plan", () => {
  it("that is paid begins a subscription with its period and credits, once", async () => {
    const one = await begin();
    expect(await one.current()).toMatchObject({
      ...{ status: "active", provider: "zarinpal", provider_ref: null, interval: "month" },
      ...{ product_id: one.plan.product.id, cancel_at: null, refill_payment_id: one.first.id },
    });
    expect(one.first).toMatchObject({ credits: 100, credits_granted: 100, status: "succeeded" });
    const again = {
      effectKey: one.first.effect_key ?? "",
      paymentRef: one.first.provider_ref ?? "",
    };
    expect(await settlePayment(database.worker, makeSucceededFact(one.first, again))).toMatchObject(
      {
        outcome: "known",
      },
    );
    expect(await one.grants()).toEqual([[100, 100, 0]]);
    const { period_start } = await one.current();
    expect(one.end).toEqual(addMonths(period_start ?? one.end, 1));
    expect(await findBalance(database.app, one.accountId)).toMatchObject({
      available: 103,
      period: { granted: 100 },
    });
  });

  it("runs by the account's own time, and a year gives its months", async () => {
    const plan = await makeOwnPlan({ rollover: "full" }, { interval: "year" });
    const one = await begin(plan);
    expect(await one.goTo(one.end, -40)).toBe(0);
    expect(await refillAccount(database.worker, one.accountId)).toBe(10);
    expect(await one.grants()).toHaveLength(11);
    await one.goTo(one.end, -2);
    await pay((await one.renewals())[0]);
    // Nobody looked for the last months: they come before the next year's first.
    await one.goTo(one.end, 40);
    await refillAccount(database.worker, one.accountId);
    expect(await one.grants()).toHaveLength(14);
  });

  it("beside another that was open: the same plan is paid ahead, another one takes over", async () => {
    const [plan, other] = [await makeOwnPlan(), await makeOwnPlan({ credits: 7 })];
    const { id } = await makeAccount(database.app);
    const open = (priceId: string) => makePayment(database.app, id, { priceId, ...zarinpal });
    const orders = [
      await open(plan.price.id),
      await open(plan.price.id),
      await open(other.price.id),
    ] as const;
    await pay(orders[0]);
    const before = await findSubscription(database.app, id);
    const { payment } = await pay(orders[1]);
    expect(payment).toMatchObject({
      subscription_id: before?.id,
      period_start: before?.period_end,
      credits_granted: 0,
    });
    await pay(orders[2]);
    const after = await findSubscription(database.app, id);
    expect(after).toMatchObject({ status: "active", product_id: other.product.id });
    const rows = await database.admin`
      SELECT status FROM ducat.subscriptions WHERE account_id = ${id} ORDER BY id`;
    expect(rows).toEqual([{ status: "canceled" }, { status: "active" }]);
    const anomalies = await database.admin`
      SELECT kind FROM ducat.payment_anomalies WHERE data ->> 'account_id' = ${id}`;
    expect(anomalies).toEqual([{ kind: "second_subscription" }]);
  });
});

describe("a renewal", () => {
  it("is ordered three days before the end, with one reminder that has its link", async () => {
    const one = await begin();
    expect(await one.goTo(one.end, -3.01)).toBe(0);
    expect(await one.renewals()).toEqual([]);
    expect(await one.goTo(one.end, -3)).toBe(1);
    const [order, ...more] = await one.renewals();
    expect(more).toEqual([]);
    expect(order).toMatchObject({
      ...{ purpose: "renewal", status: "created", amount: 500_000, currency: "IRR", credits: 100 },
      ...{ provider: "zarinpal", subscription_id: (await one.current()).id },
    });
    const [message] = await database.admin`
      SELECT data FROM ducat.messages
      WHERE account_id = ${one.accountId} AND kind = 'renewal_due'`;
    expect(message?.data).toMatchObject({
      ...{ reference: order?.reference, amount: 500_000, currency: "IRR" },
      product: { en: "Hundred credits" },
    });
    for (const days of [-2, -1, 0, 1, 2]) await one.goTo(one.end, days);
    expect(await one.renewals()).toHaveLength(1);
    expect(await one.messages()).toEqual(["renewal_due"]);
  });

  it("that is paid early waits for the period's end, then refills from there", async () => {
    const one = await begin();
    await one.goTo(one.end, -2);
    const { payment } = await pay((await one.renewals())[0]);
    expect(payment).toMatchObject({ credits_granted: 0, period_start: one.end });
    expect(await one.current()).toMatchObject({ period_end: one.end });
    expect(await one.grants()).toHaveLength(1);
    expect(await one.goTo(one.end)).toBe(1);
    const turned = await one.current();
    expect(turned).toMatchObject({ status: "active", period_start: one.end });
    expect(turned.period_end).toEqual(addMonths(turned.started_at, 2));
    expect(await one.grants()).toEqual([
      [100, 0, 100],
      [100, 100, 0],
    ]);
    const paid = await findPayment(database.app, one.accountId, payment?.id ?? "");
    expect(paid).toMatchObject({ credits_granted: 100 });
    expect(await one.goTo(turned.period_end ?? one.end, -3)).toBe(1);
    expect(await one.renewals()).toHaveLength(2);
  });

  it("unpaid is past due from the end on; within the grace it goes on from there", async () => {
    const one = await begin();
    await one.goTo(one.end, -1);
    await one.goTo(one.end, 1);
    expect(await one.current()).toMatchObject({ status: "past_due", past_due_at: one.end });
    expect(await findBalance(database.app, one.accountId)).toMatchObject({ available: 3 });
    await one.goTo(one.end, 6);
    const { payment } = await pay((await one.renewals())[0]);
    expect(payment).toMatchObject({ period_start: one.end, credits_granted: 100 });
    expect(await one.current()).toMatchObject({
      ...{ status: "active", past_due_at: null, period_start: one.end },
    });
    expect((await one.current()).period_end).toEqual(
      addMonths((await one.current()).started_at, 2),
    );
  });

  it("unpaid after the grace has ended it; paid then, another one begins anew", async () => {
    const one = await begin();
    await one.goTo(one.end, -1);
    const before = await one.current();
    // Nobody looked in between.
    expect(await one.goTo(one.end, 7)).toBe(1);
    const ended = await one.current();
    expect(ended).toMatchObject({ id: before.id, status: "canceled" });
    expect(ended.ended_at).toEqual(new Date(one.end.getTime() + 7 * day * 1000));
    expect(await one.messages()).toEqual(["renewal_due", "subscription_ended"]);
    await one.goTo(one.end, 10);
    await pay((await one.renewals())[0]);
    const anew = await one.current();
    expect(anew).toMatchObject({ status: "active", product_id: one.plan.product.id });
    expect(anew.id).not.toBe(before.id);
    const late = ((anew.period_start?.getTime() ?? 0) - one.end.getTime()) / 1000 / day;
    expect(late).toBeCloseTo(10, 1);
    expect(await one.grants()).toEqual([
      [100, 0, 100],
      [100, 100, 0],
    ]);
  });

  it("paid after the grace starts anew also when no sweep has seen the end", async () => {
    const one = await begin();
    await one.goTo(one.end, -1);
    const [order] = await one.renewals();
    await advanceClock(database.app, one.accountId, 20 * day);
    await pay(order);
    expect(await one.messages()).toEqual(["renewal_due", "subscription_ended"]);
    expect((await one.current()).period_start?.getTime()).toBeGreaterThan(one.end.getTime());
  });

  it("of a plan without grace is over at the end", async () => {
    const one = await begin(await makeOwnPlan({ grace_days: 0 }));
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({ status: "canceled", ended_at: one.end });
  });

  it("is at the plan's price of the day, and not asked of a frozen account", async () => {
    const one = await begin();
    const { product, price } = one.plan;
    await database.admin`UPDATE ducat.prices SET is_active = false WHERE id = ${price.id}`;
    const terms = { currency: "IRR", interval: "month", amount: 700_000 } as const;
    await makePrice(database.admin, product.id, terms);
    const freeze = (frozen: boolean) =>
      freezeAccount(database.app, one.accountId, { reason: "admin", frozen, audit });
    await freeze(true);
    expect(await one.goTo(one.end, -1)).toBe(0);
    await freeze(false);
    expect(await sweepOwnSubscriptions(database.worker)).toBe(1);
    expect(await one.renewals()).toMatchObject([{ amount: 700_000 }]);
    await pay((await one.renewals())[0]);
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({ status: "active", price: { amount: 700_000 } });
  });

  it("that was given back before its period began does not turn it", async () => {
    const one = await begin();
    await one.goTo(one.end, -1);
    const { payment } = await pay((await one.renewals())[0]);
    await database.admin.begin(async (sql) => {
      await sql`UPDATE ducat.payments SET refunded = charged WHERE id = ${payment?.id ?? ""}`;
      await sql`SELECT ducat.recompute_reversal(${payment?.id ?? ""})`;
    });
    await one.goTo(one.end, 1);
    expect(await one.current()).toMatchObject({ status: "past_due" });
    expect(await one.grants()).toEqual([[100, 0, 100]]);
  });
});

describe("canceled by its owner, it", () => {
  it("runs until the end of what is paid, asks for nothing, and then ends", async () => {
    const one = await begin();
    await one.goTo(one.end, -2);
    expect(await cancelOwn(database.app, one.accountId)).toMatchObject({
      ...{ status: "active", cancel_at: one.end },
    });
    expect(await one.renewals()).toMatchObject([{ status: "expired" }]);
    expect(await cancelOwn(database.app, one.accountId)).toMatchObject({ cancel_at: one.end });
    expect(await one.goTo(one.end, -1)).toBe(0);
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({ status: "canceled", ended_at: one.end });
    expect(await refusalOf(resumeOwn(database.app, one.accountId))).toMatchObject({
      code: "not_found",
    });
    expect(await refusalOf(cancelOwn(database.app, one.accountId))).toMatchObject({
      code: "not_found",
    });
  });

  it("is resumed, and asked to renew again", async () => {
    const one = await begin();
    await cancelOwn(database.app, one.accountId);
    expect(await resumeOwn(database.app, one.accountId)).toMatchObject({ cancel_at: null });
    expect(await resumeOwn(database.app, one.accountId)).toMatchObject({ cancel_at: null });
    await one.goTo(one.end, -1);
    await cancelOwn(database.app, one.accountId);
    await resumeOwn(database.app, one.accountId);
    await one.goTo(one.end, -1);
    expect(await one.renewals()).toMatchObject([{ status: "expired" }, { status: "created" }]);
  });

  it("goes on when a renewal that was open is paid after all", async () => {
    const one = await begin();
    await one.goTo(one.end, -2);
    await cancelOwn(database.app, one.accountId);
    await pay((await one.renewals())[0]);
    expect(await one.current()).toMatchObject({ cancel_at: null });
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({ status: "active", period_start: one.end });
  });

  it("with a period paid ahead ends after that one; past due it ends at once", async () => {
    const one = await begin();
    await one.goTo(one.end, -1);
    await pay((await one.renewals())[0]);
    const { started_at } = await one.current();
    const end = addMonths(started_at, 2);
    expect(await cancelOwn(database.app, one.accountId)).toMatchObject({ cancel_at: end });
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({ status: "active", period_end: end });
    await one.goTo(end);
    expect(await one.current()).toMatchObject({ status: "canceled", ended_at: end });
    const two = await begin();
    await two.goTo(two.end, 1);
    expect(await cancelOwn(database.app, two.accountId)).toMatchObject({ status: "canceled" });
  });
});

describe("another plan", () => {
  it("comes with the renewal that pays it; an order for the old one is taken back", async () => {
    const one = await begin();
    const large = await makeOwnPlan({ credits: 300 }, { amount: 900_000 });
    await one.goTo(one.end, -2);
    const { accountId } = one;
    await scheduleChange(database.app, accountId, { priceId: large.price.id });
    await sweepOwnSubscriptions(database.worker);
    const [old, order] = await one.renewals();
    expect(old).toMatchObject({ status: "expired", amount: 500_000 });
    expect(order).toMatchObject({ status: "created", amount: 900_000, credits: 300 });
    await pay(order);
    expect(await one.current()).toMatchObject({ product_id: one.plan.product.id });
    await one.goTo(one.end);
    expect(await one.current()).toMatchObject({
      product_id: large.product.id,
      next_product_id: null,
    });
    expect(await one.grants()).toEqual([
      [100, 0, 100],
      [300, 300, 0],
    ]);
  });
});

describe("own subscriptions", () => {
  it("are nobody else's to see or to cancel, and a provider's are not ours", async () => {
    const one = await begin();
    const other = await makeAccount(database.app);
    expect(await findSubscription(database.app, other.id)).toBeUndefined();
    for (const act of [cancelOwn, resumeOwn]) {
      expect(await refusalOf(act(database.app, other.id))).toMatchObject({ code: "not_found" });
    }
    expect(await one.current()).toMatchObject({ status: "active", cancel_at: null });
  });

  it("that one of can't be advanced keep no other from its turn", async () => {
    const [broken, fine] = [await begin(), await begin()];
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = ${fine.end}::timestamptz - clock_timestamp()
      WHERE account_id IN (${broken.accountId}, ${fine.accountId})`;
    // The first in line, and impossible to turn: its payment is of nothing.
    onTestFinished(async () => {
      await database.admin`DELETE FROM ducat.payments WHERE reference = 'broken'`;
    });
    await database.admin`
      INSERT INTO ducat.payments (account_id, reference, purpose, status, provider, mode, amount,
        charged, currency, subscription_id, reason, period_start, period_end, paid_at,
        effect_key)
      SELECT account_id, 'broken', 'renewal', 'succeeded', provider, mode, 1, 1, 'IRR', id,
        'renewal', period_end, period_end + interval '1 month', clock_timestamp(), 'broken'
      FROM ducat.subscriptions WHERE account_id = ${broken.accountId}`;
    await expect(sweepOwnSubscriptions(database.worker)).rejects.toThrow();
    expect(await fine.current()).toMatchObject({ status: "past_due" });
  });
});

describe("a pass", () => {
  it("that ends within a day is told of once", async () => {
    const { id } = await makeAccount(database.app);
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${id}@example.com`} WHERE id = ${id}`;
    const { price } = await makeOffer(database.admin, { kind: "pass", valid_days: 7 });
    await makePaid(database.app, id, { priceId: price.id });
    const told = () => database.admin`
      SELECT data ->> 'ends_at' AS ends_at FROM ducat.messages
      WHERE account_id = ${id} AND kind = 'pass_ending'`;
    await advanceClock(database.app, id, 6 * day - 60);
    await sweepOwnSubscriptions(database.worker);
    expect(await told()).toEqual([]);
    await advanceClock(database.app, id, 120);
    for (let turn = 0; turn < 2; turn++) await sweepOwnSubscriptions(database.worker);
    expect(await told()).toHaveLength(1);
  });
});
