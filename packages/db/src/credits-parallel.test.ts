import { describe, expect, it } from "vitest";
import { makeAccount, makeKey } from "../test/factories.ts";
import { countOutcomes } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import {
  adjustCredits,
  clawBack,
  consumeCredits,
  findBalance,
  freezeAccount,
  grantCredits,
  holdCredits,
  listEntries,
} from "./credits.ts";

const database = useDatabase();

const audit = { actor: "test", request_id: "test", ip: null };
const sessionsOf = (count: number) => openSessions(database.url, "ducat_app", count);

/** The calls that take an idempotency key, each with enough credits for one of them only. */
const keyed: Record<string, (db: Db, id: string, key: ReturnType<typeof makeKey>) => unknown> = {
  consumeCredits: (db, id, key) => consumeCredits(db, id, { ...key, amount: 3 }),
  holdCredits: (db, id, key) => holdCredits(db, id, { ...key, amount: 3, expiresInSeconds: 60 }),
  "adjustCredits down": (db, id, key) =>
    adjustCredits(db, id, { ...key, amount: -3, reason: "test", audit }),
  "adjustCredits up": (db, id, key) =>
    adjustCredits(db, id, { ...key, amount: 5, reason: "test", audit }),
};

describe("one key, twenty times at once", () => {
  it.each(Object.entries(keyed))("books one %s, and all answers are equal", async (_, call) => {
    const account = await makeAccount(database.app);
    const sessions = await sessionsOf(10);
    const key = makeKey();
    const results = await Promise.all(
      atOnce(sessions, 20, async (db) => call(db, account.id, key)),
    );
    const answers = results as { replayed: boolean }[];
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    const texts = answers.map((answer) => JSON.stringify({ ...answer, replayed: true }));
    expect(new Set(texts).size).toBe(1);
    expect(await listEntries(database.app, account.id, { limit: 10 })).toHaveLength(2);
  });

  it("gives one grant for an effect key, and all answers are equal", async () => {
    const account = await makeAccount(database.app);
    const sessions = await sessionsOf(10);
    const grant = { source: "purchase", amount: 7, effectKey: "payment:1" } as const;
    const answers = await Promise.all(
      atOnce(sessions, 20, (db) => grantCredits(db, account.id, grant)),
    );
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    const texts = answers.map((answer) => JSON.stringify({ ...answer, replayed: true }));
    expect(new Set(texts).size).toBe(1);
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 10 });
  });
});

describe("spends that race for the same credits", () => {
  it("go through exactly as often as the credits suffice", async () => {
    const account = await makeAccount(database.app, 14);
    const sessions = await sessionsOf(12);
    const outcomes = await countOutcomes(
      atOnce<unknown>(sessions, 50, (db, i) =>
        i % 2
          ? consumeCredits(db, account.id, { ...makeKey(), amount: 1 })
          : holdCredits(db, account.id, { ...makeKey(), amount: 1, expiresInSeconds: 60 }),
      ),
    );
    expect(outcomes).toEqual({ ok: 17, insufficient_credits: 33 });
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 0 });
  });

  it("never take more than one balance has, however uneven they are", async () => {
    const account = await makeAccount(database.app, 97);
    const sessions = await sessionsOf(10);
    const amounts = Array.from({ length: 40 }, (_, i) => (i % 7) + 1);
    let spent = 0;
    await countOutcomes(
      atOnce(sessions, 40, async (db, i) => {
        const amount = amounts[i] ?? 1;
        await consumeCredits(db, account.id, { ...makeKey(), amount });
        spent += amount;
      }),
    );
    const balance = await findBalance(database.app, account.id);
    expect(balance?.available).toBe(100 - spent);
    expect(balance?.lifetime.used).toBe(spent);
  });

  it("and a claw-back of what they spend leave a debt for just what is missing", async () => {
    for (let round = 0; round < 15; round++) {
      const account = await makeAccount(database.app);
      const { grant_id: grantId } = await grantCredits(database.app, account.id, {
        source: "purchase",
        amount: 10,
        effectKey: "payment:1",
      });
      const sessions = [database.app, database.worker];
      const outcomes = await countOutcomes([
        ...atOnce(sessions, 8, (db) => consumeCredits(db, account.id, { ...makeKey(), amount: 2 })),
        clawBack(database.worker, account.id, { grantId, reversed: 10 }),
        clawBack(database.worker, account.id, { grantId, reversed: 10 }),
      ]);
      const spent = 2 * ((outcomes.ok ?? 0) - 1);
      const balance = await findBalance(database.app, account.id);
      expect((balance?.available ?? 0) - (balance?.debt ?? 0)).toBe(13 - spent - 10);
    }
  });
});

describe("a freeze", () => {
  it("counts each reason once, whoever sets it at the same time", async () => {
    const account = await makeAccount(database.app);
    const sessions = await sessionsOf(6);
    await Promise.all(
      atOnce(sessions, 12, (db, i) =>
        freezeAccount(db, account.id, {
          reason: i % 2 ? "admin" : "dispute:1",
          frozen: true,
          audit,
        }),
      ),
    );
    const lift = { reason: "admin", frozen: false, audit };
    expect(await freezeAccount(database.app, account.id, lift)).toEqual(["dispute:1"]);
  });
});
