import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { createSpendCap } from "./spend-cap.ts";

const database = useDatabase();
const log = { info() {}, warn() {}, error() {} };
const newName = () => `p${randomUUID().slice(0, 8)}`;
const createCap = (provider: string, capMicros: number, holdMs = 60_000) =>
  createSpendCap({ db: database.worker, log, holdMs, retryMs: 0 }, { provider, capMicros });
const read = async (provider: string) => {
  const [row] = await database.admin`
    SELECT taken_micros::int AS taken, spent_micros::int AS spent
    FROM ducat.provider_budgets WHERE provider = ${provider}`;
  return row;
};

it("spends a cap to its end by several workers, and never beyond it", async () => {
  const provider = newName();
  const workers = Array.from({ length: 4 }, () => createCap(provider, 10_000));
  let done = 0;
  const work = async (cap: (typeof workers)[number]) => {
    for (;;) {
      const reserved = await cap.reserve(30);
      if (!reserved) return;
      done += 1;
      reserved.settle(30);
    }
  };
  await Promise.all(workers.flatMap((cap) => [work(cap), work(cap), work(cap)]));
  await Promise.all(workers.map((cap) => cap.flush(true)));
  const spent = done * 30;
  expect(await read(provider)).toEqual({ taken: spent, spent });
  expect(spent).toBeLessThanOrEqual(10_000);
  // Slices shrink down to one item's, so little of it is left lying about.
  expect(spent).toBeGreaterThan(9_800);
});

it("uses what items did not need for the next ones, without asking for more", async () => {
  const provider = newName();
  const cap = createCap(provider, 16_000);
  for (let count = 0; count < 90; count += 1) (await cap.reserve(100))?.settle(10);
  expect(await read(provider)).toEqual({ taken: 1_000, spent: 0 });
  await cap.flush();
  expect(await read(provider)).toEqual({ taken: 1_000, spent: 900 });
  await cap.flush(true);
  expect(await read(provider)).toEqual({ taken: 900, spent: 900 });
});

it("counts what cost more than was set aside, and asks for nothing beyond the cap", async () => {
  const provider = newName();
  const cap = createCap(provider, 1_000);
  const reserved = await cap.reserve(100);
  reserved?.settle(950);
  reserved?.settle(950);
  await cap.flush(true);
  expect(await read(provider)).toEqual({ taken: 950, spent: 950 });
  expect(await cap.reserve(51)).toBeUndefined();
  expect(await cap.reserve(50)).toBeDefined();
});

it("gives back what it holds before it says that nothing is left", async () => {
  const provider = newName();
  const cap = createCap(provider, 1_000);
  const reserved = await cap.reserve(900);
  expect(await cap.reserve(200)).toBeUndefined();
  reserved?.settle(100);
  expect(await cap.reserve(900)).toBeDefined();
});

it("gives a slice back when its time is over, for others to spend", async () => {
  const provider = newName();
  const cap = createCap(provider, 1_600, 1);
  const reserved = await cap.reserve(10);
  await cap.flush(true);
  expect(await read(provider)).toEqual({ taken: 10, spent: 0 });
  reserved?.settle(4);
  await cap.flush();
  expect(await read(provider)).toEqual({ taken: 4, spent: 4 });
});

it("leaves what a killed worker held as taken: too little is spent, never too much", async () => {
  const provider = newName();
  await createCap(provider, 1_600).reserve(10);
  const other = createCap(provider, 1_600);
  let left = 0;
  for (let one = await other.reserve(1); one; one = await other.reserve(1)) {
    left += 1;
    one.settle(1);
  }
  expect(left).toBe(1_500);
});
