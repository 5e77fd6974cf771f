import { afterAll, beforeAll, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { readInterleaved } from "../test/interleave.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

it("withAccount never shows a row of another account in 10,000 interleaved reads", async () => {
  const { leaks, seen } = await readInterleaved(database, 10_000);
  expect(leaks).toEqual([]);
  expect(seen).toBeGreaterThan(5_000);
}, 120_000);
