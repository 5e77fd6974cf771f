import { beforeEach, describe, expect, it } from "vitest";
import {
  givePurchase,
  letExpire,
  makeAccount,
  makeGeneration,
  makeKey,
} from "../test/factories.ts";
import { countOutcomes } from "../test/outcome.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, fail } from "../test/work.ts";
import {
  advanceClock,
  consumeCredits,
  countEntries,
  expireDue,
  findBalance,
  holdCredits,
  listEntries,
} from "./credits.ts";
import { findGeneration } from "./generations.ts";

const database = useDatabase();

const day = 86_400;

/** How many days after now, rounded. */
const daysFromNow = (at: Date | string) =>
  Math.round((new Date(at).getTime() - Date.now()) / (1000 * day)) + 0;

describe("an account's clock", () => {
  it("moves ahead by what was asked, again and again, and tells its time", async () => {
    const { id } = await makeAccount(database.app);
    expect(daysFromNow(await advanceClock(database.app, id, 10 * day))).toBe(10);
    expect(daysFromNow(await advanceClock(database.app, id, 5 * day))).toBe(15);
    expect(daysFromNow(await advanceClock(database.app, id, 0))).toBe(15);
  });

  it("books what fell due: holds come back, grants expire", async () => {
    const { id } = await makeAccount(database.app, 4);
    await givePurchase(database.app, id, 5, { validForSeconds: 2 * day });
    const hold = { ...makeKey(), amount: 4, expiresInSeconds: day };
    await holdCredits(database.app, id, hold);
    await advanceClock(database.app, id, 3 * day);
    expect(await findBalance(database.app, id)).toMatchObject({ available: 7, held: 0 });
    const events = await database.admin`
      SELECT type, data ->> 'amount' AS amount FROM ducat.outbox
      WHERE account_id = ${id} AND type <> 'credits.granted' ORDER BY id`;
    expect(events).toEqual([
      { type: "credits.refunded", amount: "4" },
      { type: "credits.expired", amount: "5" },
    ]);
  });

  it("dates every line of the history, on either path of a create", async () => {
    const { id } = await makeAccount(database.app, 9);
    await advanceClock(database.app, id, 30 * day);
    const fast = await makeGeneration(database.app, id, { labels: ["a", "b"] });
    const slow = await makeGeneration(database.app, id, { unitCost: 6 });
    const together = [1, 2, 3, 4].map(() => makeGeneration(database.app, id));
    await Promise.all(together);
    await fail(database.worker, await claim(database.worker, id, fast));
    await consumeCredits(database.app, id, { ...makeKey(), amount: 1 });
    await givePurchase(database.app, id, 1);
    const entries = await listEntries(database.app, id, { limit: 9 });
    expect(entries.map((entry) => daysFromNow(entry.created_at))).toEqual(Array(9).fill(30));
    const from = new Date(Date.now() + 29 * 1000 * day);
    expect(await countEntries(database.app, id, { from })).toBe(9);
    expect(await countEntries(database.app, id, { to: from })).toBe(2);
    expect(await countEntries(database.app, id, { from, type: "refund" })).toBe(1);
    // Machine time never moves: deadlines and leases are the workers'.
    const found = await findGeneration(database.app, id, slow.id);
    expect(daysFromNow(found?.created_at ?? "")).toBe(0);
    expect(daysFromNow(found?.deadline_at ?? "")).toBe(0);
  });

  it("gives a grant its validity from the account's time", async () => {
    const { id } = await makeAccount(database.app);
    await advanceClock(database.app, id, 100 * day);
    await givePurchase(database.app, id, 5, { validForSeconds: 10 * day });
    const grants = (await findBalance(database.app, id))?.grants ?? [];
    expect(daysFromNow(grants.find((grant) => grant.expires_at)?.expires_at ?? "")).toBe(110);
  });

  it("is each account's own", async () => {
    const [one, two] = [await makeAccount(database.app), await makeAccount(database.app)];
    await givePurchase(database.app, two.id, 5, { validForSeconds: day });
    await advanceClock(database.app, one.id, 2 * day);
    expect(await findBalance(database.app, two.id)).toMatchObject({ available: 8 });
  });
});

describe("credits that have expired", () => {
  it("can't be spent by any call, booked or not", async () => {
    const { app } = database;
    const spends: ((id: string) => Promise<unknown>[])[] = [
      (id) => [makeGeneration(app, id, { unitCost: 5 })],
      (id) => [consumeCredits(app, id, { ...makeKey(), amount: 5 })],
      (id) => [holdCredits(app, id, { ...makeKey(), amount: 5, expiresInSeconds: 60 })],
      // At once, so that some go together.
      (id) => [2, 2, 2, 2].map((unitCost) => makeGeneration(app, id, { unitCost })),
    ];
    for (const spend of spends) {
      const { id } = await makeAccount(app);
      await consumeCredits(app, id, { ...makeKey(), amount: 3 });
      // The first to burn, and with enough left for all: the fast way if there was no clock.
      await givePurchase(app, id, 8, { validForSeconds: day });
      await givePurchase(app, id, 1);
      await letExpire(database.admin, id);
      const calls = spend(id);
      expect(await countOutcomes(calls)).toEqual({ insufficient_credits: calls.length });
      expect(await findBalance(app, id)).toMatchObject({ available: 1, held: 0 });
    }
  });
});

describe("the sweeper of expiries", () => {
  // What other tests have left to be booked is out of the way.
  beforeEach(() => expireDue(database.worker).then(() => undefined));

  it("books what is due of accounts that nobody touches", async () => {
    const [{ id }, two] = [await makeAccount(database.app), await makeAccount(database.app)];
    await givePurchase(database.app, id, 5, { validForSeconds: day });
    await letExpire(database.admin, id);
    await givePurchase(database.app, two.id, 2, { validForSeconds: day });
    expect(await expireDue(database.worker)).toBe(1);
    expect(await findBalance(database.app, id)).toMatchObject({
      available: 3,
      lifetime: { expired: 5 },
    });
    const [entry] = await listEntries(database.app, id, { limit: 1 });
    expect(entry).toMatchObject({ type: "expiry", amount: -5 });
    expect(await expireDue(database.worker)).toBe(0);
  });

  it("books the others when one account can't be booked, and says so in the end", async () => {
    const accounts = await Promise.all([1, 2, 3].map(() => makeAccount(database.app)));
    for (const { id } of accounts) {
      await givePurchase(database.app, id, 5, { validForSeconds: day });
      await letExpire(database.admin, id);
    }
    const [broken, ...others] = accounts.map(({ id }) => id);
    // The first in line, and impossible to book: its balance would be negative.
    await database.admin`
      UPDATE ducat.credit_accounts
      SET available = 3, next_expiry_at = next_expiry_at - interval '1 hour'
      WHERE account_id = ${broken ?? ""}`;
    await expect(expireDue(database.worker)).rejects.toThrow("credit_accounts_not_negative");
    const expiries = others.map((id) => countEntries(database.app, id, { type: "expiry" }));
    expect(await Promise.all(expiries)).toEqual([1, 1]);
    await database.admin`
      UPDATE ducat.credit_accounts SET available = 8 WHERE account_id = ${broken ?? ""}`;
    expect(await expireDue(database.worker)).toBe(1);
  });
});
