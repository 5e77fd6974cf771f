import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import type { OffSessionInput } from "../src/provider.ts";
import type { Fault } from "./faults.ts";
import { type CardLater, creditKeys, ofKind, order, parseAll, type Rig } from "./rig.ts";

/** Charges of a saved card while its owner is away, for the providers that have them. */
export function charges(rig: () => Rig): void {
  it("charges a saved card, and tells it by webhook under one key", async () => {
    if (!rig().provider.chargeOffSession) return;
    const input = await saveCard(rig(), "succeeds");
    const { provider, clock } = rig();
    const result = await provider.chargeOffSession?.(input);
    expect(result).toMatchObject({ status: "succeeded", paymentRef: expect.any(String) });
    const facts = await parseAll(provider, await rig().takeDeliveries());
    expect(ofKind(facts, "payment.succeeded")).toMatchObject([
      { purpose: "reload", orderRef: input.orderRef, money: input.money, price: input.money },
    ]);
    const [told] = ofKind(facts, "payment.succeeded");
    const { paymentRef, effectKey } = told ?? {};
    expect(result).toEqual({ status: "succeeded", paymentRef, effectKey });
    const { key, customerRef } = input;
    const since = new Date(clock.now - 60_000);
    expect(await provider.findCharge?.({ key, customerRef, since })).toEqual(result);
    const strange = { key: randomUUID(), customerRef, since };
    expect(await provider.findCharge?.(strange)).toBeUndefined();
  });

  it("asks for the customer when the card is declined, needs 3-D Secure or is gone", async () => {
    const { provider } = rig();
    if (!provider.chargeOffSession) return;
    const codes: string[] = [];
    for (const later of ["declines", "needs_3ds"] as const) {
      const input = await saveCard(rig(), later);
      const result = await provider.chargeOffSession(input);
      expect(result).toMatchObject({ status: "needs_customer" });
      if (result.status === "needs_customer") codes.push(result.code);
      const facts = await parseAll(provider, await rig().takeDeliveries());
      expect(creditKeys(facts)).toEqual([]);
      expect(ofKind(facts, "payment.failed")).toMatchObject([{ retry: "needs_customer" }]);
    }
    expect(codes).toEqual(["card_declined", "authentication_required"]);
    const input = await saveCard(rig(), "succeeds");
    const gone = { ...input, methodRef: "pm_gone" };
    const result = await provider.chargeOffSession(gone);
    expect(result).toMatchObject({ status: "needs_customer", code: "no_payment_method" });
  });

  it("charges nothing, less than nothing or a foreign currency to nobody", async () => {
    const { provider } = rig();
    if (!provider.chargeOffSession) return;
    const input = await saveCard(rig(), "succeeds");
    for (const money of [
      { amount: 0, currency: "USD" },
      { amount: -1000, currency: "USD" },
      { amount: 0.5, currency: "USD" },
      { amount: 2 ** 53, currency: "USD" },
      { amount: 1000, currency: "BTC" },
    ]) {
      const charge = provider.chargeOffSession({ ...input, money });
      await expect(charge).rejects.toMatchObject({ code: "validation_failed" });
    }
    expect(await parseAll(provider, await rig().takeDeliveries())).toEqual([]);
  });

  it("charges once, whatever happens to the answer", async () => {
    const { provider, faults, calls, clock } = rig();
    if (!provider.chargeOffSession || !calls.charge) return;
    const impatient = rig().remake({ timeoutMs: 150 });
    const lost: Fault[] = ["hang", "reset", "status_500", "status_500_after", "reset_after"];
    for (const fault of lost.filter((one) => isPossible(rig(), one))) {
      const input = await saveCard(rig(), "succeeds");
      faults.add(calls.charge, fault);
      expect(await impatient.chargeOffSession?.(input), fault).toEqual({ status: "unknown" });
      const { key, customerRef } = input;
      const find = () =>
        provider.findCharge?.({ key, customerRef, since: new Date(clock.now - 60_000) });
      const found = await find();
      if (fault.endsWith("_after")) expect(found, fault).toMatchObject({ status: "succeeded" });
      else expect(found, fault).toBeUndefined();
      // The same key again: what it came to the first time, or the first time now.
      const repeat = await provider.chargeOffSession(input);
      expect(["succeeded", "unknown"], fault).toContain(repeat.status);
      expect(await find(), fault).toMatchObject({ status: "succeeded" });
      const facts = await parseAll(provider, await rig().takeDeliveries());
      expect(creditKeys(facts), fault).toHaveLength(1);
    }
  });
}

const isPossible = ({ faultKinds }: Rig, fault: Fault) =>
  faultKinds.includes(fault.replace("_after", "") as Fault);

/** A customer with a card on file, and an attempt to charge it. */
async function saveCard(rig: Rig, later: CardLater): Promise<OffSessionInput> {
  await rig.takeDeliveries();
  const { created, open } = await order(rig, { saveMethod: true });
  await rig.pay(created.ref, { card: later });
  const facts = await parseAll(rig.provider, await rig.takeDeliveries());
  const [saved] = ofKind(facts, "method.saved");
  if (!saved?.customerRef) throw new Error("No card was saved.");
  expect(saved.customerRef).toBe(created.customerRef);
  return {
    key: randomUUID(),
    orderRef: `${open.orderRef}_reload`,
    customerRef: saved.customerRef,
    methodRef: saved.methodRef,
    money: rig.pack.price,
    title: "Auto-reload",
  };
}
