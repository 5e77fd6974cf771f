import { expect, it } from "vitest";
import type { ProviderFact } from "../src/facts.ts";
import { collect, creditKeys, ofKind, order, parseAll, type Rig } from "./rig.ts";

/** Subscriptions and the portal, for the providers that have them. */
export function plans(rig: () => Rig): void {
  it("tells the start of a subscription: one invoice to credit, one to fetch", async () => {
    if (!rig().plans) return;
    const { open, facts, ref } = await subscribe(rig());
    expect(ofKind(facts, "payment.succeeded")).toEqual([]);
    expect(ofKind(facts, "anomaly")).toEqual([]);
    expect(ofKind(facts, "invoice.paid")[0]).toMatchObject({
      reason: "initial",
      trial: false,
      orderRef: open.orderRef,
    });
    expect(creditKeys(facts)).toHaveLength(1);
    const linked = ofKind(facts, "subscription.touched").filter(({ orderRef }) => orderRef);
    expect(linked[0]).toMatchObject({ orderRef: open.orderRef, subscriptionRef: ref });
    const snapshot = await rig().provider.fetchSubscription?.(ref);
    expect(snapshot).toMatchObject({
      ref,
      status: "active",
      planRef: rig().plans?.small.priceRef,
      customerRef: expect.any(String),
      fetchedAt: new Date(rig().clock.now),
    });
    expect(snapshot?.periodEnd?.getTime()).toBeGreaterThan(rig().clock.now);
    expect(snapshot?.cancelAt).toBeUndefined();
  });

  it("tells a trial from a payment", async () => {
    if (!rig().plans) return;
    const { facts, ref } = await subscribe(rig(), { trial: true });
    expect(ofKind(facts, "invoice.paid")).toMatchObject([
      { reason: "initial", trial: true, money: { amount: 0 } },
    ]);
    const snapshot = await rig().provider.fetchSubscription?.(ref);
    expect(snapshot?.status).toBe("trialing");
    expect(snapshot?.trialEndsAt?.getTime()).toBeGreaterThan(rig().clock.now);
  });

  it("credits each renewal by its own invoice, and not the one that failed", async () => {
    const { provider, renew } = rig();
    if (!renew) return;
    const { facts, ref } = await subscribe(rig());
    await renew(ref, true);
    const renewed = await hearOf(rig(), ref);
    expect(ofKind(renewed, "invoice.paid")).toMatchObject([{ reason: "renewal", trial: false }]);
    expect(creditKeys(renewed)).toHaveLength(1);
    expect(creditKeys(renewed)).not.toEqual(creditKeys(facts));
    await renew(ref, false);
    const failed = await hearOf(rig(), ref);
    expect(creditKeys(failed)).toEqual([]);
    expect(ofKind(failed, "invoice.failed")).toMatchObject([{ subscriptionRef: ref }]);
    expect((await provider.fetchSubscription?.(ref))?.status).toBe("past_due");
  });

  it("changes the plan at once, with one delta however often it is asked", async () => {
    const { provider, plans: sold } = rig();
    if (!provider.changePlan || !sold) return;
    const { ref } = await subscribe(rig());
    const { priceRef: planRef, price } = sold.large;
    // Twice with one key, and once more when nobody remembers that key.
    for (const key of [`change-${ref}`, `change-${ref}`, `again-${ref}`]) {
      const input = { ref, planRef, price, when: "now", key } as const;
      expect((await provider.changePlan(input)).planRef).toBe(planRef);
    }
    const facts = await hearOf(rig(), ref);
    const [delta, ...others] = ofKind(facts, "invoice.paid");
    expect(others).toEqual([]);
    expect(delta).toMatchObject({ reason: "update", subscriptionRef: ref });
    expect(delta?.effectKey).toMatch(/:delta$/);
    expect(delta?.money.amount).toBeLessThanOrEqual(2000);
  });

  it("changes the plan without money before the next period, when that is asked", async () => {
    const { provider, plans: sold, renew } = rig();
    if (!provider.changePlan || !sold || !renew) return;
    const { ref } = await subscribe(rig());
    // To the dearer plan: only then would a difference show.
    const { priceRef: planRef, price } = sold.large;
    const input = { ref, planRef, price, when: "period_end" } as const;
    for (const key of [`later-${ref}`, `later-${ref}`, `once more-${ref}`]) {
      expect((await provider.changePlan({ ...input, key })).planRef).toBe(planRef);
    }
    const facts = await hearOf(rig(), ref);
    expect(ofKind(facts, "invoice.paid")).toEqual([]);
    expect(ofKind(facts, "subscription.touched").length).toBeGreaterThan(0);
    await renew(ref, true);
    expect(ofKind(await hearOf(rig(), ref), "invoice.paid")).toMatchObject([
      { reason: "renewal", money: price },
    ]);
  });

  it("cancels at the period's end, takes that back, and cancels now where it can", async () => {
    const { provider } = rig();
    if (!provider.cancelSubscription) return;
    const { ref } = await subscribe(rig());
    const leaving = await provider.cancelSubscription({ ref, when: "period_end" });
    expect(leaving.status).toBe("active");
    expect(leaving.cancelAt).toEqual(leaving.periodEnd);
    const staying = await provider.resumeSubscription?.(ref);
    expect(staying).toMatchObject({ ref, status: "active" });
    expect(staying?.cancelAt).toBeUndefined();
    const facts = await hearOf(rig(), ref);
    expect(creditKeys(facts)).toEqual([]);
    expect(ofKind(facts, "subscription.touched").length).toBeGreaterThan(0);
    const now = provider.cancelSubscription({ ref, when: "now" });
    if (provider.caps.cancelNow) expect((await now).status).toBe("canceled");
    else await expect(now).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("pays an invoice of a subscription back, in parts", async () => {
    const { provider } = rig();
    if (!rig().plans) return;
    const { facts, ref } = await subscribe(rig());
    const [invoice] = ofKind(facts, "invoice.paid");
    if (!invoice) throw new Error("no invoice");
    const paymentRef = invoice.paymentRef ?? invoice.invoiceRef;
    const { currency } = invoice.money;
    for (const reversed of [0, 300]) {
      const told = await provider.refund?.({
        paymentRef,
        money: { amount: 300, currency },
        paid: invoice.money,
        reversedBefore: { amount: reversed, currency },
        paidAt: new Date(rig().clock.now),
        key: `${ref}-${reversed}`,
      });
      expect(ofKind(told ?? [], "reversal.total")).toMatchObject([
        { reversed: { amount: reversed + 300, currency }, of: invoice.money },
      ]);
    }
    const heard = await parseAll(provider, await rig().takeDeliveries());
    const totals = ofKind(heard, "reversal.total").map(({ reversed }) => reversed.amount);
    expect([...new Set(totals)]).toEqual([300, 600]);
  });

  it("opens the portal at an address that is not kept", async () => {
    const { provider } = rig();
    if (!provider.createPortalUrl) return;
    const { ref, facts } = await subscribe(rig());
    const customerRef = facts.find((fact) => fact.customerRef)?.customerRef ?? "";
    const returnUrl = "https://app.example.com/billing";
    const input = { customerRef, subscriptionRef: ref, returnUrl };
    expect(URL.canParse((await provider.createPortalUrl(input)).url)).toBe(true);
    const strange = { customerRef: "999999999", subscriptionRef: "999999999", returnUrl };
    await expect(provider.createPortalUrl(strange)).rejects.toMatchObject({
      code: expect.stringMatching(/^(not_found|invalid_state)$/),
    });
  });

  it("doesn't know a subscription that isn't there, and says so", async () => {
    const { provider } = rig();
    if (!provider.fetchSubscription) return;
    await expect(provider.fetchSubscription("999999999")).rejects.toMatchObject({
      code: "not_found",
    });
  });

  it("finds the invoices that the webhooks lost", async () => {
    const { provider, renew, clock } = rig();
    if (!renew) return;
    const since = new Date(clock.now - 1000);
    const { ref, facts } = await subscribe(rig());
    await renew(ref, true);
    const told = creditKeys(await hearOf(rig(), ref));
    clock.now += 6 * 60_000;
    const found = await collect(provider.reconcile({ since, open: [] }));
    const mine = ofKind(found, "invoice.paid").filter((fact) => fact.subscriptionRef === ref);
    expect(creditKeys(mine)).toEqual([...creditKeys(facts), ...told].sort());
    const touched = ofKind(found, "subscription.touched").map((fact) => fact.subscriptionRef);
    expect(touched).toContain(ref);
    // Nothing is odd about a subscription's own first order, nor about anything else here.
    expect(ofKind(found, "anomaly")).toEqual([]);
  });
}

/** What is told of one subscription: the clock that it moves lets others renew too. */
async function hearOf(rig: Rig, ref: string): Promise<ProviderFact[]> {
  const facts = await parseAll(rig.provider, await rig.takeDeliveries());
  return facts.filter(
    (fact) =>
      ("subscriptionRef" in fact && fact.subscriptionRef === ref) || fact.kind === "anomaly",
  );
}

/** A customer who has just subscribed to the small plan. */
async function subscribe(rig: Rig, { trial = false } = {}) {
  await rig.takeDeliveries();
  const { created, open } = await order(rig, {
    kind: "subscription",
    ...rig.plans?.small,
    ...(trial && { trialDays: 7 }),
  });
  await rig.pay(created.ref, { trial });
  const told = await parseAll(rig.provider, await rig.takeDeliveries());
  const started = ofKind(told, "subscription.touched").find(
    ({ orderRef }) => orderRef === open.orderRef,
  );
  if (!started) throw new Error("No subscription was told.");
  const ref = started.subscriptionRef;
  const isOurs = (fact: ProviderFact) =>
    fact.orderRef === open.orderRef || !("subscriptionRef" in fact) || fact.subscriptionRef === ref;
  return { open, facts: told.filter(isOurs), ref };
}
