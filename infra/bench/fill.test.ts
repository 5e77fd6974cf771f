import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../packages/db/test/clone.ts";
import { assertInvariants } from "../../packages/db/test/invariants.ts";
import { spend } from "./bare.ts";
import { create } from "./create-generation.ts";
import { fillDatabase, makeBareTables } from "./fill.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
  await fillDatabase(database.admin, { accounts: 20, rounds: 3 });
  await makeBareTables(database.admin);
});
afterAll(() => database.close());

describe("a filled ledger", () => {
  it("keeps every invariant, also after the work that is measured", async () => {
    const { admin, app } = database;
    await assertInvariants(admin);
    const [account] = await admin<{ account_id: string }[]>`
      SELECT account_id FROM ducat.credit_accounts LIMIT 1`;
    const id = account?.account_id ?? "";
    const { balance_after } = await create(app, id);
    const [bare] = await spend(app, id);
    // A billion, three rounds and this one; the bare account starts where the real one was.
    expect([balance_after, bare?.balance]).toEqual([999_999_996, 999_999_996]);
    await assertInvariants(admin);
  });
});
