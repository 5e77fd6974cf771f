import { describe, expect, it } from "vitest";
import {
  givePurchase,
  letExpire,
  makeAccount,
  makeGeneration,
  makeKey,
} from "../test/factories.ts";
import { countOutcomes } from "../test/outcome.ts";
import { openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import {
  advanceClock,
  captureHold,
  consumeCredits,
  expireDue,
  findBalance,
  holdCredits,
  listEntries,
} from "./credits.ts";

const database = useDatabase();

/** Lets what is due at the account's new time race with other calls: nothing is booked here. */
async function moveClock(accountId: string, seconds: number): Promise<void> {
  await database.admin`
    UPDATE ducat.credit_accounts SET clock_offset = clock_offset + make_interval(secs => ${seconds})
    WHERE account_id = ${accountId}`;
}

const expireNow = (db: Db, accountId: string) => db`SELECT ducat.expire_account(${accountId})`;

describe("an expiry", () => {
  it("that races spends of the same grant loses no credit", async () => {
    const sessions = await openSessions(database.url, "ducat_worker", 4);
    const [one, two, three, four] = sessions as [Db, Db, Db, Db];
    for (let round = 0; round < 40; round++) {
      const account = await makeAccount(database.app);
      const soon = { validForSeconds: 60 };
      await givePurchase(database.app, account.id, 10, soon);
      await givePurchase(database.app, account.id, 4);
      await moveClock(account.id, round % 2 ? 60 : 59.99);
      const outcomes = await countOutcomes([
        makeGeneration(one, account.id, { labels: ["a", "b", "c", "d", "e", "f", "g"] }),
        expireNow(two, account.id),
        holdCredits(three, account.id, { ...makeKey(), amount: 5, expiresInSeconds: 60 }),
        consumeCredits(four, account.id, { ...makeKey(), amount: 2 }),
      ]);
      expect(Object.keys(outcomes).filter((key) => key !== "insufficient_credits")).toEqual(["ok"]);
      await advanceClock(database.app, account.id, 1);
      const balance = await findBalance(database.app, account.id);
      const { used = 0, expired = 0 } = balance?.lifetime ?? {};
      // Whatever won: given = left + set aside + used + expired.
      expect((balance?.available ?? 0) + (balance?.held ?? 0) + used + expired).toBe(17);
    }
  });

  it("of one account is booked once by many sweepers", async () => {
    const accounts = await Promise.all(Array.from({ length: 6 }, () => makeAccount(database.app)));
    for (const { id } of accounts) {
      await givePurchase(database.app, id, 5, { validForSeconds: 60 });
      await letExpire(database.admin, id);
    }
    const workers = await openSessions(database.url, "ducat_worker", 4);
    await Promise.all(workers.map((worker) => expireDue(worker)));
    for (const { id } of accounts) {
      const expiries = await listEntries(database.app, id, { type: "expiry", limit: 10 });
      expect(expiries.map((entry) => entry.amount)).toEqual([-5]);
    }
  });
});

describe("the end of a hold", () => {
  it("is one: capture, release and expiry race for it", async () => {
    const [one, two, three] = (await openSessions(database.url, "ducat_worker", 3)) as [Db, Db, Db];
    const ends: Record<string, number> = {};
    for (let round = 0; round < 40; round++) {
      const account = await makeAccount(database.app, 7);
      const hold = { ...makeKey(), amount: 6, expiresInSeconds: 3600 };
      const { id: holdId } = await holdCredits(database.app, account.id, hold);
      // A hold that is due can only expire: let the race be open in two rounds of three.
      if (round % 3 === 0) await moveClock(account.id, 3600);
      const outcomes = await countOutcomes([
        captureHold(one, account.id, { holdId, amount: 4 }),
        captureHold(two, account.id, { holdId, amount: 0 }),
        expireNow(three, account.id),
      ]);
      await expireNow(three, account.id);
      const [ended] = await database.admin`
        SELECT status, captured, released FROM ducat.credit_holds WHERE id = ${holdId}`;
      const status = String(ended?.status);
      ends[status] = (ends[status] ?? 0) + 1;
      expect(outcomes.invalid_state).toBe(status === "expired" ? 2 : 1);
      expect(ended?.captured).toBe(status === "captured" ? 4 : 0);
      const balance = await findBalance(database.app, account.id);
      expect(balance).toMatchObject({ available: status === "captured" ? 6 : 10, held: 0 });
    }
    expect(ends.expired).toBeGreaterThan(5);
    expect((ends.captured ?? 0) + (ends.released ?? 0)).toBeGreaterThan(5);
  });

  it("answers twenty equal captures with one answer", async () => {
    const account = await makeAccount(database.app, 7);
    const hold = { ...makeKey(), amount: 6, expiresInSeconds: 60 };
    const { id: holdId } = await holdCredits(database.app, account.id, hold);
    const workers = await openSessions(database.url, "ducat_worker", 10);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        captureHold(workers[i % 10] ?? database.app, account.id, { holdId, amount: 4 }),
      ),
    );
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    const texts = answers.map((answer) => JSON.stringify({ ...answer, replayed: true }));
    expect(new Set(texts).size).toBe(1);
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 6, held: 0 });
  });
});
