import type { ProviderFact } from "@ducat/billing/facts";
import { DomainError } from "@ducat/types/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ofKind, parseAll, type Rig } from "../../billing/test/rig.ts";
import { startStripeRig } from "../../billing/test/stripe-rig.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { credits, openShop, readBooks, rigs, type Shop } from "../test/shop.ts";
import { applyFacts } from "./apply-facts.ts";

const db = useDatabase();

/** What the provider tells of something that happens. */
async function hear(rig: Rig): Promise<ProviderFact[]> {
  return parseAll(rig.provider, await rig.takeDeliveries());
}
const apply = (rig: Rig, facts: ProviderFact[]) =>
  applyFacts({ db: db.worker }, rig.provider, facts);
const outcomes = async (rig: Rig, facts: ProviderFact[]) =>
  (await apply(rig, facts)).map(({ outcome }) => outcome);

describe.each(rigs)("facts of %s", (_, start) => {
  let rig: Rig;
  let shop: Shop;
  beforeAll(async () => {
    rig = await start();
    shop = await openShop(db, rig);
  });
  afterAll(() => rig.close());

  const subscribe = async () => {
    const { accountId, page, payment } = await shop.order("small");
    await rig.pay(page);
    const facts = await hear(rig);
    await apply(rig, facts);
    const touched = ofKind(facts, "subscription.touched").find(
      ({ orderRef }) => orderRef === payment.reference,
    );
    return { accountId, ref: touched?.subscriptionRef ?? "" };
  };
  const readPlan = async (accountId: string) =>
    (
      await db.admin`SELECT status, past_due_at IS NOT NULL AS is_late FROM ducat.subscriptions
        WHERE account_id = ${accountId}`
    )[0];

  it("change something once and are known from then on", async () => {
    const { page } = await shop.order("pack");
    await rig.pay(page);
    const paid = ofKind(await hear(rig), "payment.succeeded").slice(0, 1);
    expect(await outcomes(rig, paid)).toEqual(["applied"]);
    expect(await outcomes(rig, paid)).toEqual(["known"]);
  });

  it("of a renewal that failed make the plan late and tell the customer once", async () => {
    const { accountId, ref } = await subscribe();
    await db.admin`UPDATE ducat.accounts SET email = ${`${accountId}@example.com`}
      WHERE id = ${accountId}`;
    await rig.renew?.(ref, false);
    const failed = (await hear(rig)).filter(
      (fact) => "subscriptionRef" in fact && fact.subscriptionRef === ref,
    );
    expect(ofKind(failed, "invoice.failed")).not.toEqual([]);
    for (let times = 0; times < 2; times += 1) await apply(rig, failed);
    expect(await readPlan(accountId)).toEqual({ status: "past_due", is_late: true });
    const messages = await db.admin`SELECT kind FROM ducat.messages
      WHERE account_id = ${accountId} AND kind = 'payment_failed'`;
    expect(messages).toHaveLength(1);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.small);
  });

  it("that can't be placed are unknown, and nothing is written", async () => {
    const { page } = await shop.order("pack");
    await rig.pay(page);
    const strange = ofKind(await hear(rig), "payment.succeeded").map((fact) => ({
      ...fact,
      orderRef: "no_such_order",
      paymentRef: `${fact.paymentRef}0`,
      effectKey: `${fact.effectKey}0`,
    }));
    for (const outcome of await outcomes(rig, strange)) expect(outcome).toBe("unknown");
  });

  it("of another amount are kept and credit nothing", async () => {
    const { accountId, page } = await shop.order("pack");
    await rig.pay(page, { charged: { amount: 1, currency: "USD" } });
    const told = await outcomes(rig, await hear(rig));
    expect(told).not.toContain("applied");
    expect(told).toContain("refused");
    expect((await readBooks(db, accountId)).available).toBe(3);
  });

  it("are all tried, and the failure that may pass is the one that is thrown", async () => {
    const { accountId, page } = await shop.order("pack");
    await rig.pay(page);
    const paid = ofKind(await hear(rig), "payment.succeeded");
    const { provider, mode, occurredAt } = paid[0] as ProviderFact;
    const touch = (ref: string): ProviderFact => ({
      ...{ kind: "subscription.touched", effectKey: ref, subscriptionRef: ref },
      ...{ provider, mode, occurredAt },
    });
    const failing = {
      ...rig.provider,
      fetchSubscription: async (ref: string) => {
        throw new DomainError(ref === "gone" ? "not_found" : "provider_unavailable");
      },
    };
    const facts = [touch("gone"), touch("away"), ...paid];
    await expect(applyFacts({ db: db.worker }, failing, facts)).rejects.toMatchObject({
      code: "provider_unavailable",
    });
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.pack);
  });
});

describe("facts of stripe alone", () => {
  let rig: Awaited<ReturnType<typeof startStripeRig>>;
  let shop: Shop;
  beforeAll(async () => {
    rig = await startStripeRig();
    shop = await openShop(db, rig);
  });
  afterAll(() => rig.close());

  const buy = async () => {
    const { accountId, page } = await shop.order("pack", undefined, { savesMethod: true });
    await rig.pay(page);
    const facts = await hear(rig);
    await apply(rig, facts);
    const [paid] = ofKind(facts, "payment.succeeded");
    return { accountId, paymentRef: paid?.paymentRef ?? "" };
  };
  const readMethod = async (accountId: string) =>
    (
      await db.admin`SELECT method_ref FROM ducat.provider_customers
        WHERE account_id = ${accountId}`
    )[0]?.method_ref as string | null;

  it("save a card and forget it when it is gone", async () => {
    const { accountId } = await buy();
    const method = await readMethod(accountId);
    expect(method).toMatch(/^pm_/);
    rig.clock.now += 1_000;
    rig.books.detach(method ?? "");
    await apply(rig, await hear(rig));
    expect(await readMethod(accountId)).toBeNull();
  });

  it("of a dispute freeze the account until it is won, and of a lost one take all back", async () => {
    for (const [end, left] of [
      ["won", credits.pack],
      ["lost", 0],
    ] as const) {
      const { accountId, paymentRef } = await buy();
      rig.clock.now += 1_000;
      await rig.dispute?.(paymentRef, "opened");
      await apply(rig, await hear(rig));
      expect(await readBooks(db, accountId)).toMatchObject({ frozen: true });
      rig.clock.now += 1_000;
      await rig.dispute?.(paymentRef, end);
      await apply(rig, await hear(rig));
      const expected = { available: 3 + left, debt: 0, frozen: false };
      expect(await readBooks(db, accountId)).toEqual(expected);
    }
  });

  it("of a refund that the bank sent back bring the credits back", async () => {
    const { accountId, paymentRef } = await buy();
    rig.clock.now += 1_000;
    const refund = rig.books.refund(paymentRef, 400);
    await apply(rig, await hear(rig));
    expect((await readBooks(db, accountId)).available).toBe(3 + 60);
    rig.clock.now += 1_000;
    rig.books.failRefund(refund.id);
    await apply(rig, await hear(rig));
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.pack);
  });

  it("of a session that isn't ours are one alarm", async () => {
    const { accountId, page } = await shop.order("pack");
    await rig.pay(page);
    const strange: ProviderFact = {
      kind: "anomaly",
      detail: "foreign_session",
      about: page,
      provider: "stripe",
      mode: "test",
      effectKey: `s:test:${page}:foreign_session`,
      occurredAt: new Date(),
    };
    await hear(rig);
    expect(await outcomes(rig, [strange, strange])).toEqual(["refused", "refused"]);
    const rows = await db.admin`SELECT kind FROM ducat.payment_anomalies WHERE about = ${page}`;
    expect(rows).toEqual([{ kind: "foreign_session" }]);
    expect((await readBooks(db, accountId)).available).toBe(3);
  });

  it("of an order that can't be told are known where its credit is in the books", async () => {
    const { paymentRef } = await buy();
    const about = { provider: "stripe", mode: "test", occurredAt: new Date() } as const;
    const lost = (ref: string): ProviderFact => ({
      ...{ kind: "anomaly", detail: "unknown_order", about: ref, effectKey: `s:test:pi:${ref}` },
      ...about,
    });
    expect(await outcomes(rig, [lost(paymentRef), lost("pi_of_nobody")])).toEqual([
      "known",
      "refused",
    ]);
  });
});
