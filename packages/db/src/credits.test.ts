import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { consumeCredits, findBalance } from "./credits.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());
afterEach(() => assertInvariants(database.admin));

describe("create_account", () => {
  it("grants the trial once", async () => {
    const account = await makeAccount(database.app);
    expect(await findBalance(database.app, account.id)).toMatchObject({
      available: 3,
      trial_credits: 3,
      token_balance: 0,
    });
  });
});

describe("consume_credits", () => {
  it("burns the trial first", async () => {
    const account = await makeAccount(database.app, 10);
    const spend = { ...makeKey(), amount: 5 };
    const first = await consumeCredits(database.app, account.id, spend);
    expect(first).toMatchObject({ available: 8, trial: 3, replayed: false });
    expect(await consumeCredits(database.app, account.id, spend)).toEqual({
      ...first,
      replayed: true,
    });
  });
});

describe("create_generation", () => {
  it("sets the price aside", async () => {
    const account = await makeAccount(database.app, 10);
    const made = await makeGeneration(database.app, account.id, { labels: ["front", "back"] });
    expect(made).toMatchObject({ cost: 2, trial_cost: 2, balance_after: 11, replayed: false });
    const second = await makeGeneration(database.app, account.id, { labels: ["a", "b"] });
    expect(second).toMatchObject({ cost: 2, trial_cost: 1, balance_after: 9 });
    await givePurchase(database.app, account.id, 5, { subject: "house" });
    const bound = await makeGeneration(database.app, account.id, {
      labels: ["a", "b"],
      subject: "house",
    });
    expect(bound).toMatchObject({ cost: 2, trial_cost: 0, balance_after: 9 });
  });
});
