import { describe, expect, it } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { makeRandom } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { clawBack, consumeCredits, findBalance, grantCredits, holdCredits } from "./credits.ts";

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
