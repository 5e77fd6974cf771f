import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { givePurchase, makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { makeReloader } from "../test/reload-factories.ts";
import { makeDispute } from "../test/reversal-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { findDueReloads, getAutoReload, recordReload, reserveReload } from "./auto-reload.ts";
import { freezeAccount } from "./credits.ts";
import { settlePayment } from "./payments.ts";
import { applyDispute } from "./reversals.ts";

const database = useDatabase();

const audit = { actor: "root", request_id: "test", ip: null };

describe("reserve_reload", () => {
  it("writes the payment and its attempt before the card is charged", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    const charge = await reloader.charge();
    expect(charge).toMatchObject({
      ...{ account_id: reloader.id, provider: "sandbox", mode: "test", status: "reserved" },
      ...{ customer_ref: `cus_${reloader.id}`, method_ref: `pm_${reloader.id}` },
      ...{ money: { amount: 500, currency: "USD" }, name: { en: "Hundred credits" } },
      provider_ref: null,
    });
    const payment = await reloader.findPayment(charge.payment_id);
    expect(payment).toMatchObject({
      ...{ purpose: "reload", status: "created", amount: 500, credits: 50 },
      ...{ reference: charge.reference, customer_ref: charge.customer_ref },
    });
    expect(await reloader.readDue()).toBeNull();
    expect(await findDueReloads(database.worker, 500)).not.toContain(reloader.id);
  });

  it("charges once of fifty that ask at the same time", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    const sessions = await openSessions(database.url, "ducat_worker", 10);
    const all = await Promise.all(atOnce(sessions, 50, (db) => reloader.reserve(["sandbox"], db)));
    expect(all.filter(({ action }) => action === "charge")).toHaveLength(1);
    expect(all.filter(({ action }) => action === "none")).toHaveLength(49);
    const rows = await database.admin`
      SELECT FROM ducat.payment_attempts WHERE account_id = ${reloader.id}`;
    expect(rows).toHaveLength(1);
  });

  it("counts neither trial nor a subject's credits as left", async () => {
    const reloader = await makeReloader(database);
    await givePurchase(database.app, reloader.id, 500, { subject: "house" });
    await database.admin`SELECT ducat.grant_credits(${reloader.id}, 'trial', 500, 'trial again')`;
    await reloader.spend(500);
    await reloader.spend(81);
    await database.admin`SELECT ducat.grant_credits(${reloader.id}, 'trial', 50, 'and again')`;
    expect(await reloader.reserve()).toMatchObject({ action: "charge" });
  });

  it("does nothing for an account that never set it, and knows no other", async () => {
    const { id } = await makeAccount(database.app);
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    await database.admin`
      UPDATE ducat.credit_accounts SET reload_due_at = clock_timestamp()
      WHERE account_id = ${id}`;
    const how = { mode: "test" as const, charging: ["sandbox"] };
    expect(await reserveReload(database.worker, id, how)).toEqual({
      ...{ action: "none", reason: "off" },
    });
    const missing = refusalOf(reserveReload(database.worker, randomUUID(), how));
    expect(await missing).toEqual({ code: "not_found", what: "account" });
  });
});

describe("no reload", () => {
  const none = (reason: string) => ({ action: "none", reason });

  it("is made before a spend has made it due", async () => {
    const reloader = await makeReloader(database, { credits: 10 });
    expect(await reloader.reserve()).toEqual(none("not_due"));
  });

  it("is made while the account is frozen, by an admin or a dispute", async () => {
    const reloader = await makeReloader(database);
    const payment = await makePaid(database.app, reloader.id, { priceId: reloader.price.id });
    await reloader.spend(140);
    const dispute = makeDispute(payment);
    await applyDispute(database.worker, dispute.tell("opened", 1));
    expect(await reloader.reserve()).toEqual(none("frozen"));
    await applyDispute(database.worker, dispute.tell("won", 2));
    expect(await reloader.reserve()).toEqual(none("not_due"));
    await reloader.spend(1);
    await freezeAccount(database.app, reloader.id, { reason: "admin", frozen: true, audit });
    expect(await reloader.reserve()).toEqual(none("frozen"));
  });

  it("is made after three charges in a row that failed", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    await database.admin`
      UPDATE ducat.auto_reloads SET failures = 3 WHERE account_id = ${reloader.id}`;
    expect(await reloader.reserve()).toEqual(none("failures"));
  });

  it("is made when there is enough again", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    await givePurchase(database.app, reloader.id, 10);
    expect(await reloader.reserve()).toEqual(none("above"));
    await expect(await reloader.readDue()).toBeNull();
    await reloader.spend(1);
    expect(await reloader.reserve()).toMatchObject({ action: "charge" });
  });

  it("is made within a minute of the last attempt, but then", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    const { payment_id } = await reloader.charge();
    await reloader.settle(payment_id);
    await reloader.spend(50);
    expect(await reloader.reserve()).toEqual(none("later"));
    const due = (await reloader.readDue())?.getTime() ?? 0;
    expect(due - Date.now()).toBeGreaterThan(50_000);
    expect(await findDueReloads(database.worker, 500)).not.toContain(reloader.id);
    await reloader.letPass(59);
    expect(await reloader.reserve()).toEqual(none("not_due"));
    expect(await reloader.readDue()).not.toBeNull();
    await database.admin`
      UPDATE ducat.credit_accounts SET reload_due_at = clock_timestamp()
      WHERE account_id = ${reloader.id}`;
    expect(await reloader.reserve()).toEqual(none("later"));
    await reloader.letPass(2);
    expect(await findDueReloads(database.worker, 500)).toContain(reloader.id);
    expect(await reloader.reserve()).toMatchObject({ action: "charge" });
  });

  it.each([
    ["reserved", undefined],
    ["sent", undefined],
    ["processing", { status: "processing", paymentRef: "pi" }],
    ["unknown", { status: "unknown" }],
  ] as const)("is made while an attempt is open: %s", async (status, result) => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    const { attempt_id } = await reloader.charge();
    if (status === "sent") {
      await database.worker`SELECT ducat.mark_sent(${attempt_id})`;
    }
    const ref = randomUUID();
    if (result) {
      const told = "paymentRef" in result ? { ...result, paymentRef: ref } : result;
      await recordReload(database.worker, attempt_id, told);
    }
    await reloader.letPass(3600);
    await reloader.spend(1);
    expect(await reloader.reserve()).toEqual(none("attempt_open"));
    expect(await reloader.readDue()).not.toBeNull();
  });

  it("is made when the price is no longer sold, and it is switched off with a message", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    await database.admin`
      UPDATE ducat.prices SET is_active = false WHERE id = ${reloader.price.id}`;
    expect(await reloader.reserve()).toEqual(none("price_retired"));
    expect(await getAutoReload(database.app, reloader.id)).toMatchObject({
      ...{ enabled: false, disabled_reason: "price_retired" },
    });
    const told = [{ name: "auto_reload.disabled", data: { reason: "price_retired" } }];
    expect(await reloader.listEvents()).toEqual(told);
    expect(await reloader.listMessages()).toEqual([{ ...told[0], name: "reload_disabled" }]);
  });

  it("is made after a charge that was not credited, until a person has looked", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    const { payment_id } = await reloader.charge();
    const { provider, mode, reference, currency } = await reloader.findPayment(payment_id);
    const wrong = { amount: 700, currency };
    const { outcome, payment } = await settlePayment(database.app, {
      ...{ provider, mode, orderRef: reference, paymentRef: randomUUID() },
      ...{ effectKey: randomUUID(), money: wrong, price: wrong },
    });
    expect(outcome).toBe("refused");
    await reloader.letPass(3600);
    await reloader.spend(1);
    expect(await reloader.reserve()).toEqual(none("quarantined"));
    await database.admin`
      UPDATE ducat.payment_anomalies SET resolved_at = clock_timestamp(), resolved_by = 'root'
      WHERE payment_id = ${payment?.id ?? null}`;
    await reloader.spend(1);
    expect(await reloader.reserve()).toMatchObject({ action: "charge" });
  });
});

describe("the cap of a month", () => {
  const none = { action: "none", reason: "cap" };

  /** Pays one reload and lets the account need the next. */
  async function makeCapped(monthlyCap: number) {
    const reloader = await makeReloader(database, { monthlyCap });
    await reloader.spend(90);
    const { payment_id } = await reloader.charge();
    await reloader.settle(payment_id);
    await reloader.letPass(3600);
    await reloader.spend(50);
    return { ...reloader, first: payment_id };
  }

  it("is not passed by a cent", async () => {
    const under = await makeCapped(999);
    expect(await under.reserve()).toEqual(none);
    expect(await under.readDue()).toBeNull();
    const exact = await makeCapped(1000);
    expect(await exact.reserve()).toMatchObject({ action: "charge" });
  });

  it("counts what may still be paid", async () => {
    const capped = await makeCapped(1499);
    const { attempt_id } = await capped.charge();
    expect(await getAutoReload(database.app, capped.id)).toMatchObject({ spent_this_month: 1000 });
    // Declined: the link that is sent takes the place of the charge.
    const decline = { status: "needs_customer", code: "card_declined" } as const;
    await recordReload(database.worker, attempt_id, decline);
    expect(await getAutoReload(database.app, capped.id)).toMatchObject({ spent_this_month: 1000 });
    await capped.letPass(3600);
    await capped.spend(1);
    expect(await capped.reserve()).toEqual(none);
    await database.admin`
      UPDATE ducat.payments SET expires_at = clock_timestamp()
      WHERE account_id = ${capped.id} AND status = 'created'`;
    await capped.spend(1);
    expect(await capped.reserve()).toMatchObject({ action: "charge" });
  });

  it("begins anew on the first of the month, in UTC", async () => {
    const capped = await makeCapped(500);
    expect(await capped.reserve()).toEqual(none);
    const payAt = (moment: string) => database.admin`
      UPDATE ducat.payments
      SET paid_at = date_trunc('month', clock_timestamp(), 'UTC') + ${moment}::interval
      WHERE id = ${capped.first}`;
    await payAt("0 seconds");
    await capped.spend(1);
    expect(await capped.reserve()).toEqual(none);
    await payAt("-1 millisecond");
    await capped.spend(1);
    expect(await capped.reserve()).toMatchObject({ action: "charge" });
  });

  it("counts reloads only, in its own currency", async () => {
    const reloader = await makeReloader(database, { monthlyCap: 500 });
    const { price } = await makeOffer(database.admin, {}, { amount: 9000, currency: "EUR" });
    await makePaid(database.app, reloader.id, { priceId: price.id });
    await makePaid(database.app, reloader.id, { priceId: reloader.price.id });
    await makePaid(database.app, reloader.id, { priceId: price.id, purpose: "reload" });
    await reloader.spend(331);
    expect(await reloader.reserve()).toMatchObject({ action: "charge" });
  });
});

describe("without a card that can be charged", () => {
  it("a link is sent, at most once in 24 hours", async () => {
    const reloader = await makeReloader(database, { card: false });
    await reloader.spend(90);
    const first = await reloader.reserve();
    if (first.action !== "link") throw new Error(first.action);
    const payment = await reloader.findPayment(first.paymentId);
    expect(payment).toMatchObject({ purpose: "reload", status: "created", amount: 500 });
    const about = { payment_id: payment.id, reference: payment.reference, code: "no_method" };
    expect(await reloader.listEvents()).toEqual([
      { name: "auto_reload.needs_customer", data: about },
    ]);
    const message = { ...about, amount: 500, currency: "USD", credits: 50 };
    expect(await reloader.listMessages()).toEqual([
      { name: "reload_needs_customer", data: message },
    ]);
    await reloader.letPass(86_300);
    await reloader.spend(1);
    expect(await reloader.reserve()).toEqual({ action: "none", reason: "link_sent" });
    expect(await reloader.readDue()).toBeNull();
    await reloader.letPass(200);
    await reloader.spend(1);
    expect(await reloader.reserve()).toMatchObject({ action: "link" });
    expect(await reloader.listMessages()).toHaveLength(2);
  });

  it("a provider that cannot charge sends the link, too", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    expect(await reloader.reserve(["stripe"])).toMatchObject({ action: "link" });
  });

  it("is all as before when the link has been paid", async () => {
    const reloader = await makeReloader(database, { card: false });
    await reloader.spend(90);
    const link = await reloader.reserve();
    if (link.action !== "link") throw new Error(link.action);
    await database.admin`
      UPDATE ducat.auto_reloads SET failures = 2 WHERE account_id = ${reloader.id}`;
    expect((await reloader.settle(link.paymentId)).outcome).toBe("applied");
    const last = (await reloader.listEvents()).at(-1);
    expect(last).toEqual({
      name: "auto_reload.succeeded",
      data: { payment_id: link.paymentId, amount: 500, currency: "USD", credits: 50 },
    });
    expect(await getAutoReload(database.app, reloader.id)).toMatchObject({ failures: 0 });
  });
});
