import fc from "fast-check";
import { it } from "vitest";
import { histories, liveThrough, makePacks } from "../test/reversal-histories.ts";
import { useDatabase } from "../test/use-database.ts";

const database = useDatabase();

it("2,000 histories of refunds and disputes end as a pure model says", async () => {
  const prices = await makePacks(database);
  const ends = fc.asyncProperty(histories, (history) => liveThrough(database, prices, history));
  await fc.assert(ends, { numRuns: 2000 });
}, 1_200_000);
