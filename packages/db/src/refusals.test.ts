import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { refusalOf } from "../test/outcome.ts";
import { claim, complete } from "../test/work.ts";
import type { Db } from "./connect.ts";
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
} from "./credits.ts";
import { refundGeneration } from "./generation-refunds.ts";
import { cancelGeneration, deleteGeneration } from "./generations.ts";

let database: TestDatabase;
let app: Db;
let worker: Db;
beforeAll(async () => {
  database = await cloneDatabase();
  ({ app, worker } = database);
});
afterAll(() => database.close());
afterEach(() => assertInvariants(database.admin));

const audit = { actor: "test", request_id: "test", ip: null };
const nobody = randomUUID();
const hold = (amount: number, expiresInSeconds = 60) => ({
  ...makeKey(),
  amount,
  expiresInSeconds,
});
const adjust = (amount: number) => ({ ...makeKey(), amount, reason: "test", audit });
const grant = (amount: number) => ({
  source: "promo" as const,
  amount,
  effectKey: `promo:${randomUUID()}`,
});
const freeze = { reason: "admin", frozen: true, audit };

describe("DU001 insufficient_credits", () => {
  it("says what was required and what there is, and changes nothing", async () => {
    const { id } = await makeAccount(app, 2);
    const calls = [
      () => consumeCredits(app, id, { ...makeKey(), amount: 6 }),
      () => holdCredits(app, id, hold(6)),
      () => makeGeneration(app, id, { unitCost: 6 }),
      () => adjustCredits(app, id, adjust(-6)),
    ];
    for (const call of calls) {
      const code = "insufficient_credits";
      expect(await refusalOf(call())).toEqual({ code, required: 6, available: 5, subject: null });
    }
    expect(await findBalance(app, id)).toMatchObject({ available: 5, held: 0 });
  });

  it("counts a subject's credits only for that subject", async () => {
    const { id } = await makeAccount(app);
    await givePurchase(app, id, 4, { subject: "house" });
    const ask = (subject?: string) =>
      refusalOf(consumeCredits(app, id, { ...makeKey(), amount: 8, ...(subject && { subject }) }));
    expect(await ask("house")).toMatchObject({ available: 7, subject: "house" });
    expect(await ask("flat")).toMatchObject({ available: 3, subject: "flat" });
    expect(await ask()).toMatchObject({ available: 3, subject: null });
    // A correction by hand takes unbound credits only.
    expect(await refusalOf(adjustCredits(app, id, adjust(-4)))).toMatchObject({ available: 3 });
  });

  it("leaves the key unused: with more credits the same request goes through", async () => {
    const { id } = await makeAccount(app);
    const spend = { ...makeKey(), amount: 5 };
    const generation = { ...makeKey(), unitCost: 5 };
    await refusalOf(consumeCredits(app, id, spend));
    await refusalOf(makeGeneration(app, id, generation));
    await givePurchase(app, id, 7);
    expect(await consumeCredits(app, id, spend)).toMatchObject({ replayed: false });
    expect(await makeGeneration(app, id, generation)).toMatchObject({ replayed: false });
  });
});

describe("DU002 idempotency_conflict", () => {
  it("is another request with a used key", async () => {
    const { id } = await makeAccount(app, 50);
    const { key } = makeKey();
    const other = () => ({ ...makeKey(), key });
    await consumeCredits(app, id, { ...other(), amount: 1 });
    const first = await makeGeneration(app, id, other());
    await holdCredits(app, id, { ...hold(1), key });
    await adjustCredits(app, id, { ...adjust(1), key });
    await complete(worker, await claim(worker, id, first));
    const refund = { id: first.id, reason: "test", audit };
    await refundGeneration(app, id, { ...refund, ...other() });
    const calls = [
      () => consumeCredits(app, id, { ...other(), amount: 1 }),
      () => makeGeneration(app, id, other()),
      () => holdCredits(app, id, { ...hold(1), key }),
      () => adjustCredits(app, id, { ...adjust(1), key }),
      () => refundGeneration(app, id, { ...refund, ...other() }),
    ];
    for (const call of calls) {
      expect(await refusalOf(call())).toMatchObject({ code: "idempotency_conflict" });
    }
  });

  it("is an effect key that gave something else", async () => {
    const { id } = await makeAccount(app);
    const effectKey = "payment:1";
    await grantCredits(app, id, { ...grant(5), effectKey });
    const more = refusalOf(grantCredits(app, id, { ...grant(6), effectKey }));
    expect(await more).toMatchObject({ code: "idempotency_conflict" });
    const paid = { ...grant(5), source: "purchase" as const, effectKey };
    const other = refusalOf(grantCredits(app, id, paid));
    expect(await other).toMatchObject({ code: "idempotency_conflict" });
  });
});

describe("DU003 not_found", () => {
  it("names what is not there", async () => {
    const { id } = await makeAccount(app, 5);
    const refund = { ...makeKey(), id: nobody, reason: "test", audit };
    const calls: [string, () => Promise<unknown>][] = [
      ["account", () => consumeCredits(app, nobody, { ...makeKey(), amount: 1 })],
      ["account", () => holdCredits(app, nobody, hold(1))],
      ["account", () => adjustCredits(app, nobody, adjust(1))],
      ["account", () => grantCredits(app, nobody, grant(1))],
      ["account", () => freezeAccount(app, nobody, freeze)],
      ["account", () => advanceClock(app, nobody, 1)],
      ["account", () => makeGeneration(app, nobody)],
      ["account", () => clawBack(worker, nobody, { grantId: nobody, reversed: 1 })],
      ["grant", () => clawBack(worker, id, { grantId: nobody, reversed: 1 })],
      ["hold", () => captureHold(app, id, { holdId: nobody, amount: 1 })],
      ["style", () => makeGeneration(app, id, { style: "no_such_style" })],
      ["generation", () => cancelGeneration(app, id, nobody)],
      ["generation", () => deleteGeneration(app, id, nobody)],
      ["generation", () => refundGeneration(app, id, refund)],
    ];
    for (const [what, call] of calls) {
      expect(await refusalOf(call()), `${call}`).toEqual({ code: "not_found", what });
    }
    expect(await findBalance(app, nobody)).toBeUndefined();
  });
});

describe("DU004 account_frozen", () => {
  it("refuses create, hold and consume, and nothing else", async () => {
    const { id } = await makeAccount(app, 20);
    const first = await makeGeneration(app, id, { labels: ["a", "b"] });
    const held = await holdCredits(app, id, hold(2));
    const bought = await givePurchase(app, id, 5);
    const item = await claim(worker, id, first);
    await freezeAccount(app, id, freeze);
    const calls = [
      () => makeGeneration(app, id),
      () => makeGeneration(app, id, { unitCost: 0 }),
      () => holdCredits(app, id, hold(1)),
      () => consumeCredits(app, id, { ...makeKey(), amount: 1 }),
    ];
    for (const call of calls) {
      expect(await refusalOf(call())).toMatchObject({ code: "account_frozen" });
    }
    expect(await findBalance(app, id)).toMatchObject({ frozen: true, available: 24 });
    await complete(worker, item);
    await cancelGeneration(app, id, first.id);
    await captureHold(app, id, { holdId: held.id, amount: 1 });
    await refundGeneration(app, id, { ...makeKey(), id: first.id, reason: "test", audit });
    await clawBack(worker, id, { grantId: bought.grant_id, reversed: 1 });
    await grantCredits(app, id, grant(1));
    await adjustCredits(app, id, adjust(-1));
    await deleteGeneration(app, id, first.id);
    await freezeAccount(app, id, { ...freeze, frozen: false });
    expect(await makeGeneration(app, id)).toMatchObject({ replayed: false });
  });

  it("answers a repeat of what went through before", async () => {
    const { id } = await makeAccount(app, 20);
    const [spend, set, generation] = [{ ...makeKey(), amount: 1 }, hold(1), makeKey()];
    await consumeCredits(app, id, spend);
    await holdCredits(app, id, set);
    await makeGeneration(app, id, generation);
    await freezeAccount(app, id, freeze);
    expect(await consumeCredits(app, id, spend)).toMatchObject({ replayed: true });
    expect(await holdCredits(app, id, set)).toMatchObject({ replayed: true });
    expect(await makeGeneration(app, id, generation)).toMatchObject({ replayed: true });
  });
});
