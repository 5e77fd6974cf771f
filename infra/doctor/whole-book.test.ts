import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allAccounts, invariants } from "../../packages/db/src/invariants.ts";
import { cloneDatabase, type TestDatabase } from "../../packages/db/test/clone.ts";
import { accountChecks } from "./account-checks.ts";
import { findRange } from "./account-range.ts";
import { createSnapshot } from "./check.ts";
import { fillBeside, fillBook } from "./test/book.ts";
import { lookAtBook } from "./test/look-at-book.ts";
import { findWideReads } from "./test/read-plans.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
  await fillBook(database.admin, { accounts: 1_000, lines: 100 });
});
afterAll(() => database?.close());

describe("a clean book of 100,000 entries", () => {
  it("has nothing wrong, which is known in seconds", async () => {
    const report = await lookAtBook(database);
    expect(report).toMatchObject({ ok: true, findings: [], skipped: [], accounts: 1_000 });
    // A limit, not an expectation: a machine may be busy.
    expect(report.seconds).toBeLessThan(20);
  });

  it("is read by the keys of the accounts that are looked at, never whole", async () => {
    await fillBeside(database.admin);
    const snapshot = createSnapshot({ db: database.admin, role: "ducat_owner" });
    const { to: from } = await snapshot(1_000, (tx) => findRange(tx, allAccounts.from, 500));
    const range = await snapshot(1_000, (tx) => findRange(tx, from, 50));
    const wide: string[] = [];
    for (const check of [...invariants, ...accountChecks]) {
      wide.push(...(await findWideReads(snapshot, check, range)));
    }
    expect(wide).toEqual([]);
  });
});
