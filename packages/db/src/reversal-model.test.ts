import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { histories, liveThrough, makePacks } from "../test/reversal-histories.ts";
import { useDatabase } from "../test/use-database.ts";

const database = useDatabase();

describe("refunds and disputes", () => {
  it("end as a pure model says, whatever was told in which order", {
    timeout: 600_000,
  }, async () => {
    const prices = await makePacks(database);
    let told = 0;
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        await liveThrough(database, prices, history);
        told += history.words.length;
      }),
      { numRuns: 200, seed: 20261120 },
    );
    expect(told).toBeGreaterThan(200);
  });
});
