import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { makeRandom } from "../test/parallel.ts";
import { makeReversal } from "../test/reversal-facts.ts";
import { makePlan, makeSubscribed } from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { clawBack, consumeCredits, findBalance, grantCredits, holdCredits } from "./credits.ts";
import { applyReversal } from "./reversals.ts";

const database = useDatabase();

const hour = 3600;

/** Time passes, and nobody has booked yet what fell due. */
async function letTimePass(accountId: string, seconds: number): Promise<void> {
  await database.admin`
    UPDATE ducat.credit_accounts SET clock_offset = clock_offset + make_interval(secs => ${seconds})
    WHERE account_id = ${accountId}`;
}

const book = (accountId: string) => database.worker`SELECT ducat.expire_account(${accountId})`;

/** Grants, holds and debts of an account, some of which will be due in some hours. */
async function fill(accountId: string, random: (limit: number) => number): Promise<void> {
  const { app, worker } = database;
  const bought: string[] = [];
  for (let i = 0; i < 4; i++) {
    const { grant_id } = await givePurchase(app, accountId, 1 + random(9), {
      ...(random(3) ? { validForSeconds: hour * (1 + random(6)) } : {}),
      ...(random(3) ? {} : { subject: "house" }),
    });
    bought.push(grant_id);
  }
  for (let i = 0; i < 5; i++) {
    const amount = 1 + random(5);
    const expiresInSeconds = hour * (1 + random(6));
    const hold = { ...makeKey(), amount, expiresInSeconds, ...(random(2) && { subject: "house" }) };
    await holdCredits(app, accountId, hold).catch(() => undefined);
  }
  const spend = { ...makeKey(), amount: 1 + random(8) };
  await consumeCredits(app, accountId, spend).catch(() => undefined);
  for (const grantId of bought) {
    if (random(2)) await clawBack(worker, accountId, { grantId, reversed: random(9) });
  }
}

describe("the balance", () => {
  it("says before something due is booked what it says after, in any history", async () => {
    let changed = 0;
    for (let seed = 0; seed < 40; seed++) {
      const random = makeRandom(seed);
      const account = await makeAccount(database.app);
      await fill(account.id, random);
      const early = await findBalance(database.app, account.id);
      await letTimePass(account.id, hour * (1 + random(7)));
      const before = await findBalance(database.app, account.id);
      await book(account.id);
      const after = await findBalance(database.app, account.id);
      expect(before, `seed ${seed}`).toEqual(after);
      if (JSON.stringify(early) !== JSON.stringify(after)) changed++;
    }
    expect(changed).toBeGreaterThan(20);
  });

  it("reads nothing and books nothing: expired credits are gone, the ledger waits", async () => {
    const account = await makeAccount(database.app);
    await givePurchase(database.app, account.id, 5, { validForSeconds: hour });
    await letTimePass(account.id, hour);
    expect(await findBalance(database.app, account.id)).toMatchObject({
      available: 3,
      lifetime: { granted: 8, used: 0, expired: 5 },
    });
    const [row] = await database.admin`
      SELECT seq, available FROM ducat.credit_accounts WHERE account_id = ${account.id}`;
    expect(row).toEqual({ seq: 2, available: 8 });
  });

  it("lists what is bound apart, and each grant with what is left of it", async () => {
    const account = await makeAccount(database.app);
    const expiresAt = new Date(Date.now() + 86_400_000);
    await givePurchase(database.app, account.id, 4, { expiresAt });
    await givePurchase(database.app, account.id, 6, { subject: "house", expiresAt });
    await givePurchase(database.app, account.id, 2, { subject: "flat" });
    await grantCredits(database.app, account.id, {
      source: "promo",
      amount: 9,
      effectKey: "promo:1",
    });
    await makeGeneration(database.app, account.id, { unitCost: 5 });
    const balance = await findBalance(database.app, account.id);
    expect(balance).toMatchObject({
      available: 11,
      trial_credits: 0,
      token_balance: 11,
      held: 5,
      debt: 0,
      frozen: false,
      bound: [
        { subject: "flat", remaining: 2, expires_at: null },
        { subject: "house", remaining: 6 },
      ],
    });
    const left = balance?.grants.map((grant) => [grant.source, grant.amount, grant.remaining]);
    expect(left).toEqual([
      ["purchase", 4, 2],
      ["purchase", 6, 6],
      ["purchase", 2, 2],
      ["promo", 9, 9],
    ]);
    const [bound] = balance?.bound.slice(1) ?? [];
    expect(new Date(bound?.expires_at ?? "").getTime()).toBe(expiresAt.getTime());
  });
});

describe("the period of a subscription", () => {
  /** A paid month of 100 credits; the three that every account begins with are spent. */
  async function begin() {
    const one = await makeSubscribed(database);
    await consumeCredits(database.app, one.accountId, { ...makeKey(), amount: 3 });
    await one.show();
    const { payment } = await one.pay();
    if (!payment) throw new Error("the month was not paid");
    const find = async () => await findBalance(database.app, one.accountId);
    return { ...one, payment, find };
  }

  it("tells what it gave and what of that was spent or is set aside, and nothing else", async () => {
    const one = await begin();
    await givePurchase(database.app, one.accountId, 50);
    await consumeCredits(database.app, one.accountId, { ...makeKey(), amount: 20 });
    const hold = { ...makeKey(), amount: 5, expiresInSeconds: hour };
    await holdCredits(database.app, one.accountId, hold);
    const end = one.period(0)[1];
    const balance = await one.find();
    expect(balance).toMatchObject({ available: 125, period: { granted: 100, used: 25 } });
    expect(new Date(balance?.period?.end ?? "")).toEqual(end);
    expect(new Date(balance?.next_refill_at ?? "")).toEqual(end);
    // What the hold gives back is unused, booked or not.
    await letTimePass(one.accountId, 2 * hour);
    expect(await one.find()).toMatchObject({ period: { granted: 100, used: 20 } });
    await book(one.accountId);
    expect(await one.find()).toMatchObject({ period: { granted: 100, used: 20 } });
  });

  it("counts what was taken back or has expired as unused", async () => {
    const one = await begin();
    await consumeCredits(database.app, one.accountId, { ...makeKey(), amount: 20 });
    await applyReversal(database.worker, makeReversal(one.payment, 450, 1));
    expect(await one.find()).toMatchObject({ available: 30, period: { granted: 100, used: 20 } });
    await letTimePass(one.accountId, 40 * 24 * hour);
    expect(await one.find()).toMatchObject({ available: 0, period: { granted: 100, used: 20 } });
    await book(one.accountId);
    expect(await one.find()).toMatchObject({ available: 0, period: { granted: 100, used: 20 } });
  });

  it("is none without a subscription that runs; one that is to end has no next refill", async () => {
    const none = { period: null, next_refill_at: null };
    const { id } = await makeAccount(database.app);
    expect(await findBalance(database.app, id)).toMatchObject(none);
    const one = await begin();
    await one.show({ cancelAt: one.period(0)[1] });
    expect(await one.find()).toMatchObject({ period: { used: 0 }, next_refill_at: null });
    await one.show({ status: "past_due" });
    expect(await one.find()).toMatchObject({ period: { used: 0 }, next_refill_at: null });
    await one.show({ status: "canceled" });
    expect(await one.find()).toMatchObject(none);
    const unpaid = await makeSubscribed(database, { plan: await makePlan(database.admin) });
    await unpaid.show({ status: "incomplete" });
    expect(await findBalance(database.app, unpaid.accountId)).toMatchObject(none);
  });
});
