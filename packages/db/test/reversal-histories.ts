import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect } from "vitest";
import { advanceClock, consumeCredits, findBalance, grantCredits } from "../src/credits.ts";
import { findPayment, type Payment } from "../src/payments.ts";
import { applyDispute, applyReversal } from "../src/reversals.ts";
import { makeOffer, makePaid } from "./billing-factories.ts";
import type { TestDatabase } from "./clone.ts";
import { makeAccount, makeKey } from "./factories.ts";
import { advance, give, type Model, makeModel, take } from "./ledger-model.ts";
import { refusalOf } from "./outcome.ts";
import { type DisputeStatus, makeDispute, makeReversal } from "./reversal-facts.ts";
import { follow, type ModelPayment, tallyOf, type Word } from "./reversal-model.ts";

type Database = Omit<TestDatabase, "close">;

/**
 * Packs whose credits end on different days: which of two burns first must be no matter of
 * milliseconds, of which the model knows nothing.
 */
const packs = [
  { credits: 100, amount: 900, days: undefined },
  { credits: 7, amount: 1000, days: 3 },
  { credits: 33, amount: 7, days: 8 },
  { credits: 60, amount: 331, days: 15, subject: "house" },
  { credits: 12, amount: 50, days: 26 },
] as const;

type Step =
  | { kind: "tell"; word: number }
  | { kind: "spend"; amount: number; subject: string | undefined }
  | { kind: "wait"; days: number }
  | { kind: "refill"; payment: number; amount: number }
  | { kind: "gift"; amount: number };

/** What an account buys, everything that is ever told of it, and what happens in which order. */
export type History = { bought: number[]; words: (Word & { payment: number })[]; steps: Step[] };

const index = fc.nat({ max: 30 });
const at = fc.integer({ min: 1, max: 6 });
const share = fc.constantFrom(0, 0.1, 0.34, 0.5, 0.99, 1, 1.3);
const status = fc.constantFrom<DisputeStatus>("opened", "won", "lost");

const word = fc
  .tuple(index, at, share, fc.option(fc.tuple(fc.nat({ max: 1 }), status)))
  .map(([payment, when, amount, dispute]) => ({
    ...{ payment, at: when, amount },
    ...(dispute
      ? { kind: "dispute" as const, which: dispute[0], status: dispute[1] }
      : { kind: "refund" as const }),
  }));

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("tell" as const), word: index }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("spend" as const),
      amount: fc.integer({ min: 1, max: 70 }),
      subject: fc.constantFrom(undefined, undefined, "house"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      days: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("refill" as const),
      payment: index,
      amount: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("gift" as const),
      amount: fc.integer({ min: 1, max: 40 }),
    }),
  },
);

export const histories: fc.Arbitrary<History> = fc.record({
  bought: fc.uniqueArray(fc.nat({ max: packs.length - 1 }), { minLength: 1, maxLength: 3 }),
  words: fc.array(word, { maxLength: 8 }),
  steps: fc.array(step, { maxLength: 14, size: "max" }),
});

/** The offers of all packs, made once. */
export function makePacks(database: Database) {
  return Promise.all(
    packs.map(async ({ credits, amount, days }) => {
      const valid = days === undefined ? {} : { valid_days: days };
      return (await makeOffer(database.admin, { credits, ...valid }, { amount })).price.id;
    }),
  );
}

/** The account and its payments, real and in the model side by side. */
type Both = {
  database: Database;
  accountId: string;
  model: Model;
  payments: { real: Payment; model: ModelPayment; disputes: ReturnType<typeof makeDispute>[] }[];
  /** How much there was to tell of it, for grants and waits that differ from all others. */
  count: number;
};

/**
 * Lets a history happen to a new account, with whatever wasn't told told at the end, and compares
 * what is left with the model.
 */
export async function liveThrough(database: Database, prices: string[], history: History) {
  const both = await buyAll(database, prices, history.bought);
  const words = history.words.map((one) => scale(both, one));
  const untold = new Set(words);
  for (const one of history.steps) {
    const told = one.kind === "tell" ? words[one.word % words.length] : undefined;
    if (told) {
      untold.delete(told);
      await tell(both, told);
    } else await live(both, one);
  }
  for (const one of untold) await tell(both, one);
  await compare(both);
}

async function buyAll(database: Database, prices: string[], bought: number[]): Promise<Both> {
  const { id: accountId } = await makeAccount(database.app);
  const both: Both = { database, accountId, model: makeModel(3), payments: [], count: 0 };
  for (const which of bought) {
    const pack = packs[which] ?? packs[0];
    const subject = "subject" in pack ? { subject: pack.subject } : {};
    const priceId = prices[which] ?? "";
    const real = await makePaid(database.app, accountId, { priceId, ...subject });
    const validFor = pack.days === undefined ? {} : { validFor: pack.days * 86_400 };
    const grant = give(both.model, {
      ...{ source: "purchase", amount: pack.credits },
      ...{ ...subject, ...validFor },
    });
    both.payments.push({
      real,
      model: { charged: pack.amount, grants: [grant], words: [] },
      disputes: [makeDispute(real), makeDispute(real)],
    });
  }
  return both;
}

type Told = { payment: Both["payments"][number]; word: Word };

function scale({ payments }: Both, one: History["words"][number]): Told {
  const payment = payments[one.payment % payments.length];
  if (!payment) throw new Error("there is no payment");
  const { payment: _, ...word } = one;
  return { payment, word: { ...word, amount: Math.floor(word.amount * payment.model.charged) } };
}

async function tell({ database, model, payments }: Both, { payment, word }: Told): Promise<void> {
  payment.model.words.push(word);
  const all = payments.map((one) => one.model);
  follow(model, all, payment.model);
  if (word.kind === "refund") {
    await applyReversal(database.worker, makeReversal(payment.real, word.amount, word.at));
    return;
  }
  const fact = payment.disputes[word.which]?.tell(word.status, word.at);
  if (!fact) throw new Error("there is no such dispute");
  const money = { ...fact.money, amount: word.amount };
  await applyDispute(database.worker, { ...fact, money });
}

async function live(both: Both, one: Step): Promise<void> {
  const { database, accountId, model } = both;
  both.count++;
  if (one.kind === "spend") await spend(both, one.amount, one.subject);
  if (one.kind === "wait") {
    // Never a sum of whole days, and no two sums alike: nothing ends with anything else.
    const seconds = one.days * 86_400 + 60 * 2 ** (both.count % 10);
    advance(model, seconds);
    await advanceClock(database.app, accountId, seconds);
  }
  if (one.kind === "gift") {
    give(model, { source: "adjustment", amount: one.amount });
    await grant(both, "adjustment", one.amount);
  }
  if (one.kind === "refill") await refill(both, one.payment, one.amount);
}

async function spend({ database, accountId, model }: Both, amount: number, subject?: string) {
  const isTaken = !model.frozen && take(model, amount, subject ?? null) !== undefined;
  const call = consumeCredits(database.app, accountId, {
    ...{ ...makeKey(), amount },
    ...(subject && { subject }),
  });
  if (isTaken) {
    model.used += amount;
    await call;
    return;
  }
  const code = model.frozen ? "account_frozen" : "insufficient_credits";
  expect(await refusalOf(call)).toMatchObject({ code });
}

/** One more grant of a payment, as the monthly refills of a year are. */
async function refill(both: Both, which: number, amount: number): Promise<void> {
  const payment = both.payments[which % both.payments.length];
  if (!payment) return;
  const validFor = (100 + both.count) * 86_400;
  payment.model.grants.push(give(both.model, { source: "purchase", amount, validFor }));
  await grant(both, "subscription", amount, {
    ...{ paymentId: payment.real.id, validForSeconds: validFor },
  });
  const all = both.payments.map((one) => one.model);
  follow(both.model, all, payment.model);
  await both.database.admin`SELECT ducat.recompute_reversal(${payment.real.id})`;
}

const grant = (
  { database, accountId }: Both,
  source: "adjustment" | "subscription",
  amount: number,
  more: { paymentId?: string; validForSeconds?: number } = {},
) =>
  grantCredits(database.worker, accountId, {
    ...{ source, amount, effectKey: `history:${randomUUID()}`, ...more },
  });

async function compare({ database, accountId, model, payments }: Both): Promise<void> {
  const balance = await findBalance(database.app, accountId);
  const left = (bound: boolean) =>
    model.grants
      .filter((one) => (one.subject !== null) === bound)
      .reduce((sum, one) => sum + one.remaining, 0);
  expect({
    ...{ available: balance?.available, debt: balance?.debt, frozen: balance?.frozen },
    bound: balance?.bound.reduce((sum, one) => sum + one.remaining, 0),
    used: balance?.lifetime.used,
  }).toEqual({
    ...{ available: left(false), debt: model.debt, frozen: model.frozen },
    ...{ bound: left(true), used: model.used },
  });
  for (const payment of payments) {
    const { charged, words, grants } = payment.model;
    const { isOpen: _, ...tally } = tallyOf(charged, words);
    expect(await findPayment(database.app, accountId, payment.real.id)).toMatchObject({
      ...tally,
      clawed: grants.reduce((sum, one) => sum + one.taken, 0),
    });
  }
}
