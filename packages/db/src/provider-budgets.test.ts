import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { useDatabase } from "../test/use-database.ts";
import { returnProviderBudget, takeProviderBudget } from "./provider-budgets.ts";

const database = useDatabase();
const newName = () => `p${randomUUID().slice(0, 8)}`;
const take = (name: string, cap: number, least: number) =>
  takeProviderBudget(database.worker, name, { cap, least, holdSeconds: 60 });
const read = async (name: string) => {
  const [row] = await database.admin`
    SELECT sum(taken_micros)::int AS taken, sum(spent_micros)::int AS spent
    FROM ducat.provider_budgets WHERE provider = ${name}`;
  return row;
};

it("gives slices that shrink with what is left, down to what one item may cost", async () => {
  const name = newName();
  const first = await take(name, 1_600, 10);
  expect(first).toMatchObject({ granted: 100 });
  expect(first.day).toBe(new Date().toISOString().slice(0, 10));
  expect(first.holdSeconds).toBeGreaterThan(0);
  expect(first.holdSeconds).toBeLessThanOrEqual(60);
  expect(await take(name, 1_600, 10)).toMatchObject({ granted: 93 });
  expect(await take(name, 1_600, 1_400)).toMatchObject({ granted: 1_400 });
  expect(await take(name, 1_600, 8)).toMatchObject({ granted: 0 });
  expect(await take(name, 1_600, 7)).toMatchObject({ granted: 7 });
  expect(await take(name, 1_600, 0)).toMatchObject({ granted: 0 });
});

it("never gives more than the cap to workers that ask at the same time", async () => {
  const name = newName();
  const slices = await Promise.all(Array.from({ length: 60 }, () => take(name, 1_000, 30)));
  const granted = slices.reduce((sum, one) => sum + one.granted, 0);
  expect(granted).toBeGreaterThan(970);
  expect(granted).toBeLessThanOrEqual(1_000);
  expect(await read(name)).toEqual({ taken: granted, spent: 0 });
});

it("takes back what was not needed, and counts what was spent beyond a slice", async () => {
  const name = newName();
  const { day, granted } = await take(name, 160, 10);
  expect(granted).toBe(10);
  await returnProviderBudget(database.worker, name, { day, granted, spent: 4 });
  expect(await read(name)).toEqual({ taken: 4, spent: 4 });
  await returnProviderBudget(database.worker, name, { day, granted: 0, spent: 150 });
  expect(await read(name)).toEqual({ taken: 154, spent: 154 });
  expect(await take(name, 160, 10)).toMatchObject({ granted: 0 });
  // What is given back twice leaves no less than what was spent.
  await returnProviderBudget(database.worker, name, { day, granted: 1_000, spent: 0 });
  expect(await read(name)).toEqual({ taken: 154, spent: 154 });
});

it("follows a cap that was changed, either way", async () => {
  const name = newName();
  await take(name, 1_600, 100);
  expect(await take(name, 120, 30)).toMatchObject({ granted: 0 });
  expect(await take(name, 50, 1)).toMatchObject({ granted: 0 });
  expect(await take(name, 3_300, 1)).toMatchObject({ granted: 200 });
});

it("forgets days that are long over, when a new one begins", async () => {
  const name = newName();
  await database.admin`INSERT INTO ducat.provider_budgets (provider, day)
    VALUES (${name}, current_date - 402), (${name}, current_date - 300)`;
  await take(name, 1_600, 10);
  const [row] = await database.admin`
    SELECT count(*)::int AS days FROM ducat.provider_budgets WHERE provider = ${name}`;
  expect(row).toEqual({ days: 2 });
});

it("refuses amounts that make no sense", async () => {
  for (const [cap, least] of [
    [0, 1],
    [10, -1],
    [1e13, 1],
  ] as const) {
    await expect(take(newName(), cap, least)).rejects.toMatchObject({ code: "validation_failed" });
  }
  const slice = { day: "2026-01-01", granted: -1, spent: 0 };
  await expect(returnProviderBudget(database.worker, newName(), slice)).rejects.toMatchObject({
    code: "validation_failed",
  });
});

it("is for workers: the API takes nothing", async () => {
  const want = { cap: 100, least: 1, holdSeconds: 60 };
  await expect(takeProviderBudget(database.app, newName(), want)).rejects.toThrow(/denied/);
  await expect(database.app`SELECT * FROM ducat.provider_budgets`).rejects.toThrow(/denied/);
});
