import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { refusalOf } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import {
  advanceClock,
  captureHold,
  clawBack,
  consumeCredits,
  findBalance,
  grantCredits,
  holdCredits,
  listEntries,
} from "./credits.ts";
import { refundGeneration } from "./generation-refunds.ts";
import { cancelGeneration, findGeneration } from "./generations.ts";

const database = useDatabase();

const audit = { actor: "support", request_id: "request-1", ip: "192.0.2.1" };
const hour = 3600;

/** What is left of each grant, the first to burn first. */
async function listGrants(accountId: string): Promise<[string, number][]> {
  const balance = await findBalance(database.app, accountId);
  return (balance?.grants ?? []).map((grant) => [grant.source, grant.remaining]);
}

async function listAmounts(accountId: string): Promise<[string, number][]> {
  const entries = await listEntries(database.app, accountId, { limit: 100 });
  return entries.map((entry): [string, number] => [entry.type, entry.amount]).reverse();
}

/** An account with 3 trial and 4 purchased credits, and 5 items over both. */
async function makeMixed() {
  const account = await makeAccount(database.app, 4);
  const labels = ["a", "b", "c", "d", "e"];
  const made = await makeGeneration(database.app, account.id, { labels });
  expect(made).toMatchObject({ cost: 5, trial_cost: 3, balance_after: 2 });
  const items = [];
  for (const position of [0, 1, 2, 3, 4]) {
    items.push(await claim(database.worker, account.id, made, { position }));
  }
  return { accountId: account.id, made, items };
}

describe("what fails", () => {
  it("goes back to the very grants that it came from", async () => {
    const { accountId, made, items } = await makeMixed();
    for (const [position, item] of items.entries()) {
      if (position === 1 || position === 4) await fail(database.worker, item);
      else await complete(database.worker, item);
    }
    expect(await listGrants(accountId)).toEqual([
      ["trial", 1],
      ["purchase", 3],
    ]);
    const found = await findGeneration(database.app, accountId, made.id);
    expect(found).toMatchObject({ status: "completed", failed_items: 2, refunded: 2 });
    expect(await findBalance(database.app, accountId)).toMatchObject({
      held: 0,
      lifetime: { used: 3 },
    });
  });

  it("is paid back once per item, with the reason in the history", async () => {
    const { accountId, items } = await makeMixed();
    const [first, second] = items;
    if (!first || !second) throw new Error("not claimed");
    await fail(database.worker, first, { message: "The provider was down." });
    await fail(database.worker, first, { message: "The provider was down." });
    await fail(database.worker, second);
    const refunds = await listEntries(database.app, accountId, { type: "refund", limit: 10 });
    expect(refunds.map((entry) => [entry.item_id, entry.description])).toEqual([
      [second.item_id, "It broke."],
      [first.item_id, "The provider was down."],
    ]);
  });

  it("is paid back whatever it has to say: a message that is too long is cut", async () => {
    const account = await makeAccount(database.app);
    const made = await makeGeneration(database.app, account.id);
    const item = await claim(database.worker, account.id, made);
    const retryable = { message: "é".repeat(3000), retryable: true };
    expect(await fail(database.worker, item, retryable)).toMatchObject({ status: "pending" });
    const again = await claim(database.worker, account.id, made, { attempt: 1 });
    const final = { message: "é".repeat(3000) };
    expect(await fail(database.worker, again, final)).toMatchObject({ status: "failed" });
    const found = await findGeneration(database.app, account.id, made.id);
    expect(found?.items[0]?.error_message).toBe("é".repeat(500));
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 3, held: 0 });
  });

  it("into a grant that has expired meanwhile is refunded and expires, net of nothing", async () => {
    const account = await makeAccount(database.app);
    await givePurchase(database.app, account.id, 5, { validForSeconds: hour });
    const made = await makeGeneration(database.app, account.id, { labels: ["a", "b", "c", "d"] });
    const item = await claim(database.worker, account.id, made, { position: 3 });
    await advanceClock(database.app, account.id, 2 * hour);
    await fail(database.worker, item);
    const entries: [string, number][] = [
      ["trial", 3],
      ["purchase", 5],
      ["generation", -4],
      ["expiry", -4],
      ["refund", 1],
      ["expiry", -1],
    ];
    expect(await listAmounts(account.id)).toEqual(entries);
    await cancelGeneration(database.app, account.id, made.id);
    const refund: [string, number] = ["refund", 1];
    expect(await listAmounts(account.id)).toEqual([...entries, refund, refund, refund]);
    expect(await listGrants(account.id)).toEqual([["trial", 3]]);
    expect((await findBalance(database.app, account.id))?.lifetime.expired).toBe(5);
  });
});

describe("capturing less than the price", () => {
  it("gives back the end of the item's slice", async () => {
    const account = await makeAccount(database.app, 10);
    const made = await makeGeneration(database.app, account.id, { unitCost: 5 });
    const item = await claim(database.worker, account.id, made);
    expect(await complete(database.worker, item, 4)).toBe("completed");
    // Three of the trial and one bought were spent; the last, a bought one, is back.
    expect(await listGrants(account.id)).toEqual([["purchase", 9]]);
    const found = await findGeneration(database.app, account.id, made.id);
    expect(found).toMatchObject({ status: "completed", refunded: 1, failed_items: 0 });
  });

  it.each([
    ["more than the price is the price", 9, 5],
    ["less than nothing is nothing", -3, 0],
    ["nothing said is the price", undefined, 5],
  ])("is limited: %s", async (_, actual, captured) => {
    const account = await makeAccount(database.app, 10);
    const made = await makeGeneration(database.app, account.id, { unitCost: 5 });
    const item = await claim(database.worker, account.id, made);
    await complete(database.worker, item, actual);
    const balance = await findBalance(database.app, account.id);
    expect(balance).toMatchObject({ available: 13 - captured, lifetime: { used: captured } });
  });
});

describe("a debt", () => {
  it("takes what comes back before anybody can spend it, and what comes in after", async () => {
    const account = await makeAccount(database.app);
    const bought = await givePurchase(database.app, account.id, 10);
    const made = await makeGeneration(database.app, account.id, { unitCost: 13 });
    const item = await claim(database.worker, account.id, made);
    const claw = { grantId: bought.grant_id, reversed: 10 };
    expect(await clawBack(database.worker, account.id, claw)).toMatchObject({ debt: 10 });
    expect(await complete(database.worker, item, 9)).toBe("completed");
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 0, debt: 6 });
    const grant = { source: "promo", amount: 8, effectKey: "promo:1" } as const;
    const given = await grantCredits(database.app, account.id, grant);
    expect(given).toMatchObject({ available: 2, debt: 0 });
    expect((await listAmounts(account.id)).slice(-4)).toEqual([
      ["refund", 4],
      ["clawback", -4],
      ["promo", 8],
      ["clawback", -6],
    ]);
  });

  it("takes of a subject's credits only what comes back, not what was there", async () => {
    const account = await makeAccount(database.app);
    const bought = await givePurchase(database.app, account.id, 5);
    await consumeCredits(database.app, account.id, { ...makeKey(), amount: 8 });
    await givePurchase(database.app, account.id, 10, { subject: "house" });
    const hold = { ...makeKey(), amount: 2, subject: "house", expiresInSeconds: 60 };
    const { id: holdId } = await holdCredits(database.app, account.id, hold);
    await clawBack(database.worker, account.id, { grantId: bought.grant_id, reversed: 5 });
    await captureHold(database.app, account.id, { holdId, amount: 0 });
    expect(await findBalance(database.app, account.id)).toMatchObject({
      available: 0,
      debt: 3,
      bound: [{ subject: "house", remaining: 8 }],
    });
  });
});

describe("support", () => {
  it("pays completed items back once, to the grants that they came from", async () => {
    const { accountId, made, items } = await makeMixed();
    for (const item of items) await complete(database.worker, item);
    const refund = { id: made.id, reason: "blurred", audit };
    const [, second, , , last] = made.item_ids as [string, string, string, string, string];
    const some = { ...refund, items: [last, second] };
    const first = await refundGeneration(database.app, accountId, { ...some, ...makeKey() });
    expect(first).toEqual({ items: 2, credits: 2, replayed: false });
    expect(await listGrants(accountId)).toEqual([
      ["trial", 1],
      ["purchase", 3],
    ]);
    const again = await refundGeneration(database.app, accountId, { ...some, ...makeKey() });
    expect(again).toEqual({ items: 0, credits: 0, replayed: false });
    const rest = await refundGeneration(database.app, accountId, { ...refund, ...makeKey() });
    expect(rest).toEqual({ items: 3, credits: 3, replayed: false });
    expect(await listGrants(accountId)).toEqual([
      ["trial", 3],
      ["purchase", 4],
    ]);
    const balance = await findBalance(database.app, accountId);
    expect(balance).toMatchObject({ held: 0, lifetime: { used: 0, granted: 7 } });
    const audits = await database.admin`
      SELECT actor, request_id, ip, metadata FROM ducat.audit_logs
      WHERE account_id = ${accountId} ORDER BY created_at`;
    expect(audits).toHaveLength(3);
    expect(audits[0]).toMatchObject({ ...audit, metadata: { items: 2, reason: "blurred" } });
  });

  it("refuses what has not completed or is not there, and then pays nothing back", async () => {
    const { accountId, made, items } = await makeMixed();
    const [done, open] = items;
    if (!done || !open) throw new Error("not claimed");
    await complete(database.worker, done);
    const refund = { id: made.id, reason: "blurred", audit };
    const asked = (ids: string[]) =>
      refusalOf(refundGeneration(database.app, accountId, { ...refund, ...makeKey(), items: ids }));
    const unknown = "00000000-0000-4000-8000-000000000000";
    expect(await asked([done.item_id, open.item_id])).toMatchObject({
      code: "invalid_state",
      item_id: open.item_id,
    });
    expect(await asked([done.item_id, unknown])).toMatchObject({ code: "not_found", what: "item" });
    expect((await findBalance(database.app, accountId))?.lifetime.used).toBe(1);
    for (const item of items.slice(1)) await complete(database.worker, item);
  });

  it("goes in steps for many, and goes on with the same key where one broke off", async () => {
    const account = await makeAccount(database.app, 10);
    const labels = ["a", "b", "c", "d", "e"];
    const made = await makeGeneration(database.app, account.id, { labels });
    for (const position of labels.keys()) {
      const item = await claim(database.worker, account.id, made, { position });
      await complete(database.worker, item);
    }
    const refund = { ...makeKey(), id: made.id, reason: "blurred", audit };
    const step = `ducat.refund_generation($1, $2, NULL, 'blurred', $3, $4, '{}', NULL, 2)`;
    const [first] = await database.app.unsafe(`SELECT ${step} AS step`, [
      ...[account.id, made.id, refund.key, refund.fingerprint],
    ]);
    expect(first?.step).toEqual({ items: 2, credits: 2, more: true });
    const rest = await refundGeneration(database.app, account.id, { ...refund, atOnce: 2 });
    expect(rest).toEqual({ items: 3, credits: 3, replayed: false });
    expect(await refundGeneration(database.app, account.id, refund)).toEqual({
      ...{ items: 3, credits: 3, replayed: true },
    });
    expect((await findBalance(database.app, account.id))?.lifetime.used).toBe(0);
  });

  it("can pay back what was captured of a completed item, after a partial capture", async () => {
    const account = await makeAccount(database.app, 10);
    const made = await makeGeneration(database.app, account.id, { unitCost: 5 });
    await complete(database.worker, await claim(database.worker, account.id, made), 4);
    const refund = { ...makeKey(), id: made.id, reason: "blurred", audit };
    expect(await refundGeneration(database.app, account.id, refund)).toMatchObject({ credits: 4 });
    expect(await listGrants(account.id)).toEqual([
      ["trial", 3],
      ["purchase", 10],
    ]);
  });
});
