import { afterAll, beforeAll, expect, it } from "vitest";
import { checkRollups } from "../test/check-rollups.ts";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { readPercentile, responseBounds } from "./response-times.ts";

// Not useDatabase: its invariants are of books that add up, and these rows are drawn.
let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

// statistics.long.test.ts has fifty more.
it.each([1, 2, 3])("use and statistics are a fold over the raw rows of seed %i", async (seed) => {
  await checkRollups(database, seed);
});

it("classes of response times have the same bounds in SQL", async () => {
  const [row] = await database.admin`SELECT ducat.response_bounds() AS bounds`;
  expect(row?.bounds).toEqual(responseBounds);
});

it("tells percentiles from classes, never beyond the longest", () => {
  const count = (at: Record<number, number>) =>
    Array.from({ length: responseBounds.length + 1 }, (_, n) => at[n] ?? 0);
  expect(readPercentile(count({}), 0, 0.5)).toBeNull();
  expect(readPercentile(count({ 3: 10 }), 1_000, 0.5)).toBe(750);
  expect(readPercentile(count({ 0: 1 }), 40, 0.95)).toBe(40);
  expect(readPercentile(count({ 1: 95, 15: 5 }), 400_000, 0.95)).toBe(250);
  expect(readPercentile(count({ 1: 95, 15: 5 }), 400_000, 0.99)).toBe(380_000);
});
