import { describe, expect, it } from "vitest";
import {
  between,
  creditsOf,
  listAnomalies,
  listEvents,
  listPlanGrants,
  makePlan,
  makeSubscribed,
  planRefOf,
  type Subscribed,
} from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { findBalance } from "./credits.ts";
import { findPayment } from "./payments.ts";
import { findSubscription, type PaidInvoice, recordInvoice } from "./subscriptions.ts";

const database = useDatabase({ checksEvents: true });
const grants = (one: Subscribed) => listPlanGrants(database.admin, one.accountId);
const day = 86_400_000;

describe("a paid invoice", () => {
  it("settles the order, refills until the period ends, and tells the world once", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const invoice = one.invoiceOf();
    const { outcome, payment } = await recordInvoice(database.worker, invoice);
    expect(outcome).toBe("applied");
    expect(payment).toMatchObject({
      ...{ id: one.order.id, purpose: "subscription", status: "succeeded", amount: 900 },
      ...{ charged: 900, credits: 100, credits_granted: 100, invoice_ref: invoice.invoiceRef },
      ...{ provider_ref: invoice.paymentRef, period_end: one.period(0)[1] },
    });
    expect(await findBalance(database.app, one.accountId)).toMatchObject({
      available: 103,
      period: { granted: 100, used: 0 },
      next_refill_at: expect.stringContaining(one.period(0)[1].toISOString().slice(0, 19)),
      grants: [{ source: "trial" }, { source: "subscription", remaining: 100 }],
    });
    expect(await recordInvoice(database.worker, invoice)).toMatchObject({ outcome: "known" });
    expect(await grants(one)).toEqual([[100, 100, 0]]);
    const events = await listEvents(database.admin, one.accountId, "payment.succeeded");
    expect(events.map(({ data }) => [data.purpose, data.credits])).toEqual([["subscription", 100]]);
    const [attempt] = await database.admin`
      SELECT status FROM ducat.payment_attempts WHERE payment_id = ${one.order.id}`;
    expect(attempt).toEqual({ status: "succeeded" });
  });

  it("before its subscription is unknown; once that is there, it is given", async () => {
    const one = await makeSubscribed(database);
    const invoice = one.invoiceOf();
    expect(await recordInvoice(database.worker, invoice)).toEqual({ outcome: "unknown" });
    expect(await findBalance(database.app, one.accountId)).toMatchObject({ available: 3 });
    await one.show();
    expect(await recordInvoice(database.worker, invoice)).toMatchObject({ outcome: "applied" });
  });

  it("of another provider or mode is unknown and never credits", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    for (const other of [{ mode: "live" }, { provider: "stripe" }] as const) {
      expect(await one.pay(other)).toEqual({ outcome: "unknown" });
    }
    expect(await grants(one)).toEqual([]);
  });

  it("told by two events, or by two effect keys, is one payment and one refill", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const invoice = one.invoiceOf();
    await recordInvoice(database.worker, invoice);
    const again = {
      ...invoice,
      effectKey: `${invoice.effectKey}:delta`,
      reason: "update",
    } as const;
    expect(await recordInvoice(database.worker, again)).toMatchObject({ outcome: "known" });
    expect(await grants(one)).toEqual([[100, 100, 0]]);
  });

  it("of a period that is paid already is kept for a person and gives nothing", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    await one.pay();
    const second = one.invoiceOf();
    const { outcome, payment } = await recordInvoice(database.worker, second);
    expect(outcome).toBe("refused");
    expect(payment).toMatchObject({ status: "quarantined", charged: 900, credits_granted: 0 });
    expect(await recordInvoice(database.worker, second)).toMatchObject({ outcome: "refused" });
    expect(await listAnomalies(database.admin, second.invoiceRef)).toEqual([
      { kind: "paid_twice" },
    ]);
    expect(await grants(one)).toEqual([[100, 100, 0]]);
  });

  it("without an amount, in another currency, or for another plan mints nothing", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const refuse = async (more: Partial<PaidInvoice> & { n?: number }, kind: string) => {
      const invoice = one.invoiceOf(more);
      const { outcome, payment } = await recordInvoice(database.worker, invoice);
      expect(outcome).toBe("refused");
      expect(payment?.status ?? "quarantined").toBe("quarantined");
      expect(await listAnomalies(database.admin, invoice.invoiceRef)).toEqual([{ kind }]);
    };
    for (const amount of [-1, -900, 0.5, 1e13, Number.MAX_VALUE, Number.NaN]) {
      await refuse({ money: { amount, currency: "USD" } }, "amount_mismatch");
    }
    await refuse({ money: { amount: 900, currency: "usd" } }, "amount_mismatch");
    await refuse({ money: { amount: 0, currency: "USD" } }, "amount_mismatch");
    await refuse({ n: 1, money: { amount: 0, currency: "USD" } }, "amount_mismatch");
    await refuse({ n: 1, money: { amount: 900, currency: "IRR" } }, "currency_mismatch");
    await refuse({ n: 1, planRef: "price_of_nobody" }, "unmapped_plan");
    const update = { reason: "update", money: { amount: 9, currency: "EUR" } } as const;
    await refuse(update, "currency_mismatch");
    expect(await grants(one)).toEqual([]);
    expect(await findBalance(database.app, one.accountId)).toMatchObject({ available: 3 });
    // The wrong charge stood on the order's row; the right one has a row of its own.
    expect(await one.pay()).toMatchObject({ outcome: "applied" });
    expect(await grants(one)).toEqual([[100, 100, 0]]);
  });

  it("of a plan that the catalog has only later is given when it is told again", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const planRef = `late_${one.ref}`;
    const invoice = one.invoiceOf({ n: 1, planRef });
    expect(await recordInvoice(database.worker, invoice)).toEqual({ outcome: "refused" });
    await makePlan(database.admin, { credits: 60 }, { provider_ref: planRef });
    const { payment } = await recordInvoice(database.worker, invoice);
    expect(creditsOf(payment)).toBe(60);
  });

  it("of a free plan refills although nothing was paid, and looks like no trial", async () => {
    const plan = await makePlan(database.admin, { credits: 10, trial_credits: 5 }, { amount: 0 });
    const one = await makeSubscribed(database, { plan });
    await one.show();
    expect(await one.pay({ trial: true })).toMatchObject({ outcome: "applied" });
    expect(await one.pay({ n: 1 })).toMatchObject({ outcome: "applied" });
    expect(await grants(one)).toEqual([
      [10, 10, 0],
      [10, 10, 0],
    ]);
    expect(await listEvents(database.admin, one.accountId, "payment.succeeded")).toEqual([]);
  });

  it("for anything else is a payment and gives nothing", async () => {
    const one = await makeSubscribed(database);
    await one.show();
    const { outcome, payment } = await one.pay({ reason: "other", planRef: "a fee" });
    expect(outcome).toBe("applied");
    expect(payment).toMatchObject({ purpose: "invoice", charged: 900, credits: 0 });
    expect(await grants(one)).toEqual([]);
  });

  it("is nobody else's to see", async () => {
    const [one, other] = await Promise.all([makeSubscribed(database), makeSubscribed(database)]);
    await one.show();
    const { payment } = await one.pay();
    expect(await findPayment(database.app, other.accountId, payment?.id ?? "")).toBeUndefined();
    expect(await findPayment(database.app, one.accountId, payment?.id ?? "")).toBeDefined();
  });
});

describe("renewals", () => {
  it("refill once each and move the period on, before the snapshot or after it", async () => {
    for (const first of ["invoice", "snapshot"]) {
      const one = await makeSubscribed(database, { start: new Date(Date.now() - 3 * day) });
      await one.show();
      await one.pay();
      if (first === "snapshot") await one.show({ n: 1 });
      const { payment } = await one.pay({ n: 1 });
      expect(payment).toMatchObject({ purpose: "invoice", credits: 100, credits_granted: 100 });
      expect(await findSubscription(database.app, one.accountId)).toMatchObject({
        period_start: one.period(1)[0],
        period_end: one.period(1)[1],
      });
      if (first === "invoice") expect(await one.show({ n: 1 })).toMatchObject({ outcome: "known" });
      // A snapshot that was fetched before the renewal takes nothing back.
      expect(await one.show()).toMatchObject({
        subscription: { period_start: one.period(1)[0] },
      });
    }
  });

  it("that come late leave what is newer, and end when their period ended", async () => {
    const start = new Date(Date.now() - 70 * day);
    const one = await makeSubscribed(database, { start });
    await one.show({ n: 2 });
    await one.pay({ n: 2 });
    expect(await one.pay({ n: 1 })).toMatchObject({ outcome: "applied" });
    expect(await one.pay({ n: 0 })).toMatchObject({ outcome: "applied" });
    expect(await grants(one)).toEqual([
      [100, 0, 100],
      [100, 0, 100],
      [100, 100, 0],
    ]);
    const period = { start: expect.any(String), end: expect.any(String), granted: 100, used: 0 };
    expect(await findBalance(database.app, one.accountId)).toMatchObject({ period });
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      period_start: one.period(2)[0],
    });
  });

  it("of a provider that tells no plan and no period are placed by their date", async () => {
    const one = await makeSubscribed(database, { start: new Date(Date.now() - 40 * day) });
    await one.show({ n: 1 });
    const bare = { planRef: undefined, periodStart: undefined, periodEnd: undefined };
    const [start0] = one.period(0);
    const [start1] = one.period(1);
    const late = await one.pay({ n: 1, ...bare, occurredAt: start1 });
    expect(late.payment?.period_start).toEqual(start1);
    // Charged some minutes early, and a month late.
    const first = await one.pay({ ...bare, occurredAt: new Date(start0.getTime() + 5000) });
    expect(first.payment?.period_end).toEqual(start1);
    const early = new Date(one.period(2)[0].getTime() - 300_000);
    const next = await one.pay({ n: 2, ...bare, occurredAt: early });
    expect(next.payment?.period_start).toEqual(one.period(2)[0]);
    expect(await grants(one)).toEqual([
      [100, 0, 100],
      [100, 100, 0],
      [100, 100, 0],
    ]);
  });

  it("without any period are unknown until a snapshot tells one", async () => {
    const one = await makeSubscribed(database);
    await one.show({ status: "incomplete", periodStart: undefined, periodEnd: undefined });
    const bare = { planRef: undefined, periodStart: undefined, periodEnd: undefined };
    const invoice = one.invoiceOf(bare);
    expect(await recordInvoice(database.worker, invoice)).toEqual({ outcome: "unknown" });
    await one.show();
    expect(await recordInvoice(database.worker, invoice)).toMatchObject({ outcome: "applied" });
  });

  it("bring the smaller plan that waited for them", async () => {
    const one = await makeSubscribed(database);
    const small = await makePlan(database.admin, { credits: 10 }, { amount: 100 });
    const planRef = planRefOf(small.price);
    await one.show();
    await one.pay();
    await one.show({ planRef });
    await one.pay({ n: 1, planRef, money: { amount: 100, currency: "USD" } });
    expect(await grants(one)).toEqual([
      [100, 100, 0],
      [10, 10, 0],
    ]);
    expect(await findSubscription(database.app, one.accountId)).toMatchObject({
      product_id: small.product.id,
      next_product_id: null,
    });
  });

  it("that failed are told to the customer once, and settle the same payment when paid", async () => {
    const one = await makeSubscribed(database);
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${one.accountId}@example.com`}
      WHERE id = ${one.accountId}`;
    const invoice = one.invoiceOf({ n: 1 });
    const { invoiceRef } = invoice;
    const failure = { invoiceRef, effectKey: `${invoice.effectKey}:failed` };
    expect(await one.fail(failure)).toEqual({ outcome: "unknown" });
    await one.show();
    // Of the first invoice the customer has heard on the page.
    expect(await one.fail()).toMatchObject({ outcome: "known", payment: { id: one.order.id } });
    await one.pay();
    const failed = await one.fail({ ...failure, nextAttempt: new Date() });
    expect(failed).toMatchObject({
      outcome: "applied",
      payment: { status: "failed", amount: 900 },
    });
    expect(await one.fail(failure)).toMatchObject({ outcome: "known" });
    const messages = await database.admin`
      SELECT kind, data FROM ducat.messages
      WHERE account_id = ${one.accountId} AND kind = 'payment_failed'`;
    expect(messages).toMatchObject([{ data: { amount: 900, currency: "USD" } }]);
    const paid = await recordInvoice(database.worker, invoice);
    expect(paid.payment).toMatchObject({ id: failed.payment?.id, status: "succeeded" });
    expect(await one.fail(failure)).toMatchObject({ outcome: "known" });
    expect(await grants(one)).toEqual([
      [100, 100, 0],
      [100, 100, 0],
    ]);
  });
});

describe("a trial", () => {
  const plan = () =>
    makePlan(database.admin, { trial_days: 14, trial_credits: 7, allowances: { mails: 2 } });

  it("gives its own credits, free ones, until it ends; then the first payment refills", async () => {
    const start = new Date();
    const one = await makeSubscribed(database, { plan: await plan(), start });
    const ends = new Date(start.getTime() + 14 * day);
    await one.show({ status: "trialing", trialEndsAt: ends, periodEnd: ends });
    const free = { trial: true, money: { amount: 0, currency: "USD" } };
    const invoice = one.invoiceOf({ ...free, periodEnd: ends });
    const { outcome, payment } = await recordInvoice(database.worker, invoice);
    expect(outcome).toBe("applied");
    expect(payment).toMatchObject({ id: one.order.id, status: "succeeded", charged: 0 });
    expect(await recordInvoice(database.worker, invoice)).toMatchObject({ outcome: "known" });
    expect(await findBalance(database.app, one.accountId)).toMatchObject({
      available: 10,
      trial_credits: 10,
      period: { granted: 7, used: 0 },
    });
    expect(await listEvents(database.admin, one.accountId, "payment.succeeded")).toEqual([]);
    const period = { periodStart: ends, periodEnd: new Date(ends.getTime() + 30 * day) };
    await one.show(period);
    expect(creditsOf((await one.pay({ n: 1, ...period })).payment)).toBe(100);
    const grant = (await findBalance(database.app, one.accountId))?.grants.find(
      ({ amount }) => amount === 7,
    );
    expect(new Date(grant?.expires_at ?? "")).toEqual(ends);
    expect(
      await database.admin`
      SELECT feature, amount FROM ducat.allowance_grants WHERE account_id = ${one.accountId}`,
    ).toEqual([{ feature: "mails", amount: 2 }]);
  });

  it("that says so but was charged is none", async () => {
    const one = await makeSubscribed(database, { plan: await plan() });
    await one.show();
    expect(creditsOf((await one.pay({ trial: true })).payment)).toBe(100);
  });
});

describe("what a refund takes", () => {
  it("is of the refill that its invoice paid, also by the order's first one", async () => {
    const one = await makeSubscribed(database, { start: new Date(Date.now() - day) });
    await one.show();
    const { payment } = await one.pay();
    await database.admin.begin(async (sql) => {
      await sql`UPDATE ducat.payments SET refunded = 450 WHERE id = ${payment?.id ?? ""}`;
      await sql`SELECT ducat.recompute_reversal(${payment?.id ?? ""})`;
    });
    expect(await grants(one)).toEqual([[100, 50, 0]]);
    expect(between(one.period(0), 0)).toEqual(one.period(0)[0]);
  });
});
