import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import type { Db } from "./connect.ts";
import { findBalance } from "./credits.ts";
import { findGeneration } from "./generations.ts";
import { claimItem, endDueItem, sweepItems } from "./items.ts";

const database = useDatabase();

const workers = (count: number) => openSessions(database.url, "ducat_worker", count);

describe("a claim", () => {
  it("is one worker's, of however many that race for it", async () => {
    const account = await makeAccount(database.app, 20);
    const sessions = await workers(6);
    for (let round = 0; round < 20; round++) {
      const made = await makeGeneration(database.app, account.id);
      const item = { accountId: account.id, generationId: made.id, attempt: 0 };
      const claims = await Promise.all(
        sessions.map((db) => claimItem(db, { ...item, itemId: made.item_ids[0] ?? "" }, 60)),
      );
      const won = claims.filter((claimed) => claimed !== undefined);
      expect(won).toMatchObject([{ attempt: 1 }]);
    }
  });

  it("of a lapsed lease is one worker's too, and the first one's writes are void", async () => {
    const account = await makeAccount(database.app, 20);
    const sessions = await workers(5);
    for (let round = 0; round < 10; round++) {
      const made = await makeGeneration(database.app, account.id);
      const zombie = await claim(database.worker, account.id, made, { leaseSeconds: 0 });
      const item = { accountId: account.id, generationId: made.id, attempt: 1 };
      const [claims, late] = await Promise.all([
        Promise.all(
          sessions.map((db) => claimItem(db, { ...item, itemId: made.item_ids[0] ?? "" }, 60)),
        ),
        complete(database.worker, zombie),
      ]);
      const won = claims.filter((claimed) => claimed !== undefined);
      // Either the zombie was just in time, or exactly one other worker owns the item.
      expect(won).toHaveLength(late === "completed" ? 0 : 1);
      for (const owner of won) expect(await complete(database.worker, owner)).toBe("completed");
      expect(await complete(database.worker, zombie)).toBe(
        late === "completed" ? "completed" : undefined,
      );
    }
  });
});

describe("the items of one generation", () => {
  it("can end all at once, and the last one ends it", async () => {
    const account = await makeAccount(database.app, 100);
    const sessions = await workers(8);
    const labels = Array.from({ length: 8 }, (_, i) => `area ${i}`);
    for (let round = 0; round < 8; round++) {
      const made = await makeGeneration(database.app, account.id, { labels });
      const claimed = await Promise.all(
        sessions.map((db, position) => claim(db, account.id, made, { position })),
      );
      await Promise.all(
        sessions.map((db, i) => {
          const item = claimed[i];
          if (!item) throw new Error("not claimed");
          return i % 3 === 0 ? fail(db, item) : complete(db, item);
        }),
      );
      const found = await findGeneration(database.app, account.id, made.id);
      expect(found).toMatchObject({ status: "completed", failed_items: 3, refunded: 3 });
    }
    expect(await findBalance(database.app, account.id)).toMatchObject({
      available: 103 - 8 * 5,
      held: 0,
    });
  });
});

describe("sweepers", () => {
  it("of four processes find each due item once", async () => {
    const accounts = await Promise.all(
      Array.from({ length: 4 }, () => makeAccount(database.app, 30)),
    );
    const made = await Promise.all(
      accounts.flatMap(({ id }) =>
        Array.from({ length: 5 }, () =>
          makeGeneration(database.app, id, { labels: ["a", "b", "c", "d", "e"] }),
        ),
      ),
    );
    const expected = made.flatMap((one) => one.item_ids).sort();
    await database.admin`
      UPDATE ducat.generation_items SET due_at = clock_timestamp() - interval '1 second'
      WHERE status = 'pending' AND id = ANY (${expected}::uuid[])`;
    const found: string[] = [];
    const sweep = async (db: Db) => {
      for (;;) {
        const due = await sweepItems(db, { limit: 7 });
        if (due.length === 0) return;
        found.push(...due.map((item) => item.itemId));
      }
    };
    await Promise.all((await workers(4)).map(sweep));
    expect(found.sort()).toEqual(expected);
  });

  it("end an item once, however many of them found it", async () => {
    const account = await makeAccount(database.app);
    const made = await makeGeneration(database.app, account.id, { labels: ["a", "b"] });
    await database.admin`
      UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '61 seconds'
      WHERE id = ${made.id}`;
    const item = { accountId: account.id, generationId: made.id };
    const reasons = await Promise.all(
      (await workers(6)).flatMap((db) =>
        made.item_ids.map((itemId) => endDueItem(db, { ...item, itemId })),
      ),
    );
    expect(reasons.filter((reason) => reason === "deadline_exceeded")).toHaveLength(2);
    expect(reasons.filter((reason) => reason !== undefined)).toHaveLength(2);
    expect(await findBalance(database.app, account.id)).toMatchObject({ available: 3, held: 0 });
  });

  it("and a result that comes in the grace: one of them decides", async () => {
    const account = await makeAccount(database.app, 40);
    const [one, two] = (await workers(2)) as [Db, Db];
    for (let round = 0; round < 30; round++) {
      const made = await makeGeneration(database.app, account.id);
      const claimed = await claim(one, account.id, made);
      await database.admin`
        UPDATE ducat.generations SET deadline_at = clock_timestamp() - interval '60 seconds'
        WHERE id = ${made.id}`;
      const item = { accountId: account.id, generationId: made.id, itemId: claimed.item_id };
      const [result, ended] = await Promise.all([complete(one, claimed), endDueItem(two, item)]);
      const outcomes = [result, ended].filter((outcome) => outcome !== undefined);
      expect(outcomes).toHaveLength(1);
    }
    expect(await findBalance(database.app, account.id)).toMatchObject({ held: 0 });
  });
});
