import { findDueAttempts, findDueReloads, recordReload } from "@ducat/db/auto-reload";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import { atOnce, openSessions } from "../../db/test/parallel.ts";
import { makeReloader } from "../../db/test/reload-factories.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { chargingRigs, makeCardholder } from "../test/saved-cards.ts";
import { makeDeps, openShop, receiveAll } from "../test/shop.ts";
import { chargeReload, resolveAttempt } from "./charge-reload.ts";
import { processWebhook } from "./process-webhook.ts";

const database = useDatabase();

describe.each(chargingRigs)("auto-reload by a card saved at %s", (name, start) => {
  let rig: Awaited<ReturnType<typeof start>>;
  let before = 0;
  beforeAll(async () => {
    rig = await start();
  });
  afterAll(() => rig.close());

  const begin = async (settings: Parameters<typeof makeCardholder>[2] = {}) => {
    rig.faults.clear();
    before = await rig.countCharges();
    return makeCardholder(database, rig, settings);
  };
  const countCharges = async () => (await rig.countCharges()) - before;
  /** What the provider tells of it by itself. */
  const hear = async (deps: Awaited<ReturnType<typeof begin>>["deps"]) => {
    for (const id of await receiveAll(database, rig, await rig.takeDeliveries())) {
      await processWebhook(deps, id);
    }
  };

  it("buys the pack once when the credits run low, by the charge or by its webhook", async () => {
    const holder = await begin();
    expect(await chargeReload(holder.deps, holder.id)).toBe("none");
    await holder.spend(85);
    expect(await findDueReloads(database.worker)).toContain(holder.id);
    expect(await chargeReload(holder.deps, holder.id)).toBe("charge");
    expect(await holder.available()).toBe(65);
    await hear(holder.deps);
    expect(await chargeReload(holder.deps, holder.id)).toBe("none");
    expect([await holder.available(), await countCharges()]).toEqual([65, 1]);
    expect(await holder.readAttempts()).toMatchObject([{ status: "succeeded", due_at: null }]);
    expect((await holder.listEvents()).map((told) => told.name)).toEqual(["auto_reload.succeeded"]);
  });

  it("charges once, of fifty spends and sweeps by three workers at once", async () => {
    const holder = await begin();
    await holder.spend(75);
    const workers = await openSessions(database.url, "ducat_worker", 6);
    const triggers = atOnce(workers, 50, async (db, index) => {
      if (index % 2 === 0) await holder.spend(1);
      const deps = { ...holder.deps, db };
      for (const id of await findDueReloads(db)) {
        if (id === holder.id) await chargeReload(deps, id);
      }
      return chargeReload(deps, holder.id);
    });
    const actions = await Promise.all(triggers);
    expect(actions.filter((action) => action === "link")).toEqual([]);
    await hear(holder.deps);
    expect([await countCharges(), await holder.available()]).toEqual([1, 50]);
    expect(await holder.readAttempts()).toHaveLength(1);
  });

  it("finds a charge whose answer was an error, and credits it without another", async () => {
    for (const fault of ["status_500_after", "reset_after", "hang_after"] as const) {
      const holder = await begin();
      await holder.spend(85);
      rig.faults.add(rig.calls.charge ?? "", fault);
      await chargeReload(holder.impatient, holder.id);
      expect((await holder.readAttempts())[0]?.status, fault).toBe("unknown");
      expect(await holder.available(), fault).toBe(15);
      // Another trigger makes no other attempt.
      await holder.spend(1);
      expect(await chargeReload(holder.deps, holder.id), fault).toBe("none");
      await resolveAttempt(holder.deps, await holder.takeOpen());
      expect([await countCharges(), await holder.available()], fault).toEqual([1, 64]);
      await hear(holder.deps);
      expect(await holder.available(), fault).toBe(64);
    }
  });

  it("makes the same charge when the first request never arrived, and never a second", async () => {
    for (const fault of ["reset", "hang"] as const) {
      const holder = await begin();
      await holder.spend(85);
      rig.faults.add(rig.calls.charge ?? "", fault);
      await chargeReload(holder.impatient, holder.id);
      const charge = await holder.takeOpen();
      expect([charge.status, await countCharges()], fault).toEqual(["unknown", 0]);
      const workers = await openSessions(database.url, "ducat_worker", 3);
      const sweeps = atOnce(workers, 6, (db) => resolveAttempt({ ...holder.deps, db }, charge));
      await Promise.all(sweeps);
      expect([await countCharges(), await holder.available()], fault).toEqual([1, 65]);
    }
  });

  it("leaves a charge alone while the provider can't be asked about it", async () => {
    const holder = await begin();
    await holder.spend(85);
    rig.faults.add(rig.calls.charge ?? "", "hang_after");
    await chargeReload(holder.impatient, holder.id);
    const charge = await holder.takeOpen();
    const lookUp = name === "stripe" ? "GET /v1/payment_intents" : "get";
    rig.faults.add(lookUp, "hang");
    await resolveAttempt(holder.impatient, charge);
    expect((await holder.readAttempts())[0]).toMatchObject({
      status: "unknown",
      due_at: expect.any(Date),
    });
    await resolveAttempt(holder.deps, charge);
    expect([await countCharges(), await holder.available()]).toEqual([1, 65]);
  });

  it("asks no more once the provider may have forgotten the key", async () => {
    const holder = await begin();
    await holder.spend(85);
    rig.faults.add(rig.calls.charge ?? "", "reset");
    await chargeReload(holder.impatient, holder.id);
    const charge = await holder.takeOpen();
    const later = { ...holder.deps, now: () => Date.now() + 24 * 3_600_000 };
    await resolveAttempt(later, charge);
    expect(await holder.readAttempts()).toMatchObject([{ status: "expired", due_at: null }]);
    expect([await countCharges(), await holder.available()]).toEqual([0, 15]);
  });

  it("goes on where a process died before it asked, but not the next day", async () => {
    const holder = await begin();
    await holder.spend(85);
    const reserved = await reserveHere(holder);
    expect(reserved.status).toBe("reserved");
    await resolveAttempt(holder.deps, reserved);
    expect([await countCharges(), await holder.available()]).toEqual([1, 65]);
    await holder.spend(50);
    await holder.letPass(61);
    const next = await reserveHere(holder);
    const later = { ...holder.deps, now: () => Date.now() + 2 * 3_600_000 };
    await resolveAttempt(later, next);
    expect(await countCharges()).toBe(1);
    expect((await holder.readAttempts())[0]).toMatchObject({
      id: next.attempt_id,
      status: "expired",
    });
  });
  const reserveHere = async (holder: Awaited<ReturnType<typeof begin>>) => {
    const reserved = await holder.reserve([name]);
    if (reserved.action !== "charge") throw new Error(JSON.stringify(reserved));
    return reserved.charge;
  };

  it("sends a link when the card is declined or asks for 3-D Secure, and stops after three", async () => {
    const holder = await begin({ later: "declines" });
    await holder.spend(85);
    const codes = ["card_declined", "authentication_required", "card_declined"];
    for (const [index, code] of codes.entries()) {
      await holder.setCard(index === 1 ? "needs_3ds" : "declines");
      expect(await chargeReload(holder.deps, holder.id), code).toBe("charge");
      // The provider tells it by webhook too, and that is no second failure.
      await hear(holder.deps);
      expect((await holder.readAttempts())[0]).toMatchObject({ status: "needs_customer", code });
      await holder.spend(1);
      expect(await chargeReload(holder.deps, holder.id), "a minute must pass").toBe("none");
      await holder.letPass(61);
      if (index < 2) await holder.spend(1);
    }
    const links = (name: string) => Array.from({ length: 3 }, () => name);
    const messages = (await holder.listMessages()).map((told) => told.name);
    expect(messages).toEqual([...links("reload_needs_customer"), "reload_disabled"]);
    const events = (await holder.listEvents()).map((told) => told.name);
    expect(events).toEqual([...links("auto_reload.needs_customer"), "auto_reload.disabled"]);
    await holder.spend(1);
    expect(await chargeReload(holder.deps, holder.id)).toBe("none");
    expect(await countCharges()).toBe(0);
  });

  it("does nothing in a process that has no key for the provider", async () => {
    const holder = await begin();
    await holder.spend(85);
    const charge = await reserveHere(holder);
    const without = { ...holder.deps, providers: new Map() };
    await resolveAttempt(without, charge);
    expect((await holder.readAttempts())[0]?.status).toBe("reserved");
    await resolveAttempt(holder.deps, charge);
    expect(await countCharges()).toBe(1);
  });

  it("asks for nothing that has ended meanwhile", async () => {
    const holder = await begin();
    await holder.spend(85);
    const seen = await reserveHere(holder);
    await recordReload(database.worker, seen.attempt_id, { status: "expired" });
    await resolveAttempt(holder.deps, seen);
    expect([await countCharges(), await holder.available()]).toEqual([0, 15]);
  });

  it("is taken by one sweep at a time when it is due", async () => {
    const holder = await begin();
    await holder.spend(85);
    const charge = await reserveHere(holder);
    await database.admin`UPDATE ducat.payment_attempts SET due_at = clock_timestamp()
      WHERE id = ${charge.attempt_id}`;
    const taken = await Promise.all([1, 2, 3].map(() => findDueAttempts(database.worker, 50)));
    const ours = taken.flat().filter(({ attempt_id }) => attempt_id === charge.attempt_id);
    expect(ours).toHaveLength(1);
  });
});

describe("auto-reload at a provider that can't charge", () => {
  it("sends the customer a link, once a day", async () => {
    const rig = await startLemonRig();
    try {
      const shop = await openShop(database, rig);
      const reloader = await makeReloader(database, { provider: "lemonsqueezy" });
      await reloader.spend(85);
      const deps = makeDeps(database.worker, shop.rig.provider);
      expect(await chargeReload(deps, reloader.id)).toBe("link");
      await reloader.spend(1);
      await reloader.letPass(61);
      expect(await chargeReload(deps, reloader.id)).toBe("none");
      expect(await reloader.listMessages()).toMatchObject([
        { name: "reload_needs_customer", data: { reference: expect.any(String) } },
      ]);
    } finally {
      await rig.close();
    }
  });
});
