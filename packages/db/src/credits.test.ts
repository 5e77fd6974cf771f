import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  adjustCredits,
  consumeCredits,
  countEntries,
  findBalance,
  freezeAccount,
  grantCredits,
  listEntries,
} from "./credits.ts";

const database = useDatabase({ checksEvents: true });

const audit = { actor: "root", request_id: "request-1", ip: "192.0.2.1" };

const listAudits = (accountId: string) => database.admin`
  SELECT actor, action, request_id, ip, metadata FROM ducat.audit_logs
  WHERE account_id = ${accountId} ORDER BY created_at`;

describe("grant_credits", () => {
  const promo = { source: "promo", amount: 4, effectKey: "promo:1" } as const;

  it("gives once per effect key and repeats its first answer for ever", async () => {
    const { id } = await makeAccount(database.app);
    const first = await grantCredits(database.app, id, { ...promo, description: "Welcome back" });
    expect(first).toMatchObject({ seq: 2, available: 7, held: 0, debt: 0, replayed: false });
    await consumeCredits(database.app, id, { ...makeKey(), amount: 7 });
    expect(await grantCredits(database.app, id, promo)).toEqual({ ...first, replayed: true });
    const [, entry] = await listEntries(database.app, id, { limit: 2 });
    expect(entry).toMatchObject({ type: "promo", amount: 4, description: "Welcome back" });
  });

  it("tells the world in the same transaction", async () => {
    const { id } = await makeAccount(database.app);
    const { grant_id } = await grantCredits(database.app, id, promo);
    const events = await database.admin`
      SELECT type, data FROM ducat.outbox WHERE account_id = ${id} ORDER BY id`;
    expect(events).toMatchObject([
      { type: "credits.granted", data: { amount: 3, source: "trial" } },
      {
        type: "credits.granted",
        data: { amount: 4, source: "promo", grant_id, transaction_id: `${id}.2` },
      },
    ]);
  });

  it("of credits that have expired already books both lines", async () => {
    const { id } = await makeAccount(database.app);
    const late = { ...promo, expiresAt: new Date(Date.now() - 1000) };
    expect(await grantCredits(database.app, id, late)).toMatchObject({ available: 3 });
    const amounts = (await listEntries(database.app, id, { limit: 2 })).map((e) => e.amount);
    expect(amounts).toEqual([-4, 4]);
  });
});

describe("consume_credits", () => {
  it("burns the trial first and answers a repeat with the first answer", async () => {
    const account = await makeAccount(database.app, 10);
    const spend = { ...makeKey(), amount: 5 };
    const first = await consumeCredits(database.app, account.id, spend);
    expect(first).toMatchObject({ available: 8, trial: 3, replayed: false });
    await consumeCredits(database.app, account.id, { ...makeKey(), amount: 1 });
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

describe("adjust_credits", () => {
  it("gives or takes once per key, each with its audit line", async () => {
    const { id } = await makeAccount(database.app);
    const up = { ...makeKey(), amount: 10, reason: "an apology", audit };
    const given = await adjustCredits(database.app, id, up);
    expect(given).toMatchObject({ seq: 2, available: 13, replayed: false });
    expect(await adjustCredits(database.app, id, up)).toEqual({ ...given, replayed: true });
    const down = { ...makeKey(), amount: -5, reason: "a mistake", audit };
    const taken = await adjustCredits(database.app, id, down);
    expect(taken).toMatchObject({ seq: 3, available: 8, replayed: false });
    expect(await adjustCredits(database.app, id, down)).toEqual({ ...taken, replayed: true });
    expect(await listAudits(id)).toEqual([
      {
        ...audit,
        action: "credits.adjust",
        metadata: { amount: 10, reason: "an apology", before: 3, after: 13 },
      },
      {
        ...audit,
        action: "credits.adjust",
        metadata: { amount: -5, reason: "a mistake", before: 13, after: 8 },
      },
    ]);
    const entries = await listEntries(database.app, id, { type: "adjustment", limit: 9 });
    expect(entries.map((entry) => [entry.amount, entry.description])).toEqual([
      [-5, "a mistake"],
      [10, "an apology"],
    ]);
  });

  it("takes as a spend would, from the trial first, and counts nothing as used", async () => {
    const { id } = await makeAccount(database.app, 4);
    await adjustCredits(database.app, id, { ...makeKey(), amount: -5, reason: "x", audit });
    expect(await findBalance(database.app, id)).toMatchObject({
      trial_credits: 0,
      token_balance: 2,
      lifetime: { granted: 7, used: 0, expired: 0 },
    });
  });
});

describe("freeze_account", () => {
  it("keeps every reason until it is lifted by itself, and says who did it", async () => {
    const { id } = await makeAccount(database.app);
    const set = (reason: string, frozen: boolean) =>
      freezeAccount(database.app, id, { reason, frozen, audit });
    expect(await set("admin", true)).toEqual(["admin"]);
    expect(await set("dispute:1", true)).toEqual(["admin", "dispute:1"]);
    expect(await set("dispute:1", true)).toEqual(["admin", "dispute:1"]);
    expect(await set("admin", false)).toEqual(["dispute:1"]);
    expect(await set("nothing", false)).toEqual(["dispute:1"]);
    expect(await set("dispute:1", false)).toEqual([]);
    const [first] = await listAudits(id);
    expect(first).toMatchObject({
      ...audit,
      action: "account.freeze",
      metadata: { reason: "admin", frozen: true },
    });
  });
});

describe("the history", () => {
  it("is newest first, filtered, and goes on before the last that was seen", async () => {
    const { id } = await makeAccount(database.app, 20);
    for (const amount of [1, 2, 3]) {
      await consumeCredits(database.app, id, { ...makeKey(), amount });
    }
    const list = async (filter: object) =>
      (await listEntries(database.app, id, { limit: 9, ...filter })).map((entry) => entry.seq);
    expect(await list({})).toEqual([5, 4, 3, 2, 1]);
    expect(await list({ limit: 2 })).toEqual([5, 4]);
    expect(await list({ limit: 2, beforeSeq: 4 })).toEqual([3, 2]);
    expect(await list({ type: "usage" })).toEqual([5, 4, 3]);
    expect(await list({ from: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(await countEntries(database.app, id, { type: "usage" })).toBe(3);
    const [last] = await listEntries(database.app, id, { limit: 1 });
    expect(last).toMatchObject({ amount: -3, available_after: 17 });
  });
});
