import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeOffer, makePrice } from "../test/billing-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { makeReloader } from "../test/reload-factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { type AutoReloadSettings, getAutoReload, setAutoReload } from "./auto-reload.ts";
import { removeMethod } from "./provider-customers.ts";

const database = useDatabase({ checksEvents: true });

describe("the settings of auto-reload", () => {
  it("are what was set, with the pack, its price and what the month has cost", async () => {
    const reloader = await makeReloader(database, { monthlyCap: 2000 });
    expect(await getAutoReload(database.app, reloader.id)).toMatchObject({
      ...{ enabled: true, threshold: 20, price_id: reloader.price.id, provider: "sandbox" },
      ...{ amount: 50, price: { amount: 500, currency: "USD" }, monthly_cap: 2000 },
      product: { name: { en: "Hundred credits" } },
      ...{ spent_this_month: 0, failures: 0, disabled_reason: null, last_attempt_at: null },
      ...{ consented_at: expect.any(Date), has_method: true },
    });
    const { id } = await makeAccount(database.app);
    expect(await getAutoReload(database.app, id)).toBeUndefined();
  });

  it("refuse what makes no sense", async () => {
    const { admin, app } = database;
    const { id } = await makeAccount(app);
    const { price, product } = await makeOffer(admin);
    const fine = {
      ...{ enabled: true, threshold: 20, priceId: price.id, provider: "sandbox", consent: true },
    };
    const refuse = (change: Partial<AutoReloadSettings>) =>
      refusalOf(setAutoReload(app, id, { ...fine, ...change }));
    const invalid = (what: string) => ({ code: "validation_failed", what });
    expect(await refuse({ threshold: 0 })).toEqual(invalid("threshold"));
    expect(await refuse({ threshold: 101 })).toEqual(invalid("threshold"));
    expect(await refuse({ monthlyCap: 899 })).toEqual(invalid("monthly_cap"));
    expect(await refuse({ consent: false })).toEqual(invalid("consent"));
    const small = await makeOffer(admin, { credits: 5, bonus: 4 });
    const bound = await makeOffer(admin, { needs_subject: true });
    const pass = await makeOffer(admin, { kind: "pass", valid_days: 7 });
    const monthly = await makePrice(admin, product.id, { interval: "month" });
    for (const one of [small.price, bound.price, pass.price, monthly]) {
      expect(await refuse({ priceId: one.id })).toEqual(invalid("pack"));
    }
    const missing = { code: "not_found", what: "price" };
    const vendors = await makeOffer(admin, { audience: "vendor" });
    const retired = await makeOffer(admin, { is_active: false });
    const old = await makePrice(admin, product.id, { amount: 800, is_active: false });
    const elsewhere = await makeOffer(admin, {}, { provider: "stripe" });
    for (const one of [vendors.price, retired.price, old, elsewhere.price]) {
      expect(await refuse({ priceId: one.id })).toEqual(missing);
    }
    expect(await refuse({ priceId: randomUUID() })).toEqual(missing);
    expect(await getAutoReload(app, id)).toBeUndefined();
    const other = await refusalOf(setAutoReload(app, randomUUID(), fine));
    expect(other).toEqual({ code: "not_found", what: "account" });
  });

  it("forget failed charges when it is switched on anew, not when it was on", async () => {
    const reloader = await makeReloader(database);
    const fail = () => database.admin`
      UPDATE ducat.auto_reloads SET failures = 2, disabled_reason = 'failures'
      WHERE account_id = ${reloader.id}`;
    await fail();
    expect(await reloader.set({ threshold: 30 })).toMatchObject({ failures: 2, threshold: 30 });
    await reloader.set({ enabled: false, consent: false });
    await fail();
    expect(await reloader.set()).toMatchObject({ failures: 0, disabled_reason: null });
  });

  it("that switch it off take back what was due", async () => {
    const reloader = await makeReloader(database);
    await reloader.spend(90);
    expect(await reloader.set({ enabled: false, consent: false })).toMatchObject({
      enabled: false,
    });
    expect(await reloader.readDue()).toBeNull();
    expect(await reloader.reserve()).toEqual({ action: "none", reason: "not_due" });
  });

  it("switch it off when the pack is no longer sold, too, but not on again", async () => {
    const reloader = await makeReloader(database);
    await database.admin`
      UPDATE ducat.products SET is_active = false, credits = 0, bonus = 1
      WHERE id = ${reloader.price.product_id}`;
    expect(await reloader.set({ enabled: false, consent: false })).toMatchObject({
      enabled: false,
    });
    expect(await refusalOf(reloader.set())).toEqual({ code: "not_found", what: "price" });
  });
});

describe("a card that goes", () => {
  it("switches auto-reload off with a message, where it was the one that is charged", async () => {
    const reloader = await makeReloader(database);
    const other = await makeReloader(database);
    const { price } = await makeOffer(database.admin, {}, { provider: "stripe" });
    await other.set({ provider: "stripe", priceId: price.id });
    for (const { id } of [reloader, other]) {
      const fact = { provider: "sandbox", mode: "test", methodRef: `pm_${id}` } as const;
      await removeMethod(database.worker, { ...fact, occurredAt: new Date() });
    }
    expect(await getAutoReload(database.app, reloader.id)).toMatchObject({
      ...{ enabled: false, disabled_reason: "method_removed", has_method: false },
    });
    const told = { reason: "method_removed" };
    expect(await reloader.listEvents()).toEqual([{ name: "auto_reload.disabled", data: told }]);
    expect(await reloader.listMessages()).toEqual([{ name: "reload_disabled", data: told }]);
    await reloader.spend(90);
    expect(await reloader.readDue()).toBeNull();
    expect(await getAutoReload(database.app, other.id)).toMatchObject({ enabled: true });
  });
});
