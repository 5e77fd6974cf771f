import { expect, it } from "vitest";
import { readInterleaved } from "../test/interleave.ts";
import { useDatabase } from "../test/use-database.ts";

const database = useDatabase();

it("withAccount never shows a row of another account in 10,000 interleaved reads", async () => {
  const { leaks, seen } = await readInterleaved(database, 10_000);
  expect(leaks).toEqual([]);
  expect(seen).toBeGreaterThan(5_000);
}, 120_000);
