import { afterAll, beforeAll, it } from "vitest";
import { checkRollups } from "../test/check-rollups.ts";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

const seeds = Array.from({ length: 50 }, (_, at) => 101 + at);
it.each(seeds)("use and statistics are a fold over the raw rows of seed %i", async (seed) => {
  await checkRollups(database, seed);
});
