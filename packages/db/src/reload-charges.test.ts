import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { makeReloader, type Reloader } from "../test/reload-factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  findDueAttempts,
  findReloadCharge,
  getAutoReload,
  markSent,
  type ReloadResult,
  recordReload,
} from "./auto-reload.ts";
import { findBalance, freezeAccount } from "./credits.ts";
import { movePayment } from "./payments.ts";

const database = useDatabase({ checksEvents: true });

const declined = { status: "needs_customer", code: "card_declined" } as const;

/** An account whose reload has been reserved. */
async function makeCharged() {
  const reloader = await makeReloader(database);
  await reloader.spend(90);
  const charge = await reloader.charge();
  return {
    ...reloader,
    charge,
    again: () => chargeAgain(reloader),
    record: (result: ReloadResult) => recordReload(database.worker, charge.attempt_id, result),
    find: () => findReloadCharge(database.worker, charge.attempt_id),
    settings: () => getAutoReload(database.app, reloader.id),
    letBeDue: () => database.admin`
      UPDATE ducat.payment_attempts SET due_at = clock_timestamp()
      WHERE id = ${charge.attempt_id} AND due_at IS NOT NULL`,
    readWait: async () => {
      const [row] = await database.admin<{ wait: number | null }[]>`
        SELECT extract(epoch FROM due_at - clock_timestamp())::float AS wait
        FROM ducat.payment_attempts WHERE id = ${charge.attempt_id}`;
      return row?.wait;
    },
  };
}

async function chargeAgain(reloader: Reloader) {
  await reloader.letPass(61);
  await reloader.spend(1);
  return reloader.charge();
}

describe("a charge of a saved card", () => {
  it("that succeeds waits for its payment, which ends it and forgets failures", async () => {
    const one = await makeCharged();
    await database.admin`UPDATE ducat.auto_reloads SET failures = 2 WHERE account_id = ${one.id}`;
    const paymentRef = `pay_${randomUUID()}`;
    expect(await one.record({ status: "succeeded", paymentRef })).toBe(true);
    expect(await one.find()).toMatchObject({ status: "processing", provider_ref: paymentRef });
    expect(await one.findPayment(one.charge.payment_id)).toMatchObject({
      ...{ status: "pending", provider_ref: paymentRef },
    });
    expect(await one.settings()).toMatchObject({ failures: 2 });
    expect((await one.settle(one.charge.payment_id)).outcome).toBe("applied");
    expect(await one.find()).toMatchObject({ status: "succeeded" });
    expect(await one.settings()).toMatchObject({ failures: 0, spent_this_month: 500 });
    expect(await findBalance(database.app, one.id)).toMatchObject({ available: 60 });
    const data = { payment_id: one.charge.payment_id, amount: 500, currency: "USD", credits: 50 };
    expect(await one.listEvents()).toEqual([{ name: "auto_reload.succeeded", data }]);
    // What the sender says afterwards is no news.
    expect(await one.record({ status: "succeeded", paymentRef })).toBe(false);
    expect(await one.record(declined)).toBe(false);
    expect(await one.find()).toMatchObject({ status: "succeeded" });
  });

  it("that is declined fails its payment and sends a link to pay, by event and mail", async () => {
    const one = await makeCharged();
    expect(await one.record({ ...declined, paymentRef: `pay_${randomUUID()}` })).toBe(true);
    expect(await one.find()).toMatchObject({ status: "needs_customer" });
    expect(await one.findPayment(one.charge.payment_id)).toMatchObject({
      ...{ status: "failed", failure_code: "card_declined" },
    });
    expect(await one.settings()).toMatchObject({ failures: 1, enabled: true });
    const [event] = await one.listEvents();
    const link = await one.findPayment(String(event?.data.payment_id));
    expect(link).toMatchObject({ purpose: "reload", status: "created", amount: 500 });
    expect(link.id).not.toBe(one.charge.payment_id);
    const about = { payment_id: link.id, reference: link.reference, code: "card_declined" };
    expect(event).toEqual({ name: "auto_reload.needs_customer", data: about });
    const message = { ...about, amount: 500, currency: "USD", credits: 50 };
    expect(await one.listMessages()).toEqual([{ name: "reload_needs_customer", data: message }]);
  });

  it("that is declined is counted once, whoever tells it and how often", async () => {
    for (const first of ["answer", "webhook"]) {
      const one = await makeCharged();
      const { reference, provider, mode } = one.charge;
      const paymentRef = `pay_${randomUUID()}`;
      const webhook = () =>
        movePayment(database.worker, {
          ...{ kind: "payment.failed", provider, mode, orderRef: reference, paymentRef },
          code: "card_declined",
        } as Parameters<typeof movePayment>[1]);
      if (first === "webhook") await webhook();
      await one.record({ ...declined, paymentRef });
      await webhook();
      await one.record(declined);
      expect(await one.settings()).toMatchObject({ failures: 1 });
      expect(await one.listMessages()).toHaveLength(1);
      const failed = await database.admin`
        SELECT FROM ducat.outbox WHERE account_id = ${one.id} AND type = 'payment.failed'`;
      expect(failed).toHaveLength(1);
    }
  });

  it("that is declined three times in a row switches auto-reload off, with event and mail", async () => {
    const one = await makeCharged();
    await one.record(declined);
    for (const failures of [2, 3]) {
      const { attempt_id } = await one.again();
      expect(await recordReload(database.worker, attempt_id, declined)).toBe(true);
      expect(await one.settings()).toMatchObject({ failures, enabled: failures < 3 });
    }
    expect(await one.settings()).toMatchObject({ disabled_reason: "failures" });
    const names = (await one.listEvents()).map(({ name }) => name);
    expect(names).toEqual([
      ...Array.from({ length: 3 }, () => "auto_reload.needs_customer"),
      "auto_reload.disabled",
    ]);
    const mails = await one.listMessages();
    expect(mails.at(-1)).toEqual({ name: "reload_disabled", data: { reason: "failures" } });
    // One link for all three: the first still waits to be paid.
    expect(new Set(mails.slice(0, 3).map(({ data }) => data.reference)).size).toBe(1);
    await one.letPass(61);
    await one.spend(1);
    expect(await one.reserve()).toEqual({ action: "none", reason: "not_due" });
    // Switched on anew it begins from none.
    await one.set();
    await one.spend(1);
    expect(await one.reserve()).toMatchObject({ action: "charge" });
  });

  it("that succeeds between two declines keeps it on", async () => {
    const one = await makeCharged();
    await one.record(declined);
    const second = await one.again();
    await recordReload(database.worker, second.attempt_id, declined);
    const third = await one.again();
    await one.settle(third.payment_id);
    await one.letPass(61);
    await one.spend(50);
    const fourth = await one.again();
    await recordReload(database.worker, fourth.attempt_id, declined);
    expect(await one.settings()).toMatchObject({ failures: 1, enabled: true });
  });

  it("that is declined while the account is frozen is counted, without a link", async () => {
    const one = await makeCharged();
    const audit = { actor: "root", request_id: "test", ip: null };
    await freezeAccount(database.app, one.id, { reason: "admin", frozen: true, audit });
    expect(await one.record(declined)).toBe(true);
    expect(await one.settings()).toMatchObject({ failures: 1 });
    expect(await one.listMessages()).toEqual([]);
  });

  it("that the provider refuses for good ends and counts as a decline does", async () => {
    const one = await makeCharged();
    await one.record({ status: "failed", code: "customer_deleted" });
    expect(await one.find()).toMatchObject({ status: "failed_final" });
    expect(await one.settings()).toMatchObject({ failures: 1 });
  });

  it("whose money comes after all is credited, though it had failed", async () => {
    const one = await makeCharged();
    await one.record(declined);
    expect((await one.settle(one.charge.payment_id)).outcome).toBe("applied");
    expect(await one.find()).toMatchObject({ status: "succeeded" });
    expect(await one.settings()).toMatchObject({ failures: 0 });
    expect(await findBalance(database.app, one.id)).toMatchObject({ available: 60 });
  });

  it("that nobody was asked for ends as if it had not been", async () => {
    const one = await makeCharged();
    expect(await one.record({ status: "expired" })).toBe(true);
    expect(await one.findPayment(one.charge.payment_id)).toMatchObject({ status: "expired" });
    expect(await one.settings()).toMatchObject({ failures: 0, spent_this_month: 0 });
    expect(await one.listEvents()).toEqual([]);
    expect(await markSent(database.worker, one.charge.attempt_id)).toBe(false);
    expect(await one.again()).toMatchObject({ status: "reserved" });
  });

  it("is not there by another name", async () => {
    const word = recordReload(database.worker, randomUUID(), declined);
    expect(await refusalOf(word)).toEqual({ code: "not_found", what: "attempt" });
    expect(await markSent(database.worker, randomUUID())).toBe(false);
    expect(await findReloadCharge(database.worker, randomUUID())).toBeUndefined();
  });
});

describe("a charge whose outcome isn't known", () => {
  it("stays open and is looked up again, with the very same words, ever later", async () => {
    const one = await makeCharged();
    expect(await markSent(database.worker, one.charge.attempt_id)).toBe(true);
    expect(await one.record({ status: "unknown" })).toBe(true);
    expect(await one.readWait()).toBeLessThanOrEqual(30);
    expect(await one.readWait()).toBeGreaterThan(20);
    await database.admin`
      UPDATE ducat.payment_attempts SET created_at = created_at - interval '10 minutes'
      WHERE id = ${one.charge.attempt_id}`;
    await one.record({ status: "unknown" });
    expect(await one.readWait()).toBeGreaterThan(590);
    // Another card has been saved meanwhile.
    await database.admin`
      UPDATE ducat.provider_customers SET method_ref = 'pm_other' WHERE account_id = ${one.id}`;
    await one.letBeDue();
    const found = (await findDueAttempts(database.worker, 100)).find(
      ({ attempt_id }) => attempt_id === one.charge.attempt_id,
    );
    const { status, created_at, ...asked } = one.charge;
    expect(found).toMatchObject({ ...asked, status: "unknown" });
    expect([status, created_at < new Date()]).toEqual(["reserved", true]);
  });

  it("is given to one caller at a time", async () => {
    const one = await makeCharged();
    await one.letBeDue();
    const sessions = await openSessions(database.url, "ducat_worker", 5);
    const all = await Promise.all(atOnce(sessions, 10, (db) => findDueAttempts(db, 100)));
    const mine = all.flat().filter(({ attempt_id }) => attempt_id === one.charge.attempt_id);
    expect(mine).toEqual([one.charge]);
    expect(await one.readWait()).toBeGreaterThan(100);
  });

  it("whose sender is gone is found after two minutes, and no more once it has ended", async () => {
    const one = await makeCharged();
    const isFound = async () => {
      const due = await findDueAttempts(database.worker, 100);
      return due.some(({ attempt_id }) => attempt_id === one.charge.attempt_id);
    };
    expect(await isFound()).toBe(false);
    expect(await one.readWait()).toBeGreaterThan(110);
    await one.letBeDue();
    expect(await isFound()).toBe(true);
    await one.settle(one.charge.payment_id);
    expect(await one.readWait()).toBeNull();
    expect(await isFound()).toBe(false);
  });
});
