import { randomUUID } from "node:crypto";
import { createAccount } from "@ducat/db/accounts";
import { findOrder } from "@ducat/db/payments";
import type { Reconciliation } from "@ducat/db/reconciliations";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import type { Rig } from "../../billing/test/rig.ts";
import { startSandboxRig } from "../../billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { startZarinpalRig } from "../../billing/test/zarinpal-rig.ts";
import { makeKey } from "../../db/test/factories.ts";
import { atOnce, openSessions } from "../../db/test/parallel.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { openShop, readBooks, type Shop } from "../test/shop.ts";
import { reconcile } from "./reconcile.ts";
import { refundPayment } from "./refund-payment.ts";
import { settleOrder } from "./settle-order.ts";

const database = useDatabase();
const minute = 60_000;

const starts: [Rig["provider"]["name"], () => Promise<Rig>][] = [
  ["stripe", startStripeRig],
  ["lemonsqueezy", startLemonRig],
  ["sandbox", startSandboxRig],
  ["zarinpal", () => startZarinpalRig(undefined, "test")],
];

const makeBuyer = async () => {
  const email = `${randomUUID()}@example.com`;
  const made = { external_id: `x-${randomUUID()}`, kind: "user" as const, email };
  return (await createAccount(database.app, made)).account.id;
};

describe.each(starts)("reconciliation with %s", (_name, start) => {
  let rig: Rig;
  let shop: Shop;
  beforeAll(async () => {
    rig = await start();
    shop = await openShop(database, rig);
  });
  afterAll(() => rig.close());

  const run = async (since?: Date): Promise<Reconciliation> => {
    rig.clock.now = Math.max(rig.clock.now, Date.now());
    const done = await reconcile(shop.deps, rig.provider, { everySeconds: 0, since });
    if (!done) throw new Error("no run began");
    return done;
  };
  /** Lets our orders, and the provider's, be as old as runs look at. */
  const letPass = async (ms: number) => {
    rig.clock.now += ms;
    await database.admin`
      UPDATE ducat.payment_attempts
      SET created_at = created_at - make_interval(secs => ${ms / 1000})
      WHERE provider = ${rig.provider.name}`;
  };
  const buy = async (what: "pack" | "small" = "pack") => {
    const accountId = await makeBuyer();
    const ordered = await shop.order(what, accountId);
    await rig.pay(ordered.page);
    return { ...ordered, available: async () => (await readBooks(database, accountId)).available };
  };
  const settle = async (reference: string) => {
    const order = await findOrder(database.worker, { reference });
    if (order && !rig.provider.caps.webhooks) await settleOrder(shop.deps, order);
  };

  it("finds nothing on a clean book, twice", async () => {
    const [one, two] = [await buy(), await buy()];
    if (rig.plans) await buy("small");
    await shop.order("pack", await makeBuyer());
    await shop.hear();
    await settle(one.payment.reference);
    await settle(two.payment.reference);
    const request = { ...makeKey(), paymentId: two.payment.id, reason: "r" };
    const audit = { actor: "root", request_id: "r", ip: null };
    await refundPayment({ ...shop.deps, db: database.app }, two.accountId, { ...request, audit });
    await shop.hear();
    await letPass(6 * minute);
    expect(await run()).toMatchObject({ status: "clean", differences: [], error: null });
    expect(await run(new Date(Date.now() - 30 * 86_400_000))).toMatchObject({
      ...{ status: "clean", differences: [], error: null },
    });
  });

  it("credits a payment that nobody told of, once", async () => {
    const paid = await buy();
    await rig.dropDeliveries();
    await letPass(6 * minute);
    const found = await run();
    expect(found).toMatchObject({
      status: "differs",
      differences: [{ kind: "missing_payment", repaired: true, payment_id: paid.payment.id }],
    });
    expect(await paid.available()).toBe(103);
    expect((await run()).status).toBe("clean");
    expect(await paid.available()).toBe(103);
  });

  it("fails while the provider is away, and credits what was paid meanwhile when it is back", async () => {
    const paid = await buy();
    await rig.dropDeliveries();
    await letPass(6 * minute);
    for (let asked = 0; asked < 3; asked += 1) {
      const match = rig.provider.name === "sandbox" ? "" : " /";
      for (let call = 0; call < 20; call += 1) rig.faults.add(match, "reset");
      const failed = await run();
      expect(failed).toMatchObject({
        status: "failed",
        error: expect.stringContaining("provider_unavailable"),
      });
      rig.faults.clear();
      expect(await paid.available()).toBe(3);
    }
    expect((await run()).status).toBe("differs");
    expect(await paid.available()).toBe(103);
  });

  it("is done by one process at a time, of many that try", async () => {
    const paid = await buy();
    await rig.dropDeliveries();
    await letPass(6 * minute);
    const sessions = await openSessions(database.url, "ducat_worker", 5);
    const tries = atOnce(sessions, 10, (db) =>
      reconcile({ ...shop.deps, db }, rig.provider, { everySeconds: 0 }),
    );
    const runs = (await Promise.all(tries)).filter((done) => done !== undefined);
    expect(runs.length).toBeGreaterThan(0);
    expect(runs.flatMap(({ differences }) => differences)).toHaveLength(1);
    // They began one after the other.
    const times = runs.map(({ started_at, finished_at }) => [started_at, finished_at].map(Number));
    times.sort(([one = 0], [other = 0]) => one - other);
    for (const [index, [, end = 0]] of times.entries()) {
      expect(times[index + 1]?.[0] ?? end).toBeGreaterThanOrEqual(end);
    }
    await run();
    expect(await paid.available()).toBe(103);
  });

  it("ends at once when the process stops, and the next run looks at the same time again", async () => {
    const stopping = new AbortController();
    stopping.abort();
    const stopped = await reconcile(shop.deps, rig.provider, {
      ...{ everySeconds: 0, signal: stopping.signal },
    });
    expect(stopped).toMatchObject({ status: "failed" });
    const next = await run();
    expect(next.since.getTime()).toBeLessThanOrEqual(stopped?.since.getTime() ?? 0);
  });
});
