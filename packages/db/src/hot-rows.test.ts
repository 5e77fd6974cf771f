import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { claim, complete } from "../test/work.ts";
import { consumeCredits } from "./credits.ts";

let database: TestDatabase;
let admin: TestDatabase["admin"];
beforeAll(async () => {
  database = await cloneDatabase();
  admin = database.admin;
});
afterAll(() => database.close());
afterEach(() => assertInvariants(database.admin));

const hot = [
  ...["credit_accounts", "credit_entries", "credit_grants", "credit_holds"],
  ...["generation_items", "generations", "usage_counters"],
];

/** Sessions report their counts when they are idle, some time later: ask until all are there. */
async function countUpdates(table: string, least: number): Promise<{ all: number; hot: number }> {
  const read = async () => {
    await admin`SELECT pg_stat_clear_snapshot()`;
    const [row] = await admin<{ all: number; hot: number }[]>`
      SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
      WHERE schemaname = 'ducat' AND relname = ${table}`;
    return row ?? { all: 0, hot: 0 };
  };
  const flush = () => Promise.all([flushOf(database.app), flushOf(database.worker)]);
  await expect
    .poll(() => flush().then(read), { timeout: 10_000 })
    .toSatisfy(({ all }) => all >= least);
  return read();
}

const flushOf = (db: TestDatabase["app"]) =>
  Promise.all(Array.from({ length: 10 }, () => db`SELECT pg_stat_force_next_flush()`));

describe("the hot rows", () => {
  it("stay on their pages: over 95 % of a thousand spends are HOT updates", async () => {
    const accounts = await Promise.all([1, 2, 3, 4].map(() => makeAccount(database.app, 6000)));
    const spend = async (i: number) => {
      const { id } = accounts[i % 4] ?? { id: "" };
      if (i % 2) return consumeCredits(database.app, id, { ...makeKey(), amount: 1 });
      const made = await makeGeneration(database.app, id);
      return complete(database.worker, await claim(database.worker, id, made));
    };
    let accountRows = { all: 0, hot: 0 };
    let grants = { all: 0, hot: 0 };
    const shareOf = async () => {
      const before = [accountRows, grants];
      for (let i = 0; i < 1000; i += 20) {
        await Promise.all(Array.from({ length: 20 }, (_, n) => spend(i + n)));
      }
      accountRows = await countUpdates("credit_accounts", accountRows.all + 2000);
      grants = await countUpdates("credit_grants", grants.all + 500);
      const shares = [accountRows, grants].map(
        ({ all, hot }, n) => (hot - (before[n]?.hot ?? 0)) / (all - (before[n]?.all ?? 0)),
      );
      return Math.min(...shares);
    };
    // What runs in other databases of the server may keep versions of rows alive for a while.
    const shares: number[] = [];
    while (shares.length < 3 && !shares.some((share) => share > 0.95)) {
      shares.push(await shareOf());
    }
    expect(Math.max(...shares)).toBeGreaterThan(0.95);
  });

  it("have no index on a balance, neither as a column nor in a condition", async () => {
    const definitions = await admin<{ text: string }[]>`
      SELECT pg_get_indexdef(indexrelid) AS text FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'ducat'::regnamespace`;
    const balances = /\b(available|remaining|held|head_remaining|trial|bound|debt|used|seq)\b/;
    const faults = definitions
      .map(({ text }) => text)
      // An event's number is no balance: it is written once.
      .filter((text) => balances.test(text.replace(/ON ducat\.outbox .*/, "")))
      .filter((text) => !text.includes("credit_entries_pkey"));
    expect(definitions.length).toBeGreaterThan(20);
    expect(faults).toEqual([]);
  });

  it("have no foreign key, and no trigger but the one that keeps the ledger as it is", async () => {
    const keys = await admin`
      SELECT conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      WHERE k.contype = 'f' AND c.relnamespace = 'ducat'::regnamespace
        AND c.relname = ANY (${hot})`;
    expect(keys).toEqual([]);
    const triggers = await admin`
      SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relname = ANY (${hot})`;
    expect(triggers).toEqual([{ relname: "credit_entries", tgname: "append_only" }]);
  });

  it("leave room on their pages, and begin their key with the account", async () => {
    const tables = await admin<{ name: string; key: string; options: string[] | null }[]>`
      SELECT c.relname AS name, pg_get_constraintdef(k.oid) AS key, c.reloptions AS options
      FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relname = ANY (${hot}) ORDER BY 1`;
    expect(tables.map(({ name }) => name)).toEqual(hot);
    expect(tables.filter(({ key }) => !key.startsWith("PRIMARY KEY (account_id"))).toEqual([]);
    const updated = tables.filter(({ name }) => !["credit_entries", "credit_holds"].includes(name));
    expect(updated.filter(({ options }) => !options?.includes("fillfactor=80"))).toEqual([]);
  });
});
