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
  grantCredits,
  holdCredits,
} from "./credits.ts";
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
const most = 1_000_000_000_000;
const give = (db: Db, id: string, amount: number) =>
  grantCredits(db, id, { source: "purchase", amount, effectKey: randomUUID() });
const adjust = (amount: number) => ({ ...makeKey(), amount, reason: "test", audit });

describe("DU007 validation_failed", () => {
  it.each([0, -1, most + 1])("refuses %d as an amount", async (amount) => {
    const { id } = await makeAccount(app, 5);
    const spend = { ...makeKey(), amount };
    const calls = [
      () => consumeCredits(app, id, spend),
      () => holdCredits(app, id, { ...spend, expiresInSeconds: 60 }),
      () => give(app, id, amount),
      () => adjustCredits(app, id, adjust(amount === -1 ? -most - 1 : amount)),
    ];
    for (const call of calls) {
      expect(await refusalOf(call()), `${call}`).toMatchObject({ code: "validation_failed" });
    }
    expect(await findBalance(app, id)).toMatchObject({ available: 8, held: 0 });
  });

  it("lets the largest amount through, in and out", async () => {
    const { id } = await makeAccount(app);
    await give(app, id, most);
    await give(app, id, most);
    expect(await consumeCredits(app, id, { ...makeKey(), amount: most })).toMatchObject({
      available: most + 3,
    });
    expect(await adjustCredits(app, id, adjust(-most))).toMatchObject({ available: 3 });
  });

  it("refuses a hold of no time or of more than a day", async () => {
    const { id } = await makeAccount(app);
    for (const expiresInSeconds of [0, -5, 86_401]) {
      const hold = { ...makeKey(), amount: 1, expiresInSeconds };
      expect(await refusalOf(holdCredits(app, id, hold))).toMatchObject({
        code: "validation_failed",
      });
    }
    const day = { ...makeKey(), amount: 1, expiresInSeconds: 86_400 };
    expect(await holdCredits(app, id, day)).toMatchObject({ status: "open" });
  });

  it("refuses to capture less than nothing or more than was held", async () => {
    const { id } = await makeAccount(app, 5);
    const hold = { ...makeKey(), amount: 5, expiresInSeconds: 60 };
    const { id: holdId } = await holdCredits(app, id, hold);
    for (const amount of [-1, 6]) {
      expect(await refusalOf(captureHold(app, id, { holdId, amount }))).toEqual({
        code: "validation_failed",
        held: 5,
      });
    }
    expect(await findBalance(app, id)).toMatchObject({ available: 3, held: 5 });
  });

  it("refuses a generation of no item or of more than ten thousand", async () => {
    const { id } = await makeAccount(app, 20_000);
    for (const count of [0, 10_001]) {
      const labels = Array.from({ length: count }, () => null);
      expect(await refusalOf(makeGeneration(app, id, { labels }))).toMatchObject({
        code: "validation_failed",
      });
    }
    const labels = Array.from({ length: 10_000 }, () => null);
    const made = await makeGeneration(app, id, { labels });
    expect(made).toMatchObject({ cost: 10_000, balance_after: 10_003 });
    expect(new Set(made.item_ids).size).toBe(10_000);
  });

  it("refuses a clock that goes back or further than ten years", async () => {
    const { id } = await makeAccount(app);
    for (const seconds of [-1, 315_360_001]) {
      expect(await refusalOf(advanceClock(app, id, seconds))).toMatchObject({
        code: "validation_failed",
      });
    }
  });
});

describe("DU006 invalid_state", () => {
  it("is a hold that was ended in another way", async () => {
    const { id } = await makeAccount(app, 5);
    const end = async (amount: number, then: number) => {
      const hold = { ...makeKey(), amount: 2, expiresInSeconds: 60 };
      const { id: holdId } = await holdCredits(app, id, hold);
      await captureHold(app, id, { holdId, amount });
      return await refusalOf(captureHold(app, id, { holdId, amount: then }));
    };
    expect(await end(1, 2)).toEqual({ code: "invalid_state", status: "captured" });
    expect(await end(1, 0)).toEqual({ code: "invalid_state", status: "captured" });
    expect(await end(0, 1)).toEqual({ code: "invalid_state", status: "released" });
  });

  it("is a hold that has expired, booked or not", async () => {
    const { id } = await makeAccount(app, 5);
    const hold = { ...makeKey(), amount: 2, expiresInSeconds: 60 };
    const { id: holdId } = await holdCredits(app, id, hold);
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = '60 seconds' WHERE account_id = ${id}`;
    const expired = { code: "invalid_state", status: "expired" };
    expect(await refusalOf(captureHold(app, id, { holdId, amount: 1 }))).toEqual(expired);
    await advanceClock(app, id, 0);
    expect(await refusalOf(captureHold(app, id, { holdId, amount: 0 }))).toEqual(expired);
    expect(await findBalance(app, id)).toMatchObject({ available: 8, held: 0 });
  });

  it("is a generation that has ended, or has not, for what needs the other", async () => {
    const { id } = await makeAccount(app, 5);
    const made = await makeGeneration(app, id);
    expect(await refusalOf(deleteGeneration(app, id, made.id))).toMatchObject({
      code: "invalid_state",
      status: "pending",
    });
    await complete(worker, await claim(worker, id, made));
    expect(await refusalOf(cancelGeneration(app, id, made.id))).toEqual({
      code: "invalid_state",
      status: "completed",
    });
  });

  it("is a spend that would take from more than two hundred grants", async () => {
    const { id } = await makeAccount(app);
    for (let i = 0; i < 201; i++) await givePurchase(app, id, 1);
    const spend = (amount: number) => consumeCredits(app, id, { ...makeKey(), amount });
    expect(await refusalOf(spend(203))).toEqual({
      code: "invalid_state",
      reason: "too_many_grants",
      limit: 200,
    });
    expect(await spend(202)).toMatchObject({ available: 2 });
  });
});

describe("a claw-back", () => {
  it("asks at most for what was granted, and for nothing below nothing", async () => {
    const { id } = await makeAccount(app);
    const { grant_id: grantId } = await give(app, id, 10);
    const claw = (reversed: number) => clawBack(worker, id, { grantId, reversed });
    expect(await claw(99)).toMatchObject({ taken: 10, available: 3 });
    expect(await claw(-5)).toMatchObject({ taken: 0, available: 13 });
  });
});
