import { randomUUID } from "node:crypto";
import { createZarinpal } from "@ducat/billing/zarinpal";
import { findOrder } from "@ducat/db/payments";
import { closeRefund, findDueRefunds, type Refund } from "@ducat/db/refunds";
import type { DomainError } from "@ducat/types/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLemonRig } from "../../billing/test/lemon-squeezy-rig.ts";
import type { Rig } from "../../billing/test/rig.ts";
import { startSandboxRig } from "../../billing/test/sandbox-rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { startZarinpalRig } from "../../billing/test/zarinpal-rig.ts";
import { zarinpalMerchant } from "../../billing/test/zarinpal-server.ts";
import { cloneDatabase } from "../../db/test/clone.ts";
import { makeKey } from "../../db/test/factories.ts";
import { countOutcomes, refusalOf } from "../../db/test/outcome.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { openShop, type Place, readBooks, type Shop } from "../test/shop.ts";
import type { PaymentDeps } from "./providers.ts";
import { type RefundRequest, refundPayment, resolveRefund } from "./refund-payment.ts";
import { settleOrder } from "./settle-order.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "request-1", ip: null };

const starts: [Rig["provider"]["name"], () => Promise<Rig>][] = [
  ["stripe", startStripeRig],
  ["lemonsqueezy", startLemonRig],
  ["sandbox", startSandboxRig],
  ["zarinpal", () => startZarinpalRig(undefined, "test")],
];

/** An order that has been paid and delivered: 100 credits beside the trial's three. */
async function buy(shop: Shop, db: Place = database) {
  const { rig, deps } = shop;
  rig.clock.now = Math.floor(Date.now() / 1000) * 1000;
  const ordered = await shop.order("pack");
  await rig.pay(ordered.page);
  await shop.hear();
  const { reference } = ordered.payment;
  const waiting = await findOrder(db.worker, { reference });
  // Where no webhook comes, the customer's return settles it.
  const paid = waiting && (await settleOrder(deps, waiting));
  const charged = paid?.payment.charged ?? 0;
  const request = (change: Partial<RefundRequest> = {}): RefundRequest => ({
    ...makeKey(),
    paymentId: ordered.payment.id,
    reason: "a complaint",
    audit,
    ...change,
  });
  return {
    ...ordered,
    charged,
    available: async () => (await readBooks(db, ordered.accountId)).available,
    request,
    /** As the API asks for it. */
    refund: (change: Partial<RefundRequest> = {}, other: PaymentDeps = deps) =>
      refundPayment({ ...other, db: db.app }, ordered.accountId, request(change)),
    readRefunds: () => db.admin<{ status: string; error: string | null }[]>`
      SELECT status, error FROM ducat.payment_refunds
      WHERE payment_id = ${ordered.payment.id} ORDER BY id`,
    /** Lets the time pass until a sweep takes it. */
    async takeDue(): Promise<Refund> {
      await db.admin`UPDATE ducat.payment_refunds SET due_at = clock_timestamp()
        WHERE payment_id = ${ordered.payment.id} AND due_at IS NOT NULL`;
      const due = await findDueRefunds(db.worker, 100);
      const ours = due.find(({ payment_id }) => payment_id === ordered.payment.id);
      if (!ours) throw new Error("nothing is due");
      return ours;
    },
    reversed: async () => {
      const [row] = await db.admin<{ reversed: number }[]>`
        SELECT reversed FROM ducat.payments WHERE id = ${ordered.payment.id}`;
      return row?.reversed;
    },
  };
}

describe.each(starts)("a refund at %s", (name, start) => {
  let rig: Rig;
  let shop: Shop;
  beforeAll(async () => {
    rig = await start();
    shop = await openShop(database, rig);
  });
  afterAll(() => rig.close());

  it("pays a part back three times, and takes the credits each stands for", async () => {
    const paid = await buy(shop);
    const part = paid.charged / 4;
    for (const round of [1, 2, 3]) {
      const { refund, replayed } = await paid.refund({ amount: part });
      expect([refund.status, replayed]).toEqual(["succeeded", false]);
      expect([await paid.reversed(), await paid.available()]).toEqual([
        part * round,
        103 - 25 * round,
      ]);
    }
    await shop.hear();
    expect([await paid.reversed(), await paid.available()]).toEqual([part * 3, 28]);
    const refused = await refusalOf(paid.refund({ amount: part + 1 }));
    expect(refused).toEqual({ code: "invalid_state", reason: "exceeds", left: part });
    await paid.refund();
    expect([await paid.reversed(), await paid.available()]).toEqual([paid.charged, 3]);
  });

  it("pays back once per key, whoever repeats it, and one at a time", async () => {
    const paid = await buy(shop);
    const key = makeKey();
    const half = { ...key, amount: paid.charged / 2 };
    const first = await paid.refund(half);
    const again = await paid.refund(half);
    expect(again).toMatchObject({ replayed: true, refund: { id: first.refund.id } });
    expect(await paid.available()).toBe(53);
    const other = { ...makeKey(), ...{ key: key.key }, amount: paid.charged / 2 };
    expect(await refusalOf(paid.refund(other))).toEqual({ code: "idempotency_conflict" });
    const rest = { ...makeKey(), amount: paid.charged / 4 };
    const calls = Array.from({ length: 20 }, () => paid.refund(rest));
    expect(await countOutcomes(calls)).toEqual({ ok: 1, replayed: 19 });
    expect([await paid.reversed(), await paid.available()]).toEqual([(paid.charged * 3) / 4, 28]);
  });

  it("is one refund, wherever its answer got lost", async () => {
    const faults = rig.faultKinds.includes("html")
      ? ["hang_after", "status_500_after"]
      : ["reset_after"];
    for (const fault of faults as ["hang_after"]) {
      const paid = await buy(shop);
      // Of ZarinPal a whole young payment is reversed, and that can be looked up.
      const call = name === "zarinpal" ? "reverse.json" : rig.calls.refund;
      const impatient = rig.remake({ timeoutMs: 150 });
      const deps = { ...shop.deps, providers: new Map([[name, impatient]]) };
      rig.faults.add(call, fault);
      const request = makeKey();
      const { refund } = await paid.refund(request, deps);
      expect(refund.status, fault).toBe("unknown");
      const repeat = await paid.refund(request);
      expect([repeat.replayed, repeat.refund.status], fault).toEqual([true, "unknown"]);
      expect(await refusalOf(paid.refund({ amount: 1 }))).toMatchObject({ reason: "refund_open" });
      await resolveRefund(shop.deps, await paid.takeDue());
      expect(await paid.readRefunds(), fault).toMatchObject([{ status: "succeeded" }]);
      await shop.hear();
      expect([await paid.reversed(), await paid.available()], fault).toEqual([paid.charged, 3]);
      expect((await paid.refund(request)).refund.status).toBe("succeeded");
      rig.faults.clear();
    }
  });

  it("is asked for again when the first request never arrived", async () => {
    const paid = await buy(shop);
    const call = name === "zarinpal" ? "reverse.json" : rig.calls.refund;
    rig.faults.add(call, "reset");
    const { refund } = await paid.refund();
    expect(refund.status).toBe("unknown");
    await resolveRefund(shop.deps, await paid.takeDue());
    const [after] = await paid.readRefunds();
    if (rig.provider.caps.refunds.repeatable) {
      expect([after?.status, await paid.available()]).toEqual(["succeeded", 3]);
      return;
    }
    // ZarinPal's panel has no keys: only a person can say whether it was carried out.
    expect([after?.status, await paid.available()]).toEqual(["unknown", 103]);
    const anomalies = await database.admin`
      SELECT kind FROM ducat.payment_anomalies WHERE payment_id = ${paid.payment.id}`;
    expect(anomalies).toEqual([{ kind: "refund_unknown" }]);
    // Who has looked there says so, and whoever was about to ask again leaves it at that.
    const due = await paid.takeDue();
    const word = { outcome: "succeeded", reason: "the panel shows it", audit } as const;
    const { accountId, payment } = paid;
    const named = { paymentId: payment.id, refundId: refund.id };
    await closeRefund(database.app, accountId, { ...named, ...word });
    await resolveRefund(shop.deps, due);
    expect([await paid.reversed(), await paid.available()]).toEqual([paid.charged, 3]);
    const left = await database.admin`
      SELECT kind FROM ducat.payment_anomalies
      WHERE payment_id = ${payment.id} AND resolved_at IS NULL`;
    expect(left).toEqual([]);
  });

  it("raises no alarm about one that a person has just decided", async () => {
    if (rig.provider.caps.refunds.repeatable) return;
    const paid = await buy(shop);
    rig.faults.add("reverse.json", "reset");
    const { refund } = await paid.refund();
    const due = await paid.takeDue();
    const word = { outcome: "failed", reason: "the panel doesn't show it", audit } as const;
    const named = { paymentId: paid.payment.id, refundId: refund.id };
    await closeRefund(database.app, paid.accountId, { ...named, ...word });
    await resolveRefund(shop.deps, due);
    expect(await paid.readRefunds()).toMatchObject([{ status: "failed" }]);
    const anomalies = await database.admin`
      SELECT kind FROM ducat.payment_anomalies WHERE payment_id = ${paid.payment.id}`;
    expect(anomalies).toEqual([]);
    expect((await paid.refund()).refund.status).toBe("succeeded");
  });

  it("waits while the provider is away", async () => {
    const paid = await buy(shop);
    const call = name === "zarinpal" ? "reverse.json" : rig.calls.refund;
    rig.faults.add(call, "reset");
    await paid.refund();
    const due = await paid.takeDue();
    const away = name === "stripe" ? "GET /v1" : name === "lemonsqueezy" ? "GET /v1" : "";
    rig.faults.add(away, "reset");
    await resolveRefund(shop.deps, due);
    rig.faults.clear();
    expect(await paid.readRefunds()).toMatchObject([{ status: "unknown" }]);
  });

  it("is told why it was refused, and a new key may try again", async () => {
    const paid = await buy(shop);
    const refused = await refusalOf(paid.refund({}, { ...shop.deps, providers: new Map() }));
    expect(refused).toEqual({ code: "invalid_state", reason: "refused" });
    expect(await paid.readRefunds()).toMatchObject([
      { status: "failed", error: expect.stringContaining("not set up") },
    ]);
    expect((await paid.refund()).refund.status).toBe("succeeded");
  });

  it("hides payments of another account", async () => {
    const [paid, stranger] = [await buy(shop), await buy(shop)];
    const deps = { ...shop.deps, db: database.app };
    const call = refundPayment(deps, stranger.accountId, paid.request());
    expect(await refusalOf(call)).toMatchObject({ code: "not_found" });
    const nothing = refundPayment(deps, paid.accountId, paid.request({ paymentId: randomUUID() }));
    expect(await refusalOf(nothing)).toMatchObject({ code: "not_found" });
  });

  it("leaves one audit line, in the transaction that reserves it", async () => {
    const paid = await buy(shop);
    const key = makeKey();
    await paid.refund(key);
    await paid.refund(key);
    const lines = await database.admin`
      SELECT actor, metadata FROM ducat.audit_logs
      WHERE account_id = ${paid.accountId} AND action = 'payment.refund'`;
    expect(lines).toMatchObject([
      { actor: "root", metadata: { amount: paid.charged, reason: "a complaint" } },
    ]);
  });
});

describe("a refund whose key the provider has forgotten", () => {
  it("is not asked for again: the provider's count decides", async () => {
    const rig = await startStripeRig();
    try {
      const shop = await openShop(database, rig);
      for (const isCarriedOut of [true, false]) {
        const paid = await buy(shop);
        rig.faults.add(rig.calls.refund, isCarriedOut ? "hang_after" : "reset");
        const impatient = rig.remake({ timeoutMs: 150 });
        await paid.refund({}, { ...shop.deps, providers: new Map([["stripe", impatient]]) });
        const later = { ...shop.deps, now: () => Date.now() + 24 * 3_600_000 };
        const requests = rig.server.requests.length;
        await resolveRefund(later, await paid.takeDue());
        const asked = rig.server.requests.slice(requests).filter(({ method }) => method === "POST");
        expect(asked).toEqual([]);
        const [after] = await paid.readRefunds();
        expect(after?.status).toBe(isCarriedOut ? "succeeded" : "failed");
        expect(await paid.available()).toBe(isCarriedOut ? 3 : 103);
      }
    } finally {
      await rig.close();
    }
  });
});

describe("what ZarinPal can't pay back", () => {
  it("is refused with its reason: a part without the panel, too late, too little", async () => {
    const db = await cloneDatabase();
    const rig = await startZarinpalRig(undefined, "test");
    try {
      const shop = await openShop(db, rig);
      const { mode } = rig.provider;
      const withoutPanel = createZarinpal({
        ...{ merchantId: zarinpalMerchant, mode, baseUrl: rig.server.url },
        now: () => rig.clock.now,
      });
      const without = { ...shop.deps, providers: new Map([["zarinpal", withoutPanel]] as const) };
      const paid = await buy(shop, db);
      const reasonOf = async (call: Promise<unknown>) => {
        const refusal = await call.then(
          () => undefined,
          (error: DomainError) => error,
        );
        return [refusal?.code, refusal?.detail.detail];
      };
      const notWhole = "Only a whole, young payment can be paid back.";
      expect(await reasonOf(paid.refund({ amount: 100_000 }, without))).toEqual([
        ...["invalid_state", notWhole],
      ]);
      rig.clock.now += 31 * 60_000;
      expect(await reasonOf(paid.refund({}, without))).toEqual(["invalid_state", notWhole]);
      expect(await reasonOf(paid.refund({ amount: 19_999 }))).toEqual([
        ...["invalid_state", "At least 20000 rials can be paid back."],
      ]);
      expect(await paid.available()).toBe(103);
      expect((await paid.refund()).refund.status).toBe("succeeded");
    } finally {
      await rig.close();
      await db.close();
    }
  });
});
