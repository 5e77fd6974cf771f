import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  advanceClock,
  captureHold,
  consumeCredits,
  findBalance,
  holdCredits,
  listEntries,
} from "./credits.ts";

const database = useDatabase();

const hold = (amount: number, more = {}) => ({
  ...makeKey(),
  amount,
  expiresInSeconds: 3600,
  ...more,
});

describe("hold_credits", () => {
  it("sets credits aside once per key and tells until when", async () => {
    const { id } = await makeAccount(database.app, 7);
    const asked = hold(6, { description: "a print" });
    const held = await holdCredits(database.app, id, asked);
    expect(held).toMatchObject({ amount: 6, status: "open", available: 4, held: 6, seq: 3 });
    const lasts = new Date(held.expires_at).getTime() - Date.now();
    expect(lasts).toBeGreaterThan(3_590_000);
    expect(lasts).toBeLessThan(3_610_000);
    expect(await holdCredits(database.app, id, asked)).toEqual({ ...held, replayed: true });
    const [entry] = await listEntries(database.app, id, { limit: 1 });
    expect(entry).toMatchObject({ type: "usage", amount: -6, hold_id: held.id });
    expect(entry?.description).toBe("a print");
  });
});

describe("capture_hold", () => {
  it("spends the beginning of what was held and gives its end back", async () => {
    const { id } = await makeAccount(database.app, 7);
    const { id: holdId } = await holdCredits(database.app, id, hold(6));
    const captured = await captureHold(database.app, id, { holdId, amount: 4 });
    expect(captured).toMatchObject({
      id: holdId,
      status: "captured",
      amount: 6,
      captured: 4,
      released: 2,
      available: 6,
      held: 0,
      replayed: false,
    });
    const again = await captureHold(database.app, id, { holdId, amount: 4 });
    expect(again).toEqual({ ...captured, replayed: true });
    const balance = await findBalance(database.app, id);
    expect(balance).toMatchObject({ trial_credits: 0, lifetime: { used: 4 } });
  });

  it("of all of it writes no entry: it left the balance when it was set aside", async () => {
    const { id } = await makeAccount(database.app, 7);
    const { id: holdId, seq } = await holdCredits(database.app, id, hold(6));
    const captured = await captureHold(database.app, id, { holdId, amount: 6 });
    expect(captured).toMatchObject({ seq, released: 0, held: 0 });
    expect(await listEntries(database.app, id, { limit: 10 })).toHaveLength(3);
  });

  it("of nothing releases it, to the grants that it came from", async () => {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 4, { subject: "house" });
    const held = await holdCredits(database.app, id, hold(6, { subject: "house" }));
    const released = await captureHold(database.app, id, { holdId: held.id, amount: 0 });
    expect(released).toMatchObject({ status: "released", released: 6, available: 3 });
    const again = await captureHold(database.app, id, { holdId: held.id, amount: 0 });
    expect(again).toEqual({ ...released, replayed: true });
    const balance = await findBalance(database.app, id);
    expect(balance).toMatchObject({ trial_credits: 3, bound: [{ remaining: 4 }] });
  });
});

describe("the expiry of a hold", () => {
  it("gives all of it back, which the next call may spend at once", async () => {
    const { id } = await makeAccount(database.app, 7);
    await holdCredits(database.app, id, hold(6));
    await holdCredits(database.app, id, hold(3, { expiresInSeconds: 7200 }));
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = '1 hour' WHERE account_id = ${id}`;
    const spent = await consumeCredits(database.app, id, { ...makeKey(), amount: 7 });
    expect(spent).toMatchObject({ available: 0, held: 3 });
    await advanceClock(database.app, id, 3600);
    expect(await findBalance(database.app, id)).toMatchObject({ available: 3, held: 0 });
    const types = (await listEntries(database.app, id, { limit: 4 })).map((entry) => entry.type);
    expect(types).toEqual(["refund", "usage", "refund", "usage"]);
  });

  it("into grants that have expired gives nothing but a line in the history", async () => {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 5, { validForSeconds: 1800 });
    await holdCredits(database.app, id, hold(7));
    await advanceClock(database.app, id, 3600);
    expect(await findBalance(database.app, id)).toMatchObject({
      available: 3,
      held: 0,
      lifetime: { granted: 8, used: 0, expired: 5 },
    });
    const entries = await listEntries(database.app, id, { limit: 3 });
    expect(entries.map((entry) => [entry.type, entry.amount])).toEqual([
      ["expiry", -5],
      ["refund", 7],
      ["usage", -7],
    ]);
  });
});
