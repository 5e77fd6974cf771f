import { randomUUID } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import fc from "fast-check";
import { expect } from "vitest";
import {
  adjustCredits,
  advanceClock,
  captureHold,
  clawBack,
  consumeCredits,
  findBalance,
  freezeAccount,
  grantCredits,
  holdCredits,
} from "../src/credits.ts";
import type { Item } from "../src/generations.ts";
import { cancelGeneration, createGeneration, findGeneration } from "../src/generations.ts";
import { claimItem, completeItem, failItem } from "../src/items.ts";
import type { TestDatabase } from "./clone.ts";
import { makeKey } from "./factories.ts";
import {
  advance,
  claw,
  endHold,
  give,
  giveBack,
  type Model,
  type ModelGrant,
  type ModelHold,
  take,
  unbound,
} from "./ledger-model.ts";

/** The real account beside the model, with the ids that the model doesn't know. */
export type Real = {
  database: TestDatabase;
  accountId: string;
  startedAt: Date;
  grants: Map<ModelGrant, string>;
  holds: Map<ModelHold, string>;
  generations: { id: string; items: Item[]; slices: { grant: ModelGrant; n: number }[] }[];
};

type Command = fc.AsyncCommand<Model, Real>;
const audit = { actor: "test", request_id: "test", ip: null };
const pick = <T>(list: T[], index: number): T | undefined => list[index % list.length];

/** Runs an operation and returns its refusal's code, undefined when it went through. */
async function codeOf(run: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
}

/** Seconds in which no two grants expire that were not given as one. */
const step = 30;

/** What is left per source, subject and end of validity, in steps since the account was made. */
function sumGrants(
  grants: { source: string; subject: string | null; remaining: number; end: number | null }[],
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { source, subject, remaining, end } of grants) {
    if (remaining === 0) continue;
    const key = `${source} ${subject} ${end === null ? "never" : Math.round(end / step)}`;
    sums[key] = (sums[key] ?? 0) + remaining;
  }
  return sums;
}

async function compare(model: Model, real: Real): Promise<void> {
  const balance = await findBalance(real.database.app, real.accountId);
  const bound = model.grants.filter((g) => g.subject !== null && g.remaining > 0);
  const secondsIn = (at: string) => (new Date(at).getTime() - real.startedAt.getTime()) / 1000;
  expect({
    available: balance?.available,
    trial: balance?.trial_credits,
    bound: balance?.bound.reduce((total, b) => total + b.remaining, 0),
    held: balance?.held,
    debt: balance?.debt,
    used: balance?.lifetime.used,
    grants: sumGrants(
      balance?.grants.map((g) => ({
        ...g,
        end: g.expires_at === null ? null : secondsIn(g.expires_at),
      })) ?? [],
    ),
  }).toEqual({
    available: unbound(model),
    trial: model.grants.reduce((t, g) => t + (g.source === "trial" ? g.remaining : 0), 0),
    bound: bound.reduce((total, g) => total + g.remaining, 0),
    held: model.held,
    debt: model.debt,
    used: model.used,
    grants: sumGrants(
      model.grants.map((g) => ({ ...g, end: g.expiresAt === Infinity ? null : g.expiresAt })),
    ),
  });
}

/** A command whose outcome is compared as a whole: the refusal's code, then every balance. */
const command = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run: async (model, real) => {
    await run(model, real);
    await compare(model, real);
  },
  toString: () => name,
});

const subjects = fc.constantFrom(null, "house", "flat");
const index = fc.nat({ max: 50 });
const small = fc.integer({ min: 1, max: 12 });
const optional = (subject: string | null) => (subject === null ? {} : { subject });

const grant = fc
  .tuple(fc.integer({ min: 1, max: 20 }), subjects, fc.option(fc.integer({ min: 1, max: 500 })))
  .map(([amount, subject, validFor]) =>
    command(`grant ${amount} ${subject} for ${validFor}`, async (model, real) => {
      const source = "purchase" as const;
      // Two grants with one end would burn in the order of milliseconds, which no model knows.
      const apart = model.grants.length * step;
      const valid = validFor === null ? undefined : validFor * 3600 + apart;
      const made = give(model, {
        source,
        amount,
        ...optional(subject),
        ...(valid ? { validFor: valid } : {}),
      });
      const result = await grantCredits(real.database.app, real.accountId, {
        source,
        amount,
        effectKey: `model:${randomUUID()}`,
        ...optional(subject),
        ...(valid ? { validForSeconds: valid } : {}),
      });
      real.grants.set(made, result.grant_id);
    }),
  );

const consume = fc.tuple(small, subjects).map(([amount, subject]) =>
  command(`consume ${amount} ${subject}`, async (model, real) => {
    const expected = spend(model, amount, subject);
    if (!expected.refused) model.used += amount;
    const spent = { ...makeKey(), amount, ...optional(subject) };
    const run = () => consumeCredits(real.database.app, real.accountId, spent);
    expect(await codeOf(run)).toBe(expected.refused);
    if (!expected.refused) expect((await run()).replayed).toBe(true);
  }),
);

function spend(model: Model, amount: number, subject: string | null) {
  if (model.frozen) return { refused: "account_frozen", slices: [] };
  const slices = take(model, amount, subject);
  return slices ? { refused: undefined, slices } : { refused: "insufficient_credits", slices: [] };
}

const hold = fc
  .tuple(small, subjects, fc.integer({ min: 1, max: 24 }))
  .map(([amount, subject, hours]) =>
    command(`hold ${amount} ${subject} ${hours} h`, async (model, real) => {
      const expected = spend(model, amount, subject);
      let id = "";
      const code = await codeOf(async () => {
        const made = await holdCredits(real.database.app, real.accountId, {
          ...makeKey(),
          amount,
          expiresInSeconds: hours * 3600,
          ...optional(subject),
        });
        id = made.id;
      });
      expect(code).toBe(expected.refused);
      if (expected.refused) return;
      const expiresAt = model.now + hours * 3600;
      const held = { slices: expected.slices, amount, open: true, expiresAt };
      model.held += amount;
      model.holds.push(held);
      real.holds.set(held, id);
    }),
  );

const capture = fc.tuple(index, fc.nat({ max: 14 })).map(([which, amount]) =>
  command(`capture hold ${which}: ${amount}`, async (model, real) => {
    const held = pick(model.holds, which);
    if (!held) return;
    const expected = !held.open
      ? "invalid_state"
      : amount > held.amount
        ? "validation_failed"
        : undefined;
    if (!expected) endHold(model, held, amount);
    const holdId = real.holds.get(held) ?? "";
    const run = () => captureHold(real.database.app, real.accountId, { holdId, amount });
    const code = await codeOf(run);
    // A closed hold answers the very same call again with its first answer.
    if (expected === "invalid_state") expect([expected, undefined]).toContain(code);
    else expect(code).toBe(expected);
  }),
);

const generate = fc.tuple(fc.integer({ min: 1, max: 4 }), subjects).map(([items, subject]) =>
  command(`generate ${items} ${subject}`, async (model, real) => {
    const expected = spend(model, items, subject);
    let id = "";
    const code = await codeOf(async () => {
      const made = await createGeneration(real.database.app, real.accountId, {
        ...makeKey(),
        style: "modern_minimalist",
        input: { type: "text", prompt: "a garden" },
        params: {},
        labels: Array(items).fill(null),
        ...optional(subject),
      });
      id = made.id;
      expect(made.cost).toBe(items);
    });
    expect(code).toBe(expected.refused);
    if (expected.refused) return;
    model.held += items;
    const found = await findGeneration(real.database.app, real.accountId, id);
    real.generations.push({ id, items: found?.items ?? [], slices: expected.slices });
  }),
);

/** Ends the next open item of a generation: completed at a price of 0 or 1, or failed. */
const settle = fc.tuple(index, fc.constantFrom("complete", "free", "fail")).map(([which, how]) =>
  command(`settle ${which}: ${how}`, async (model, real) => {
    const generation = pick(real.generations, which);
    const item = generation?.items.find((one) => one.status === "pending");
    if (!generation || !item) return;
    const { worker } = real.database;
    const ref = { accountId: real.accountId, generationId: generation.id, itemId: item.id };
    const claimed = await claimItem(worker, { ...ref, attempt: 0 }, 60);
    if (!claimed) throw new Error("a pending item could not be claimed");
    item.status = "completed";
    if (how === "fail") {
      const failure = { code: "x", message: "x", retryable: false, delaySeconds: 0 };
      expect(await failItem(worker, claimed, failure)).toMatchObject({ status: "failed" });
    } else {
      const result = { output: { kind: "text", text: "x" } as const, usage: {} };
      const actual = how === "free" ? 0 : 1;
      expect(await completeItem(worker, claimed, { ...result, actual })).toBe("completed");
    }
    if (how === "complete") {
      model.held -= 1;
      model.used += 1;
    } else giveBack(model, generation.slices, item.position, 1);
  }),
);

const cancel = index.map((which) =>
  command(`cancel ${which}`, async (model, real) => {
    const generation = pick(real.generations, which);
    if (!generation) return;
    const open = generation.items.filter((item) => item.status === "pending");
    const code = await codeOf(() =>
      cancelGeneration(real.database.app, real.accountId, generation.id),
    );
    expect(code).toBe(open.length ? undefined : "invalid_state");
    for (const item of open) {
      item.status = "canceled";
      giveBack(model, generation.slices, item.position, 1);
    }
  }),
);

const clawBackGrant = fc.tuple(index, fc.nat({ max: 22 })).map(([which, reversed]) =>
  command(`claw back ${which} to ${reversed}`, async (model, real) => {
    const known = model.grants.filter((g) => real.grants.has(g));
    const grantToClaw = pick(known, which);
    if (!grantToClaw) return;
    claw(model, grantToClaw, reversed);
    const claim = { grantId: real.grants.get(grantToClaw) ?? "", reversed };
    const first = await clawBack(real.database.worker, real.accountId, claim);
    expect(first.taken).toBe(grantToClaw.taken);
    expect((await clawBack(real.database.worker, real.accountId, claim)).replayed).toBe(true);
  }),
);

const adjust = fc.integer({ min: -8, max: 8 }).map((amount) =>
  command(`adjust ${amount}`, async (model, real) => {
    if (amount === 0) return;
    let expected: string | undefined;
    if (amount > 0) give(model, { source: "adjustment", amount });
    else if (!take(model, -amount, null)) expected = "insufficient_credits";
    const change = { ...makeKey(), amount, reason: "model", audit };
    const run = () => adjustCredits(real.database.app, real.accountId, change);
    expect(await codeOf(run)).toBe(expected);
  }),
);

const freeze = fc.boolean().map((frozen) =>
  command(`freeze ${frozen}`, async (model, real) => {
    model.frozen = frozen;
    const change = { reason: "admin", frozen, audit };
    await freezeAccount(real.database.app, real.accountId, change);
  }),
);

const wait = fc.integer({ min: 1, max: 200 }).map((hours) =>
  command(`wait ${hours} h`, async (model, real) => {
    advance(model, hours * 3600);
    await advanceClock(real.database.app, real.accountId, hours * 3600);
  }),
);

/** Everything that can happen to an account's credits, the frequent things more often. */
export const ledgerCommands: fc.Arbitrary<Command>[] = [
  grant,
  consume,
  hold,
  capture,
  generate,
  generate,
  settle,
  settle,
  cancel,
  clawBackGrant,
  adjust,
  freeze,
  wait,
];
