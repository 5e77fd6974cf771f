import { describe, expect, it } from "vitest";
import { makeKey } from "../test/factories.ts";
import { listPlanGrants, makePlan, makeSubscribed } from "../test/subscription-facts.ts";
import { useDatabase } from "../test/use-database.ts";
import { consumeCredits, countEntries, findBalance } from "./credits.ts";

const database = useDatabase();
const day = 86_400_000;

type Product = NonNullable<Parameters<typeof makePlan>[1]>;

/** The account of a plan that is in its third period, after `spent` credits in the first two. */
async function runPlan(product: Product, spent: [number, number]) {
  const plan = await makePlan(database.admin, { credits: 100, ...product });
  const one = await makeSubscribed(database, { plan, start: new Date(Date.now() - 70 * day) });
  const { accountId } = one;
  // The three that every account begins with burn first.
  await consumeCredits(database.app, accountId, { ...makeKey(), amount: 3 });
  await one.show();
  // Payments come when they are due: the clock of the account stands in their period.
  const goTo = (n: number) => database.admin`
    UPDATE ducat.credit_accounts
    SET clock_offset = ${one.period(n)[0]}::timestamptz + interval '1 hour' - clock_timestamp()
    WHERE account_id = ${accountId}`;
  for (const [n, amount] of spent.entries()) {
    await goTo(n);
    await one.pay({ n });
    if (amount > 0) await consumeCredits(database.app, accountId, { ...makeKey(), amount });
  }
  await goTo(2);
  await one.pay({ n: 2 });
  const balance = await findBalance(database.app, accountId);
  return { ...one, balance, grants: await listPlanGrants(database.admin, accountId) };
}

describe("what is left at the end of a period", () => {
  it("is over where nothing rolls over", async () => {
    const { grants, balance } = await runPlan({ rollover: "none" }, [30, 0]);
    expect(grants).toEqual([
      [100, 0, 70],
      [100, 0, 100],
      [100, 100, 0],
    ]);
    expect(balance).toMatchObject({ available: 100, lifetime: { expired: 170 } });
  });

  it("lives up to the cap, the newest of it, and the cap counts all periods before", async () => {
    const { grants, balance, accountId } = await runPlan(
      { rollover: "capped", rollover_cap: 50 },
      [30, 10],
    );
    // 70 are left of the first, 20 too many; of the 50 ten are spent. Of 40 + 100 live 50.
    expect(grants).toEqual([
      [100, 0, 60],
      [100, 50, 50],
      [100, 100, 0],
    ]);
    expect(balance).toMatchObject({ available: 150, lifetime: { expired: 110 } });
    expect(await countEntries(database.app, accountId, { type: "expiry" })).toBe(3);
  });

  it("below the cap lives whole", async () => {
    const { grants } = await runPlan({ rollover: "capped", rollover_cap: 500 }, [30, 10]);
    expect(grants.map(([, remaining]) => remaining)).toEqual([60, 100, 100]);
  });

  it("lives whole where all rolls over", async () => {
    const { grants, balance } = await runPlan({ rollover: "full" }, [30, 10]);
    expect(grants).toEqual([
      [100, 60, 0],
      [100, 100, 0],
      [100, 100, 0],
    ]);
    expect(balance).toMatchObject({ available: 260 });
  });

  it("of a feature's stock goes the same way", async () => {
    const stockOf = async (product: Product) => {
      const { accountId } = await runPlan({ allowances: { mails: 4 }, ...product }, [0, 0]);
      return await database.admin`
        SELECT remaining, expires_at IS NOT NULL AS ends FROM ducat.allowance_grants
        WHERE account_id = ${accountId} ORDER BY starts_at`;
    };
    const lives = (...remaining: number[]) => remaining.map((n) => ({ remaining: n, ends: false }));
    expect(await stockOf({ rollover: "none" })).toEqual(
      [4, 4, 4].map((n) => ({ remaining: n, ends: true })),
    );
    expect(await stockOf({ rollover: "capped", rollover_cap: 3 })).toEqual(lives(0, 3, 4));
    expect(await stockOf({ rollover: "full" })).toEqual(lives(4, 4, 4));
  });

  it("is the same when the periods' payments come in another order", async () => {
    const plan = await makePlan(database.admin, { rollover: "capped", rollover_cap: 30 });
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const one = await makeSubscribed(database, { plan, start: new Date(Date.now() - 70 * day) });
      await one.show();
      for (const n of order) await one.pay({ n });
      expect(await listPlanGrants(database.admin, one.accountId)).toEqual([
        [100, 0, 100],
        [100, 30, 70],
        [100, 100, 0],
      ]);
    }
  });
});
