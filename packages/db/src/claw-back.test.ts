import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { advanceClock, clawBack, consumeCredits, findBalance, listEntries } from "./credits.ts";

const database = useDatabase();

const day = 86_400;

/** An account whose trial is gone, with one purchase of ten and calls on it. */
async function makeBuyer(more: Parameters<typeof givePurchase>[3] = {}) {
  const { id } = await makeAccount(database.app);
  await consumeCredits(database.app, id, { ...makeKey(), amount: 3 });
  const { grant_id: grantId } = await givePurchase(database.app, id, 10, more);
  return {
    id,
    claw: (reversed: number) => clawBack(database.worker, id, { grantId, reversed }),
    spend: (amount: number) => consumeCredits(database.app, id, { ...makeKey(), amount }),
    give: (amount: number, grant: Parameters<typeof givePurchase>[3] = {}) =>
      givePurchase(database.app, id, amount, grant),
    wait: (seconds: number) => advanceClock(database.app, id, seconds),
    balance: () => findBalance(database.app, id),
  };
}

describe("claw_back", () => {
  it("follows the total of the reversals, up and down, any number of times", async () => {
    const buyer = await makeBuyer();
    expect(await buyer.claw(4)).toMatchObject({ available: 6, taken: 4, replayed: false });
    expect(await buyer.claw(4)).toMatchObject({ available: 6, taken: 4, replayed: true });
    expect(await buyer.claw(10)).toMatchObject({ available: 0, taken: 10 });
    expect(await buyer.claw(3)).toMatchObject({ available: 7, taken: 3 });
    expect(await buyer.claw(0)).toMatchObject({ available: 10, taken: 0 });
    expect(await buyer.claw(10)).toMatchObject({ available: 0, taken: 10 });
    const entries = await listEntries(database.app, buyer.id, { type: "clawback", limit: 10 });
    expect(entries.map((entry) => entry.amount)).toEqual([-10, 3, 7, -6, -4]);
  });

  it("takes from its own grant first, then from others as they burn, and the rest is debt", async () => {
    const buyer = await makeBuyer();
    await buyer.give(2, { validForSeconds: day });
    await buyer.give(4);
    await buyer.give(5, { subject: "house" });
    await buyer.spend(9);
    // 3 of its own, then 2 + 2; the seven that are left could be taken, three couldn't.
    expect(await buyer.claw(5)).toMatchObject({ available: 2, debt: 0 });
    expect(await buyer.claw(10)).toMatchObject({ available: 0, debt: 3 });
    expect(await buyer.balance()).toMatchObject({ bound: [{ subject: "house", remaining: 5 }] });
  });

  it("takes from a grant of a subject if that is what was paid for", async () => {
    const buyer = await makeBuyer({ subject: "house" });
    expect(await buyer.claw(6)).toMatchObject({ available: 0, debt: 0, taken: 6 });
    expect(await buyer.balance()).toMatchObject({ bound: [{ subject: "house", remaining: 4 }] });
    expect(await buyer.claw(2)).toMatchObject({ taken: 2 });
    const bound = (await buyer.balance())?.bound.map((one) => one.remaining);
    expect(bound).toEqual([4, 4]);
  });

  it("does not take a second time what has expired", async () => {
    const buyer = await makeBuyer({ validForSeconds: day });
    await buyer.spend(4);
    await buyer.wait(2 * day);
    expect(await buyer.claw(10)).toMatchObject({ available: 0, debt: 4, taken: 4 });
  });

  it("lets the debt fall first when a reversal is undone, and gives the rest back", async () => {
    const buyer = await makeBuyer();
    await buyer.spend(7);
    expect(await buyer.claw(10)).toMatchObject({ available: 0, debt: 7 });
    expect(await buyer.claw(5)).toMatchObject({ available: 0, debt: 2 });
    expect(await buyer.claw(0)).toMatchObject({ available: 3, debt: 0 });
  });

  it("gives back what is due to be: with the validity that was left when it was taken", async () => {
    const buyer = await makeBuyer({ validForSeconds: 10 * day });
    await buyer.wait(4 * day);
    await buyer.claw(10);
    await buyer.wait(30 * day);
    await buyer.claw(0);
    expect(await buyer.balance()).toMatchObject({ available: 10 });
    await buyer.wait(6 * day - 60);
    expect(await buyer.balance()).toMatchObject({ available: 10 });
    await buyer.wait(61);
    expect(await buyer.balance()).toMatchObject({ available: 0, lifetime: { expired: 10 } });
  });

  it("takes what it gave back before anything else when the reversal returns", async () => {
    const buyer = await makeBuyer();
    await buyer.claw(10);
    await buyer.give(5, { validForSeconds: day });
    await buyer.claw(0);
    expect(await buyer.claw(8)).toMatchObject({ available: 7 });
    const left = (await buyer.balance())?.grants.map((grant) => grant.remaining);
    expect(left).toEqual([5, 2]);
  });
});

describe("a debt", () => {
  it("takes its part of every grant, and lets bound credits be spent meanwhile", async () => {
    const buyer = await makeBuyer();
    await buyer.spend(10);
    await buyer.claw(8);
    expect(await buyer.give(3)).toMatchObject({ available: 0, debt: 5 });
    expect(await buyer.give(4, { subject: "house" })).toMatchObject({ available: 0, debt: 1 });
    expect(await buyer.give(6, { subject: "house" })).toMatchObject({ available: 0, debt: 0 });
    const spend = { ...makeKey(), amount: 5, subject: "house" };
    expect(await consumeCredits(database.app, buyer.id, spend)).toMatchObject({ available: 0 });
    expect(await buyer.give(3)).toMatchObject({ available: 3, debt: 0 });
  });
});
