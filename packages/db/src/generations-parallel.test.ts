import { describe, expect, it, onTestFinished } from "vitest";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { countOutcomes, refusalOf } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { claim, complete, fail } from "../test/work.ts";
import { connectDatabase, type Db } from "./connect.ts";
import { findBalance, listEntries } from "./credits.ts";
import { refundGeneration } from "./generation-refunds.ts";
import {
  cancelGeneration,
  findGeneration,
  listGenerations,
  type NewGeneration,
} from "./generations.ts";

const database = useDatabase();

const period = { period_start: "2026-11-01T00:00:00Z" };
const audit = { actor: "test", request_id: "test", ip: null };
const appSessions = (count: number) => openSessions(database.url, "ducat_app", count);

/** As many processes of the API; each lets creates that arrive together go together. */
function openPools(count: number): Db[] {
  const pools = Array.from({ length: count }, () =>
    connectDatabase({ url: database.url, role: "ducat_app", max: 4 }),
  );
  onTestFinished(async () => {
    await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
  });
  return pools;
}

describe("fifty creates with credits for twenty", () => {
  const cases: [string, Partial<NewGeneration>][] = [
    ["from one grant", {}],
    ["in two items each", { labels: ["a", "b"] }],
    ["for a subject", { subject: "house" }],
  ];
  it.each(cases)("go through twenty times %s", async (_, more) => {
    const account = await makeAccount(database.app, 20 * (more.labels?.length ?? 1) - 3);
    if (more.subject) await givePurchase(database.app, account.id, 1, { subject: "flat" });
    const sessions = await appSessions(16);
    const outcomes = await countOutcomes(
      atOnce(sessions, 50, (db) => makeGeneration(db, account.id, more)),
    );
    expect(outcomes).toEqual({ ok: 20, insufficient_credits: 30 });
  });

  it("go through twenty times over several grants, from processes that batch", async () => {
    const account = await makeAccount(database.app, 7);
    for (let i = 0; i < 5; i++) await givePurchase(database.app, account.id, 2);
    const pools = openPools(4);
    const outcomes = await countOutcomes(atOnce(pools, 50, (db) => makeGeneration(db, account.id)));
    expect(outcomes).toEqual({ ok: 20, insufficient_credits: 30 });
  });
});

describe("creates of several processes over several accounts", () => {
  it("go together without taking a credit too many from any", async () => {
    const accounts = await Promise.all(
      Array.from({ length: 5 }, () => makeAccount(database.app, 5)),
    );
    const made: Record<string, number> = {};
    const outcomes = await countOutcomes(
      atOnce(openPools(4), 80, async (db, i) => {
        // Each process in an order of its own: batches lock their accounts in one order.
        const { id } = accounts[(i * (1 + (i % 4))) % 5] ?? { id: "" };
        await makeGeneration(db, id);
        made[id] = (made[id] ?? 0) + 1;
      }),
    );
    expect(outcomes.ok).toBe(5 * 8);
    expect(Object.values(made)).toEqual([8, 8, 8, 8, 8]);
    expect(outcomes.insufficient_credits).toBe(80 - 5 * 8);
  });
});

describe("one key, twenty times at once", () => {
  const cases: [string, Partial<NewGeneration>][] = [
    ["with credits for just one", { labels: ["a", "b", "c"] }],
    [
      "with a quota of just one",
      { usage: [{ feature: "pictures", amount: 1, limit: 1, ...period }] },
    ],
    ["that costs nothing", { unitCost: 0 }],
  ];
  it.each(cases)("makes one generation %s, and all answers are equal", async (_, more) => {
    const account = await makeAccount(database.app);
    const sessions = await appSessions(10);
    const same = { ...makeKey(), ...more };
    const answers = await Promise.all(
      atOnce(sessions, 20, (db) => makeGeneration(db, account.id, same)),
    );
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    const texts = answers.map((answer) => JSON.stringify({ ...answer, replayed: true }));
    expect(new Set(texts).size).toBe(1);
    expect(await listGenerations(database.app, account.id, { limit: 10 })).toHaveLength(1);
  });

  it("makes one generation in processes that batch, with credits for just one", async () => {
    const account = await makeAccount(database.app);
    const same = { ...makeKey(), labels: ["a", "b", "c"] };
    const outcomes = await countOutcomes(
      atOnce(openPools(2), 40, (db) => makeGeneration(db, account.id, same)),
    );
    expect(outcomes).toEqual({ ok: 1, replayed: 39 });
  });

  it("refuses every other request with that key", async () => {
    const account = await makeAccount(database.app);
    const sessions = await appSessions(10);
    const { key } = makeKey();
    const outcomes = await countOutcomes(
      atOnce(sessions, 20, (db) => makeGeneration(db, account.id, { ...makeKey(), key })),
    );
    expect(outcomes).toEqual({ ok: 1, idempotency_conflict: 19 });
  });
});

describe("a quota", () => {
  it("lets through exactly what is left of it", async () => {
    const account = await makeAccount(database.app, 100);
    const sessions = await appSessions(10);
    const take = { feature: "pictures", amount: 2, limit: 21 };
    const usage = [{ ...take, ...period }];
    const outcomes = await countOutcomes(
      atOnce(sessions, 30, (db) => makeGeneration(db, account.id, { usage })),
    );
    expect(outcomes).toEqual({ ok: 10, quota_exceeded: 20 });
    const refused = refusalOf(makeGeneration(database.app, account.id, { usage }));
    expect(await refused).toMatchObject({ quota: "pictures", limit: 21, current: 20 });
  });
});

describe("the end of an item", () => {
  it("is one: a cancel that races a completion, two hundred times", async () => {
    const account = await makeAccount(database.app, 200);
    const workers = await openSessions(database.url, "ducat_worker", 2);
    const [one, two] = workers as [Db, Db];
    const ends = { completed: 0, canceled: 0 };
    for (let round = 0; round < 200; round++) {
      const made = await makeGeneration(database.app, account.id);
      // Half of the items are claimed before, so that either side has a chance to be first.
      const cancel = () => cancelGeneration(one, account.id, made.id).catch(() => undefined);
      const work = async () => complete(two, await claim(two, account.id, made));
      if (round % 2) {
        const item = await claim(two, account.id, made);
        await Promise.all([complete(two, item), cancel()]);
      } else await Promise.allSettled([work(), cancel()]);
      const found = await findGeneration(database.app, account.id, made.id);
      const [item] = found?.items ?? [];
      expect(["completed", "canceled"]).toContain(item?.status);
      expect(found?.status).toBe(item?.status);
      expect(item?.refunded).toBe(item?.status === "canceled" ? 1 : 0);
      ends[found?.status === "canceled" ? "canceled" : "completed"]++;
    }
    expect(ends.completed).toBeGreaterThan(10);
    expect(ends.canceled).toBeGreaterThan(10);
    const balance = await findBalance(database.app, account.id);
    expect(balance).toMatchObject({ available: 203 - ends.completed, held: 0 });
  });

  it("pays back once when support, with one key or two, asks ten times at once", async () => {
    const account = await makeAccount(database.app, 10);
    const made = await makeGeneration(database.app, account.id, { labels: ["a", "b", "c"] });
    for (const position of [0, 1, 2]) {
      await complete(database.worker, await claim(database.worker, account.id, made, { position }));
    }
    const sessions = await appSessions(5);
    const keys = [makeKey(), makeKey()];
    const results = await Promise.all(
      atOnce(sessions, 10, (db, i) =>
        refundGeneration(db, account.id, {
          ...(keys[i % 2] ?? makeKey()),
          id: made.id,
          reason: "blurred",
          audit,
        }),
      ),
    );
    expect(results.filter((result) => !result.replayed && result.credits === 3)).toHaveLength(1);
    expect(results.filter((result) => result.replayed)).toHaveLength(8);
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 13, held: 0 });
    const refunds = await listEntries(database.app, account.id, { type: "refund", limit: 10 });
    expect(refunds).toHaveLength(3);
  });

  it("takes and returns quotas before it locks the account, as a create does", async () => {
    const account = await makeAccount(database.app, 10);
    const [creating, failing] = (await openSessions(database.url, "ducat_worker", 2)) as [Db, Db];
    const quota = (feature: string) => ({ feature, amount: 1, limit: null, ...period });
    const made = await makeGeneration(database.app, account.id, { usage: [quota("a")] });
    const item = await claim(database.worker, account.id, made);
    await makeGeneration(database.app, account.id, { usage: [quota("b")] });
    const holder = await database.admin.reserve();
    await holder`BEGIN`;
    await holder`SELECT FROM ducat.usage_counters WHERE feature = 'b' FOR UPDATE`;
    // It has taken a, waits for b and wants the account next.
    const usage = [quota("b"), quota("a")];
    const created = makeGeneration(creating, account.id, { usage });
    await waitForLocks(database.admin, 1);
    const failed = fail(failing, item);
    await waitForLocks(database.admin, 2);
    await holder`ROLLBACK`;
    holder.release();
    expect(await countOutcomes([created, failed])).toEqual({ ok: 2 });
  });

  it("takes and returns several quotas in one order", async () => {
    const account = await makeAccount(database.app, 200);
    const sessions = await openSessions(database.url, "ducat_worker", 10);
    const features = ["a", "b", "c"].map((feature) => ({
      feature,
      amount: 1,
      limit: null,
      ...period,
    }));
    const outcomes = await countOutcomes(
      atOnce(sessions, 60, async (db, i) => {
        const usage = i % 2 ? features : features.toReversed();
        const made = await makeGeneration(db, account.id, { usage, labels: ["x", "y"] });
        await fail(db, await claim(db, account.id, made, { position: i % 2 }));
        await cancelGeneration(db, account.id, made.id);
      }),
    );
    expect(outcomes).toEqual({ ok: 60 });
    const counters = await database.admin`
      SELECT DISTINCT used FROM ducat.usage_counters WHERE account_id = ${account.id}`;
    expect(counters).toEqual([{ used: 0 }]);
  });
});
