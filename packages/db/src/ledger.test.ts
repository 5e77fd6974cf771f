import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { ledgerCommands, type Real } from "../test/ledger-commands.ts";
import { makeModel } from "../test/ledger-model.ts";

const long = process.env.DUCAT_TEST_LONG === "1";
let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

describe("the ledger", () => {
  it("agrees with a pure model after every step of any history", { timeout: 600_000 }, async () => {
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.commands(ledgerCommands, { maxCommands: 60, size: "max" }),
        async (commands) => {
          const account = await makeAccount(database.app);
          const real: Real = {
            database,
            accountId: account.id,
            startedAt: account.created_at,
            grants: new Map(),
            holds: new Map(),
            generations: [],
          };
          await fc.asyncModelRun(() => ({ model: makeModel(3), real }), commands);
          steps += [...commands].length;
          await assertInvariants(database.admin);
        },
      ),
      long ? { numRuns: 2000 } : { numRuns: 40, seed: 20261120 },
    );
    expect(steps).toBeGreaterThan(500);
  });
});
