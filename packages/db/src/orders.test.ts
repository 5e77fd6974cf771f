import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  makeOffer,
  makePaid,
  makePayment,
  makePrice,
  makeSucceededFact,
} from "../test/billing-factories.ts";
import { makeAccount, makeKey } from "../test/factories.ts";
import { countOutcomes, refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { createAccount } from "./accounts.ts";
import { freezeAccount } from "./credits.ts";
import { countPayments, listPayments } from "./payment-list.ts";
import {
  claimOpening,
  expireOrders,
  findOrder,
  findPayment,
  listOpenOrders,
  listSucceeded,
  movePayment,
  type NewPayment,
  openPayment,
  recordCheckout,
  settlePayment,
} from "./payments.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };
const sandbox = { provider: "sandbox", mode: "test" } as const;

const open = (accountId: string, order: Partial<NewPayment> & { priceId: string }) =>
  openPayment(database.app, accountId, { ...sandbox, ...order });
const makePage = (ref = `page_${randomUUID()}`) => ({
  ref,
  url: "https://pay.example.com/page",
  sent: { amount: 900, currency: "USD" },
});
const setStatus = (id: string, accountId: string, status: string) => database.admin`
  INSERT INTO ducat.subscriptions (account_id, id, product_id, provider, mode, status, interval,
    started_at)
  VALUES (${accountId}, ${id}, ${randomUUID()}, 'sandbox', 'test', ${status}, 'month', now())`;

describe("request_payment", () => {
  it("writes down the price and what its product promises at this moment", async () => {
    const { id } = await makeAccount(database.app);
    const { product, price } = await makeOffer(database.admin, { credits: 50, bonus: 5 });
    const payment = await open(id, {
      priceId: price.id,
      returnUrl: "https://example.com/done",
      metadata: { cart: 7 },
      savesMethod: true,
      expiresInSeconds: 600,
    });
    expect(payment).toMatchObject({
      ...{ account_id: id, purpose: "pack", status: "created", provider: "sandbox", mode: "test" },
      ...{ product_id: product.id, price_id: price.id, amount: 900, currency: "USD", credits: 55 },
      ...{ credits_granted: 0, charged: null, effect_key: null, saves_method: true },
      ...{ return_url: "https://example.com/done", metadata: { cart: 7 }, replayed: false },
    });
    expect(payment.reference).toMatch(/^[0-9a-f]{32}$/);
    expect(payment.expires_at?.getTime()).toBeGreaterThan(Date.now() + 500_000);
    await database.admin`UPDATE ducat.products SET credits = 1, bonus = 0 WHERE id = ${product.id}`;
    await database.admin`UPDATE ducat.prices SET amount = 1 WHERE id = ${price.id}`;
    const { payment: paid } = await settlePayment(database.worker, makeSucceededFact(payment));
    expect(paid).toMatchObject({ charged: 900, credits_granted: 55 });
  });

  it("names the purpose after the product where the caller doesn't", async () => {
    const { id } = await makeAccount(database.app);
    const month = { interval: "month" } as const;
    const plan = await makeOffer(database.admin, { kind: "plan" }, month);
    const pass = await makeOffer(database.admin, { kind: "pass", valid_days: 7 });
    const pack = await makeOffer(database.admin);
    expect(await open(id, { priceId: plan.price.id })).toMatchObject({ purpose: "subscription" });
    expect(await open(id, { priceId: pass.price.id })).toMatchObject({ purpose: "pass" });
    expect(await open(id, { priceId: pack.price.id })).toMatchObject({ purpose: "pack" });
    expect(await open(id, { priceId: pack.price.id, purpose: "reload" })).toMatchObject({
      purpose: "reload",
    });
  });

  it("refuses what is not sold, or not by this provider or to this kind of account", async () => {
    const { id } = await makeAccount(database.app);
    const { product, price } = await makeOffer(database.admin);
    const retired = await makePrice(database.admin, product.id, { is_active: false });
    const stripe = await makePrice(database.admin, product.id, { provider: "stripe" });
    const gone = await makeOffer(database.admin, { is_active: false });
    const vendors = await makeOffer(database.admin, { audience: "vendor" });
    const none = { code: "not_found", what: "price" };
    for (const { id: priceId } of [{ id: randomUUID() }, retired, stripe]) {
      expect(await refusalOf(open(id, { priceId }))).toEqual(none);
    }
    expect(await refusalOf(open(id, { priceId: gone.price.id }))).toEqual(none);
    expect(await refusalOf(open(id, { priceId: vendors.price.id }))).toEqual(none);
    expect(await open(id, { priceId: stripe.id, provider: "stripe" })).toMatchObject({
      provider: "stripe",
    });
    const vendor = { external_id: `x-${randomUUID()}`, kind: "vendor" } as const;
    const { account } = await createAccount(database.app, vendor);
    expect(await open(account.id, { priceId: vendors.price.id })).toMatchObject({ amount: 900 });
    expect(await refusalOf(open(randomUUID(), { priceId: price.id }))).toEqual({
      code: "not_found",
      what: "account",
    });
  });

  it("refuses what makes no sense for the product", async () => {
    const { id } = await makeAccount(database.app);
    const bound = await makeOffer(database.admin, { needs_subject: true });
    const free = await makeOffer(database.admin, {}, { amount: 0 });
    const plan = await makeOffer(database.admin, { kind: "plan" }, { interval: "month" });
    const refusal = async (order: Partial<NewPayment> & { priceId: string }) =>
      (await refusalOf(open(id, order))).reason;
    expect(await refusal({ priceId: bound.price.id })).toBe("subject");
    expect(await refusal({ priceId: plan.price.id, subject: "house" })).toBe("subject");
    expect(await refusal({ priceId: free.price.id })).toBe("nothing_to_pay");
    expect(await refusal({ priceId: plan.price.id, purpose: "pack" })).toBe("purpose");
    expect(await refusal({ priceId: bound.price.id, purpose: "pass" })).toBe("purpose");
    expect(await refusal({ priceId: plan.price.id, purpose: "renewal" })).toBe("subscription");
    expect(await open(id, { priceId: bound.price.id, subject: "house" })).toMatchObject({
      subject: "house",
    });
  });

  it("refuses a plan while the account has one that runs, whatever state it is in", async () => {
    const { price } = await makeOffer(database.admin, { kind: "plan" }, { interval: "month" });
    for (const status of ["trialing", "active", "past_due", "unpaid", "paused"]) {
      const { id } = await makeAccount(database.app);
      await setStatus(randomUUID(), id, status);
      expect(await refusalOf(open(id, { priceId: price.id })), status).toEqual({
        code: "invalid_state",
        reason: "has_subscription",
      });
    }
    for (const status of ["canceled", "incomplete"]) {
      const { id } = await makeAccount(database.app);
      await setStatus(randomUUID(), id, status);
      expect(await open(id, { priceId: price.id }), status).toMatchObject({ status: "created" });
    }
  });

  it("renews a subscription of the account's own, also by a price that is retired", async () => {
    const { id } = await makeAccount(database.app);
    const month = { interval: "month", is_active: false } as const;
    const { price } = await makeOffer(database.admin, { kind: "plan" }, month);
    const subscriptionId = randomUUID();
    await setStatus(subscriptionId, id, "active");
    const renewal = { purpose: "renewal", priceId: price.id, subscriptionId } as const;
    expect(await open(id, renewal)).toMatchObject({ subscription_id: subscriptionId });
    const { id: other } = await makeAccount(database.app);
    expect(await refusalOf(open(other, renewal))).toEqual({
      code: "not_found",
      what: "subscription",
    });
  });

  it("refuses a frozen account, which may finish what it had begun to no page either", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const requestKey = makeKey();
    const first = await open(id, { priceId: price.id, requestKey });
    await freezeAccount(database.app, id, { reason: "admin", frozen: true, audit });
    expect(await refusalOf(open(id, { priceId: price.id }))).toEqual({ code: "account_frozen" });
    const again = await open(id, { priceId: price.id, requestKey });
    expect(again).toMatchObject({ id: first.id, replayed: true });
    expect(await refusalOf(claimOpening(database.app, first.id, 60))).toEqual({
      code: "account_frozen",
    });
  });

  it("is one order per key, and another request under the key is a conflict", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const requestKey = makeKey();
    const first = await open(id, { priceId: price.id, requestKey });
    expect(await open(id, { priceId: price.id, requestKey })).toEqual({ ...first, replayed: true });
    const other = { ...makeKey(), key: requestKey.key };
    expect(await refusalOf(open(id, { priceId: price.id, requestKey: other }))).toEqual({
      code: "idempotency_conflict",
    });
    const { id: neighbour } = await makeAccount(database.app);
    expect(await open(neighbour, { priceId: price.id, requestKey })).toMatchObject({
      replayed: false,
    });
  });

  it("is one order for 30 parallel requests with one key", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const requestKey = makeKey();
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const calls = atOnce(sessions, 30, (session) =>
      openPayment(session, id, { ...sandbox, priceId: price.id, requestKey }),
    );
    expect(await countOutcomes(calls)).toEqual({ ok: 1, replayed: 29 });
    expect(new Set((await Promise.all(calls)).map((payment) => payment.id)).size).toBe(1);
    expect(await countPayments(database.app, id, {})).toBe(1);
  });
});

describe("claim_opening", () => {
  it("lets one of 20 callers ask for the page, until it is kept", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await open(id, { priceId: price.id });
    const sessions = await openSessions(database.url, "ducat_app", 10);
    const claims = await Promise.all(
      atOnce(sessions, 20, (session) => claimOpening(session, payment.id, 60)),
    );
    expect(claims.filter(Boolean)).toHaveLength(1);
    await recordCheckout(database.app, payment.id, makePage());
    expect(await claimOpening(database.app, payment.id, 60)).toBe(true);
    expect(await claimOpening(database.app, payment.id, 60)).toBe(false);
  });

  it("lets one of two callers ask who both waited for the order", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await open(id, { priceId: price.id });
    const claims = await database.admin.begin(async (sql) => {
      await sql`SELECT FROM ducat.payments WHERE id = ${payment.id} FOR UPDATE`;
      const waiting = [1, 2].map(() => claimOpening(database.app, payment.id, 60));
      await waitForLocks(database.admin, 2);
      return { waiting };
    });
    expect((await Promise.all(claims.waiting)).sort()).toEqual([false, true]);
  });

  it("is over when its time is: a caller that died keeps nobody out", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await open(id, { priceId: price.id });
    await claimOpening(database.app, payment.id, 60);
    await database.admin`
      UPDATE ducat.payments SET opening_until = clock_timestamp() WHERE id = ${payment.id}`;
    expect(await claimOpening(database.app, payment.id, 60)).toBe(true);
  });

  it("is refused for what is paid, and for nothing", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const paid = await makePaid(database.app, id, { priceId: price.id });
    expect(await refusalOf(claimOpening(database.app, paid.id, 60))).toEqual({
      code: "invalid_state",
      status: "succeeded",
    });
    expect(await refusalOf(claimOpening(database.app, randomUUID(), 60))).toMatchObject({
      code: "not_found",
    });
    for (const seconds of [0, 601]) {
      expect(await refusalOf(claimOpening(database.app, paid.id, seconds))).toMatchObject({
        code: "validation_failed",
      });
    }
  });
});

describe("record_checkout", () => {
  it("keeps the page once, however often it is told, and several of one order", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await open(id, { priceId: price.id });
    const expiresAt = new Date(Date.now() + 60_000);
    const page = { ...makePage(), expiresAt, customerRef: "cus_1" };
    for (const _ of [1, 2]) {
      const kept = await recordCheckout(database.app, payment.id, page);
      expect(kept).toMatchObject({
        ...{ checkout_url: page.url, expires_at: expiresAt, customer_ref: "cus_1" },
        status: "created",
      });
    }
    const second = makePage();
    await recordCheckout(database.app, payment.id, second);
    const attempts = await database.admin`
      SELECT kind, status, provider_ref AS ref, amount, currency FROM ducat.payment_attempts
      WHERE payment_id = ${payment.id} ORDER BY id`;
    const sent = { kind: "checkout", status: "sent", amount: 900, currency: "USD" };
    expect(attempts).toEqual([
      { ...sent, ref: page.ref },
      { ...sent, ref: second.ref },
    ]);
  });

  it("does not take another order's page", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const [one, other] = [
      await open(id, { priceId: price.id }),
      await open(id, { priceId: price.id }),
    ];
    const page = makePage();
    await recordCheckout(database.app, one.id, page);
    expect(await refusalOf(recordCheckout(database.app, other.id, page))).toEqual({
      code: "invalid_state",
      reason: "page_taken",
    });
    expect(await refusalOf(recordCheckout(database.app, randomUUID(), page))).toMatchObject({
      code: "not_found",
    });
  });

  it("makes an order wait again that had expired, and one that is paid stays paid", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await makePayment(database.app, id, { priceId: price.id });
    const { provider, mode, reference: orderRef } = payment;
    const expired = { kind: "payment.expired", provider, mode, orderRef } as const;
    await movePayment(database.worker, { ...expired, paymentRef: "page" });
    const again = await recordCheckout(database.app, payment.id, makePage());
    expect(again).toMatchObject({ status: "created" });
    await settlePayment(database.worker, makeSucceededFact(payment));
    const late = await recordCheckout(database.app, payment.id, makePage());
    expect(late).toMatchObject({ status: "succeeded", credits_granted: 100 });
  });
});

describe("an order", () => {
  it("is found by its page and by its reference, with what a provider is asked by", async () => {
    const account = { external_id: `x-${randomUUID()}`, kind: "user" } as const;
    const email = `${randomUUID()}@example.com`;
    const { account: made } = await createAccount(database.app, { ...account, email });
    const { price } = await makeOffer(database.admin, {}, { provider_ref: "price_1" });
    const payment = await open(made.id, { priceId: price.id });
    expect(await findOrder(database.app, payment)).toMatchObject({
      payment: { id: payment.id },
      attempt: undefined,
    });
    const [first, second] = [makePage(), makePage()];
    await recordCheckout(database.app, payment.id, first);
    await recordCheckout(database.app, payment.id, second);
    const found = await findOrder(database.app, { ...sandbox, ref: first.ref });
    expect(found).toMatchObject({
      payment: { id: payment.id, account_id: made.id },
      attempt: {
        ...{ kind: "checkout", status: "sent", payment_id: payment.id, account_id: made.id },
        ...{ ref: first.ref, reference: payment.reference, purpose: "pack", sent: first.sent },
        ...{ price_ref: "price_1", email, created_at: expect.any(Date) },
      },
    });
    const newest = await findOrder(database.app, { reference: payment.reference });
    expect(newest?.attempt).toMatchObject({ ref: second.ref });
  });

  it("is not found under another provider or mode, or by nothing", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const payment = await open(id, { priceId: price.id });
    const { ref } = makePage();
    await recordCheckout(database.app, payment.id, makePage(ref));
    expect(await findOrder(database.app, { ...sandbox, mode: "live", ref })).toBeUndefined();
    expect(await findOrder(database.app, { ...sandbox, provider: "stripe", ref })).toBeUndefined();
    expect(await findOrder(database.app, { reference: "nothing" })).toBeUndefined();
  });
});

describe("lists", () => {
  it("of an account are newest first, filtered, and show no other account's", async () => {
    const { id } = await makeAccount(database.app);
    const { id: other } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const [paid, waiting, last] = [
      await makePaid(database.app, id, { priceId: price.id }),
      await open(id, { priceId: price.id, purpose: "reload" }),
      await open(id, { priceId: price.id }),
    ];
    const foreign = await makePaid(database.app, other, { priceId: price.id });
    const list = async (filter: object) =>
      (await listPayments(database.app, id, { limit: 10, ...filter })).map((one) => one.id);
    expect(await list({})).toEqual([last.id, waiting.id, paid.id]);
    expect(await list({ limit: 1 })).toEqual([last.id]);
    expect(await list({ beforeId: last.id })).toEqual([waiting.id, paid.id]);
    expect(await list({ status: "succeeded" })).toEqual([paid.id]);
    expect(await list({ purpose: "reload" })).toEqual([waiting.id]);
    expect(await countPayments(database.app, id, { status: "created" })).toBe(2);
    expect(await findPayment(database.app, id, paid.id)).toMatchObject({ status: "succeeded" });
    expect(await findPayment(database.app, id, foreign.id)).toBeUndefined();
    expect(await database.app`SELECT FROM ducat.payments`).toEqual([]);
    expect(await database.app`SELECT FROM ducat.payment_attempts`).toEqual([]);
  });

  it("of open orders have each page that may still be paid, in pages", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin, {}, { currency: "IRR", amount: 500_000 });
    const zarinpal = { provider: "zarinpal", mode: "live", limit: 100 } as const;
    const order = { priceId: price.id, provider: "zarinpal", mode: "live" } as const;
    const [waiting, expired, twice] = [
      await makePayment(database.app, id, order),
      await makePayment(database.app, id, order),
      await makePayment(database.app, id, order),
    ];
    const { provider, mode, reference: orderRef } = expired;
    const fact = { kind: "payment.expired", provider, mode, orderRef, paymentRef: "x" } as const;
    await movePayment(database.worker, fact);
    const [page] = await database.admin<{ ref: string }[]>`
      SELECT provider_ref AS ref FROM ducat.payment_attempts WHERE payment_id = ${twice.id}`;
    await recordCheckout(database.app, twice.id, {
      ...makePage(),
      sent: { amount: 500_000, currency: "IRR" },
    });
    await settlePayment(database.worker, makeSucceededFact(twice, { paymentRef: page?.ref ?? "" }));
    const list = (filter: object) =>
      listOpenOrders(database.app, { ...zarinpal, olderThanSeconds: 0, ...filter });
    const rows = await list({});
    expect(rows.map((row) => row.payment_id)).toEqual([waiting.id, twice.id]);
    expect(rows[0]).toMatchObject({
      sent: { amount: 500_000, currency: "IRR" },
      reference: waiting.reference,
    });
    expect((await list({ afterId: rows[0]?.id })).map((row) => row.payment_id)).toEqual([twice.id]);
    expect(await list({ limit: 1 })).toHaveLength(1);
    expect(await list({ olderThanSeconds: 3600 })).toEqual([]);
    expect(await list({ provider: "sandbox" })).toEqual([]);
    const age = (days: number) => database.admin`
      UPDATE ducat.payment_attempts SET created_at = now() - ${`${days} days`}::interval
      WHERE payment_id IN ${database.admin([waiting.id, twice.id])}`;
    await age(4);
    expect((await list({})).map((row) => row.payment_id)).toEqual([waiting.id]);
    await age(31);
    expect(await list({})).toEqual([]);
    await expireOrders(database.worker, 10);
    const pages = await database.admin`
      SELECT status FROM ducat.payment_attempts
      WHERE payment_id IN ${database.admin([waiting.id, twice.id])} ORDER BY id`;
    expect(pages.map((one) => one.status)).toEqual(["expired", "succeeded", "expired"]);
  });

  it("of what succeeded go on after the last one, also among those of one moment", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const order = { priceId: price.id, provider: "lemonsqueezy", mode: "live" } as const;
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.push((await makePaid(database.app, id, order)).id);
    await makePayment(database.app, id, order);
    const { admin } = database;
    await admin`UPDATE ducat.payments SET paid_at = now() WHERE id IN ${admin(ids)}`;
    const list = async (more: object = {}) => {
      const filter = { provider: "lemonsqueezy", mode: "live", since: new Date(0) } as const;
      const rows = await listSucceeded(database.app, { ...filter, limit: 2, ...more });
      return rows.map((row) => row.id);
    };
    const first = await list();
    expect([...first, ...(await list({ afterId: first[1] }))]).toEqual(ids);
    expect(await list({ since: new Date(Date.now() + 60_000) })).toEqual([]);
  });
});

describe("expire_orders", () => {
  it("ends what nobody paid, in its time, and leaves a charge alone that is open", async () => {
    const { id } = await makeAccount(database.app);
    const { price } = await makeOffer(database.admin);
    const make = async (hours: number | null, status: string, charge?: string) => {
      const { id: paymentId } = await open(id, { priceId: price.id });
      await database.admin`
        UPDATE ducat.payments SET status = ${status}, created_at = now() - interval '29 days',
          expires_at = now() - ${hours}::int * interval '1 hour' WHERE id = ${paymentId}`;
      if (charge) {
        await database.admin`
          INSERT INTO ducat.payment_attempts (account_id, payment_id, kind, status, provider, mode,
            amount, currency)
          VALUES (${id}, ${paymentId}, 'charge', ${charge}, 'sandbox', 'test', 900, 'USD')`;
      }
      return paymentId;
    };
    const due = [await make(2, "created"), await make(400, "pending")];
    due.push(await make(2, "created", "needs_customer"));
    const rest = [
      await make(0, "created"),
      await make(300, "pending"),
      await make(null, "created"),
    ];
    rest.push(await make(2, "created", "unknown"), await make(2, "failed"));
    while ((await expireOrders(database.worker, 2)) > 0);
    const payments = await listPayments(database.app, id, { limit: 20 });
    const ended = payments.filter((one) => one.status === "expired").map((one) => one.id);
    expect(ended.sort()).toEqual(due.sort());
    expect(payments).toHaveLength(due.length + rest.length);
    const [late] = payments.filter((one) => one.id === due[0]);
    if (!late) throw new Error("the order is gone");
    const { outcome } = await settlePayment(database.worker, makeSucceededFact(late));
    expect(outcome).toBe("applied");
  });
});
