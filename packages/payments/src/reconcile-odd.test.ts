import { randomUUID } from "node:crypto";
import type { PaymentSucceeded } from "@ducat/billing/facts";
import type { PaymentProvider } from "@ducat/billing/provider";
import { createAccount } from "@ducat/db/accounts";
import { listAnomalies, resolveAnomaly } from "@ducat/db/payment-anomalies";
import { listUnaskedSubscriptions } from "@ducat/db/provider-books";
import { startReconciliation } from "@ducat/db/reconciliations";
import { DomainError } from "@ducat/types/errors";
import { describe, expect, it, onTestFinished } from "vitest";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import type { Rig } from "../../billing/test/rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { startZarinpalRig } from "../../billing/test/zarinpal-rig.ts";
import { makeSucceededFact } from "../../db/test/billing-factories.ts";
import { cloneDatabase } from "../../db/test/clone.ts";
import { assertInvariants } from "../../db/test/invariants.ts";
import { credits, openShop, readBooks, receiveAll } from "../test/shop.ts";
import { reconcile } from "./reconcile.ts";

const hour = 3_600_000;

/** A deployment of the test's own: rigs count their ids from one. */
async function open<R extends Rig>(start: () => Promise<R>) {
  const [rig, database] = await Promise.all([start(), cloneDatabase()]);
  onTestFinished(async () => {
    await rig.close();
    await assertInvariants(database.admin).finally(() => database.close());
  });
  const shop = await openShop(database, rig);
  const email = `${randomUUID()}@example.com`;
  const made = { external_id: `x-${randomUUID()}`, kind: "user" as const, email };
  const { account } = await createAccount(database.app, made);
  const run = (provider: PaymentProvider = rig.provider, since?: Date) =>
    reconcile(shop.deps, provider, { everySeconds: 0, since });
  const available = async () => (await readBooks(database, account.id)).available;
  const agePages = (ms: number) => database.admin`
    UPDATE ducat.payment_attempts
    SET created_at = created_at - make_interval(secs => ${ms / 1000})`;
  return { rig, shop, database, accountId: account.id, run, available, agePages };
}

describe("a page that is too old to be paid", () => {
  it("ends with its order, and is settled all the same when somebody paid there", async () => {
    const { rig, shop, database, accountId, run, available, agePages } = await open(() =>
      startZarinpalRig(undefined, "test"),
    );
    const { page, payment } = await shop.order("pack", accountId);
    const readStatus = async () => {
      const [row] = await database.admin<{ status: string }[]>`
        SELECT status FROM ducat.payments WHERE id = ${payment.id}`;
      return row?.status;
    };
    await agePages(24 * hour);
    expect(await run()).toMatchObject({ status: "clean" });
    expect(await readStatus()).toBe("created");
    await agePages(2 * hour);
    expect(await run()).toMatchObject({ status: "clean" });
    expect(await readStatus()).toBe("expired");
    await rig.pay(page);
    expect(await run()).toMatchObject({
      differences: [{ kind: "missing_payment", repaired: true, payment_id: payment.id }],
    });
    expect([await readStatus(), await available()]).toEqual(["succeeded", 103]);
    expect(await run()).toMatchObject({ status: "clean" });
  });
});

describe("a page that was given up and is paid, and that can't be verified", () => {
  const begin = async () => {
    const opened = await open(() => startZarinpalRig(undefined, "test"));
    const { rig, shop, accountId, run, agePages } = opened;
    const [lost, fine] = [await shop.order("pack", accountId), await shop.order("pack", accountId)];
    await agePages(26 * hour);
    await run();
    await rig.pay(lost.page);
    await rig.pay(fine.page);
    /** The provider, of which one page can't be asked. */
    const failing = (code: "invalid_state" | "provider_unavailable"): PaymentProvider => ({
      ...rig.provider,
      settle: async (order) => {
        if (order.ref === lost.page) throw new DomainError(code);
        return (await rig.provider.settle?.(order)) ?? [];
      },
    });
    return { ...opened, lost, fine, failing };
  };

  it("is reported where the provider refuses for good, and the others are settled", async () => {
    const { database, run, available, lost, fine, failing } = await begin();
    const done = await run(failing("invalid_state"));
    expect(done).toMatchObject({ status: "differs", error: null });
    const about = done?.differences.map(({ kind, about: name }) => [kind, name]);
    expect(about).toEqual(
      expect.arrayContaining([
        ["unknown_order", lost.page],
        ["missing_payment", fine.page],
      ]),
    );
    expect(await available()).toBe(103);
    const anomalies = await listAnomalies(database.app, { open: true, limit: 9 });
    expect(anomalies).toMatchObject([{ kind: "unknown_order", about: lost.page }]);
  });

  it("is asked again by the next run where it was away, and the others don't wait", async () => {
    const { database, run, available, failing } = await begin();
    expect(await run(failing("provider_unavailable"))).toMatchObject({ status: "failed" });
    expect(await available()).toBe(103);
    expect(await listAnomalies(database.app, { limit: 9 })).toEqual([]);
    await run();
    expect(await available()).toBe(203);
    expect(await run()).toMatchObject({ status: "clean" });
  });
});

describe("a subscription that no list tells of any more", () => {
  it("is asked about once a day, and when its period is over", async () => {
    const { rig, shop, database, accountId, run } = await open(startLemonRig);
    const { page } = await shop.order("small", accountId);
    await rig.pay(page);
    await shop.hear();
    const [row] = await database.admin<{ ref: string }[]>`
      SELECT provider_ref AS ref FROM ducat.subscriptions WHERE account_id = ${accountId}`;
    const ref = row?.ref ?? "";
    expect(await run()).toMatchObject({ status: "clean" });
    // It was made long ago, and its end was told while we were away.
    for (const { attributes } of rig.books.things.values()) {
      attributes.created_at = new Date(rig.clock.now - 60 * 24 * hour).toISOString();
    }
    await rig.provider.cancelSubscription?.({ ref, when: "period_end" });
    await rig.dropDeliveries();
    expect(await run()).toMatchObject({ status: "clean" });
    await database.admin`
      UPDATE ducat.subscriptions SET fetched_at = fetched_at - interval '25 hours'
      WHERE provider_ref = ${ref}`;
    expect(await run()).toMatchObject({
      differences: [{ kind: "subscription_differs", about: ref, repaired: true }],
    });
    const unasked = { provider: "lemonsqueezy", mode: "test", seconds: 86_400, limit: 9 };
    expect(await listUnaskedSubscriptions(database.worker, unasked)).toEqual([]);
    await database.admin`
      UPDATE ducat.subscriptions SET period_end = clock_timestamp(),
        fetched_at = clock_timestamp() - interval '1 minute' WHERE provider_ref = ${ref}`;
    expect(await listUnaskedSubscriptions(database.worker, unasked)).toEqual([ref]);
  });
});

describe("invoices that are first learnt after a step up", () => {
  it("pay the plan that was ordered, and the difference once", async () => {
    const { rig, shop, database, accountId, run, available } = await open(startLemonRig);
    const now = rig.clock.now;
    /** Delivers what waits, but for the invoices, whose webhooks are lost. */
    const hearPart = async () => {
      const sent = await rig.takeDeliveries();
      const part = sent.filter(({ raw }) => !raw.includes('"type":"subscription-invoices"'));
      await shop.process(await receiveAll(database, rig, part));
    };
    rig.clock.now = now - 15 * 24 * hour;
    const { page, payment } = await shop.order("small", accountId);
    await rig.pay(page);
    await hearPart();
    const [row] = await database.admin<{ ref: string }[]>`
      SELECT provider_ref AS ref FROM ducat.subscriptions WHERE account_id = ${accountId}`;
    rig.clock.now = now;
    const { price, priceRef: planRef } = rig.plans?.large ?? {};
    if (!row || !price || !planRef) throw new Error("there is nothing to change");
    await rig.provider.changePlan?.({ ref: row.ref, planRef, price, when: "now", key: "up" });
    await hearPart();
    expect(await available()).toBe(3);
    const done = await run(rig.provider, new Date(now - 20 * 24 * hour));
    expect(done?.differences).toMatchObject([
      { kind: "missing_invoice", repaired: true },
      { kind: "missing_invoice", repaired: true, payment_id: payment.id },
    ]);
    const [paid] = await database.admin`
      SELECT credits_granted FROM ducat.payments WHERE id = ${payment.id}`;
    expect(paid).toEqual({ credits_granted: credits.small });
    // About half of the month is left.
    const added = (await available()) - 3 - credits.small;
    expect(added).toBeGreaterThan(135);
    expect(added).toBeLessThan(165);
    expect(await run()).toMatchObject({ status: "clean" });
  });
});

describe("a run", () => {
  const makePaid = async () => {
    const opened = await open(startStripeRig);
    const { rig, shop, accountId, agePages } = opened;
    const { page } = await shop.order("pack", accountId);
    await rig.pay(page);
    await rig.dropDeliveries();
    await agePages(hour);
    return opened;
  };
  /** The provider, with something before what it tells. */
  const first = (
    provider: PaymentProvider,
    before: () => ReturnType<PaymentProvider["reconcile"]>,
  ): PaymentProvider => ({
    ...provider,
    async *reconcile(input) {
      yield* before();
      yield* provider.reconcile(input);
    },
  });

  it("goes on after a fact that can't be written, and reports it", async () => {
    const { rig, run, available } = await makePaid();
    const strange = first(rig.provider, async function* () {
      yield {
        ...{ kind: "subscription.touched", provider: "stripe", mode: "test" },
        ...{ effectKey: "s:test:sub:gone", subscriptionRef: "sub_gone", occurredAt: new Date() },
      };
    });
    const done = await run(strange);
    expect(done).toMatchObject({ status: "differs", error: null });
    expect(done?.differences).toMatchObject([
      { kind: "subscription_differs", about: "sub_gone", repaired: false },
      { kind: "missing_payment", repaired: true },
    ]);
    expect(await available()).toBe(103);
  });

  it("has failed when a fact was not written because somebody was away", async () => {
    const { rig, run, available } = await makePaid();
    const away = first(rig.provider, async function* () {
      rig.faults.add("GET /v1/subscriptions", "status_500");
      yield {
        ...{ kind: "subscription.touched", provider: "stripe", mode: "test" },
        ...{ effectKey: "s:test:sub:x", subscriptionRef: "sub_x", occurredAt: new Date() },
      };
    });
    expect(await run(away)).toMatchObject({
      ...{ status: "failed", error: expect.stringContaining("provider_unavailable") },
      differences: [{ kind: "missing_payment", repaired: true }],
    });
    expect(await available()).toBe(103);
  });

  it("says nothing any more when another one has taken its place", async () => {
    const { rig, run, database } = await makePaid();
    const side = { provider: "stripe", mode: "test" };
    const slow: PaymentProvider = {
      ...rig.provider,
      async *reconcile(input) {
        yield* rig.provider.reconcile(input);
        await database.admin`UPDATE ducat.reconciliations SET lease_until = clock_timestamp()`;
        await startReconciliation(database.worker, { ...side, everySeconds: 0, leaseSeconds: 60 });
      },
    };
    expect(await run(slow)).toBeUndefined();
  });

  it("reports a charge that was kept aside until a person has dealt with it", async () => {
    const { rig, shop, database, accountId, run } = await open(startStripeRig);
    const { payment } = await shop.order("pack", accountId);
    const wrong = { amount: payment.amount - 1, currency: payment.currency };
    const told = first(rig.provider, async function* () {
      const odd = { money: wrong, price: wrong, paymentRef: "pi_odd" };
      yield makeSucceededFact(payment, odd) as PaymentSucceeded;
    });
    for (let round = 0; round < 2; round += 1) {
      expect((await run(told))?.differences).toMatchObject([
        { kind: "amount_differs", about: "pi_odd", repaired: false, payment_id: payment.id },
      ]);
    }
    const audit = { actor: "root", request_id: "r", ip: null };
    for (const { id } of await listAnomalies(database.worker, { limit: 9 })) {
      await resolveAnomaly(database.app, id, audit);
    }
    expect(await run(told)).toMatchObject({ status: "clean" });
  });

  it("keeps a card that was saved, and takes none back that was removed", async () => {
    const { rig, shop, database, accountId, run } = await open(startStripeRig);
    await database.admin`
      INSERT INTO ducat.provider_customers (account_id, provider, mode, customer_ref, method_ref)
      VALUES (${accountId}, 'stripe', 'test', 'cus_1', 'pm_new')`;
    const about = { provider: "stripe", mode: "test", customerRef: "cus_1" } as const;
    const at = (ms: number) => new Date(Date.now() - ms);
    const told = first(rig.provider, async function* () {
      yield {
        ...about,
        kind: "method.saved",
        effectKey: "b",
        methodRef: "pm_b",
        occurredAt: at(1),
      };
    });
    expect(await run(told)).toMatchObject({ status: "clean" });
    const readCard = async () => {
      const [row] = await database.admin<{ method_ref: string | null }[]>`
        SELECT method_ref FROM ducat.provider_customers WHERE account_id = ${accountId}`;
      return row?.method_ref;
    };
    expect(await readCard()).toBe("pm_new");
    const removed = first(rig.provider, async function* () {
      const card = { ...about, methodRef: "pm_new" };
      yield { ...card, kind: "method.removed", effectKey: "r", occurredAt: at(1) };
      yield { ...card, kind: "method.saved", effectKey: "s", occurredAt: at(2) };
    });
    expect((await run(removed))?.differences).toMatchObject([
      { kind: "method_differs", about: "pm_new", repaired: true },
    ]);
    expect(await readCard()).toBeNull();
    expect(shop.lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});
