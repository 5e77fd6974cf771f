import type { ProviderFact } from "@ducat/billing/facts";
import { ofKind, parseAll, type Received, type Rig } from "../../../packages/billing/test/rig.ts";
import {
  findIntent,
  firstDay,
  moveRenewal,
} from "../../../packages/payments/test/recorded-purchase.ts";
import { credits, type Ordered } from "../../../packages/payments/test/shop.ts";

const day = 86_400_000;

export type Random = (limit: number) => number;

/** What was paid, what it gives, and what became of the money. */
export type Paid = { given: number; charged: number; refunded: number; lost: number };

export type World = {
  rig: Rig;
  random: Random;
  order(what: "pack" | "small"): Promise<Ordered>;
  /** Something has happened at the provider: what it sent, of which some is delivered now. */
  after(sent: Received[]): Promise<void>;
};

export type Life = { paid: Paid[]; isDisputed: boolean; plan: "small" | "large" | undefined };

/** A customer's purchases as chance has them, at a provider with webhooks. */
export async function livePurchases(world: World): Promise<Life> {
  const { rig, random } = world;
  rig.clock.now = firstDay;
  const life: Life = { paid: [], isDisputed: false, plan: undefined };
  const pack = await buyPack(world, life);
  if (random(3) > 0) await keepPlan(world, life);
  // The last: who disputes a payment can't buy any more until that is decided.
  if (rig.dispute && random(2) > 0) await dispute(world, life, pack);
  return life;
}

/** What the provider sent since the last call, and what its adapter reads in it. */
async function hear({ rig, after }: World) {
  const sent = await rig.takeDeliveries();
  const facts = await parseAll(rig.provider, sent);
  await after(sent);
  rig.clock.now += 60_000;
  return facts;
}

async function buyPack(world: World, life: Life): Promise<Of> {
  const { rig, random } = world;
  const { page } = await world.order("pack");
  await rig.pay(page);
  const [fact] = ofKind(await hear(world), "payment.succeeded");
  if (!fact) throw new Error("nothing told of the payment");
  const paid = { given: credits.pack, charged: fact.money.amount, refunded: 0, lost: 0 };
  life.paid.push(paid);
  for (let left = random(3); left > 0; left -= 1) {
    await refund(world, { ref: fact.paymentRef, paid, amount: 1 + random(400) });
  }
  return { ref: fact.paymentRef, paid };
}

type Of = { ref: string; paid: Paid };

async function refund(world: World, { ref, paid, amount }: Of & { amount: number }) {
  await world.rig.refundThere?.(ref, amount);
  paid.refunded += amount;
  await hear(world);
}

async function dispute(world: World, life: Life, { ref, paid }: Of): Promise<void> {
  const { rig, random } = world;
  await rig.dispute?.(ref, "opened");
  await hear(world);
  const end = (["open", "won", "lost"] as const)[random(3)] ?? "open";
  life.isDisputed = end === "open";
  if (end === "open") return;
  await rig.dispute?.(ref, end);
  if (end === "lost") paid.lost = paid.charged;
  await hear(world);
}

/** A plan from its start: perhaps changed in the middle of a month, renewed, paid back in part. */
async function keepPlan(world: World, life: Life): Promise<void> {
  const { rig, random } = world;
  const { page, payment } = await world.order("small");
  const { reference } = payment;
  const begunAt = rig.clock.now;
  await rig.pay(page);
  const begun = await hear(world);
  const initial = ofKind(begun, "invoice.paid").find(({ orderRef }) => orderRef === reference);
  if (!initial || !rig.plans) throw new Error("nothing told of the invoice");
  const { subscriptionRef: ref, money } = initial;
  const first = { given: credits.small, charged: money.amount, refunded: 0, lost: 0 };
  life.paid.push(first);
  life.plan = "small";
  const paymentRef = initial.paymentRef ?? findIntent(rig, initial.invoiceRef);
  if (random(2) > 0) await changePlan(world, life, { ref, at: begunAt + 15 * day });
  if (random(2) > 0) await refund(world, { ref: paymentRef, paid: first, amount: 1 + random(500) });
  if (random(2) > 0) await renew(world, life, { ref, at: begunAt + 30 * day + 1_000 });
}

/** The clock that is moved lets others renew too. */
const findInvoice = (facts: ProviderFact[], ref: string) =>
  ofKind(facts, "invoice.paid").find(({ subscriptionRef }) => subscriptionRef === ref);

type When = { ref: string; at: number };

async function changePlan(world: World, life: Life, { ref, at }: When): Promise<void> {
  const { rig } = world;
  const { price, priceRef: planRef } = rig.plans?.large ?? { price: undefined, priceRef: "" };
  if (!price) return;
  rig.clock.now = at;
  await rig.provider.changePlan?.({ ref, planRef, price, when: "now", key: `change-${ref}` });
  const update = findInvoice(await hear(world), ref);
  if (!update) throw new Error("nothing told of the change");
  // Half of the month is left.
  const given = Math.floor((credits.large - credits.small) / 2);
  life.paid.push({ given, charged: update.money.amount, refunded: 0, lost: 0 });
  life.plan = "large";
}

async function renew(world: World, life: Life, { ref, at }: When): Promise<void> {
  const { rig } = world;
  rig.clock.now = Math.max(at, rig.clock.now);
  moveRenewal(rig, ref);
  await rig.renew?.(ref, true);
  const renewal = findInvoice(await hear(world), ref);
  if (!renewal) throw new Error("nothing told of the renewal");
  const given = credits[life.plan ?? "small"];
  life.paid.push({ given, charged: renewal.money.amount, refunded: 0, lost: 0 });
}

/**
 * What the account comes to, whatever the order, the number and the timing of the webhooks: each
 * payment's credits, less the part of its money that is gone, rounded against the customer.
 * Pure: it knows amounts and nothing of facts or tables.
 */
export function expectLife(life: Life, used: number) {
  const payments = life.paid.map(({ given, charged, refunded, lost }) => {
    const reversed = Math.min(charged, refunded + lost);
    const clawed = Math.ceil((given * reversed) / charged);
    return { charged, reversed, credits_granted: given, clawed };
  });
  const left = payments.map(({ credits_granted, clawed }) => credits_granted - clawed);
  // The three are the trial's.
  const net = left.reduce((sum, one) => sum + one, 3 - used);
  return { net, payments: payments.sort(byAmounts), frozen: life.isDisputed, plan: life.plan };
}

type Amounts = { charged: number; reversed: number; credits_granted: number };

export const byAmounts = (one: Amounts, other: Amounts): number =>
  one.charged - other.charged ||
  one.credits_granted - other.credits_granted ||
  one.reversed - other.reversed;
