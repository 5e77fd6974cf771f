import { expect, test } from "vitest";
import { createDecodeGate } from "./decode-gate.ts";

/** Work that runs until it is let go, and tells how many run with how much memory. */
function makeWork(limits: { slots: number; budget: number; maxWaiting: number }) {
  const pass = createDecodeGate(limits);
  const running: { cost: number; finish: () => void }[] = [];
  const start = (cost: number) =>
    pass(cost, () => new Promise<void>((finish) => running.push({ cost, finish })));
  return { start, running, costs: () => running.map(({ cost }) => cost) };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("no more run at once than there are slots, in the order they came", async () => {
  const { start, running, costs } = makeWork({ slots: 2, budget: 100, maxWaiting: 10 });
  const all = [1, 2, 3, 4].map(start);
  await settle();
  expect(costs()).toEqual([1, 2]);
  while (running.length > 0) {
    running.shift()?.finish();
    await settle();
    expect(running.length).toBeLessThanOrEqual(2);
  }
  await Promise.all(all);
});

test("what would go over the budget waits, also when a slot is free", async () => {
  const { start, running, costs } = makeWork({ slots: 3, budget: 100, maxWaiting: 10 });
  const all = [80, 30, 10].map(start);
  await settle();
  expect(costs()).toEqual([80]);
  running.shift()?.finish();
  await settle();
  expect(costs()).toEqual([30, 10]);
  for (const { finish } of running) finish();
  await Promise.all(all);
});

test("work that fails gives its place back", async () => {
  const pass = createDecodeGate({ slots: 1, budget: 100, maxWaiting: 10 });
  const broken = () => Promise.reject(new Error("broken"));
  await expect(pass(100, broken)).rejects.toThrow("broken");
  await expect(pass(100, async () => "fine")).resolves.toBe("fine");
});

test("when too many wait the next is turned away at once", async () => {
  const { start, running } = makeWork({ slots: 1, budget: 100, maxWaiting: 2 });
  const all = [1, 2, 3].map(start);
  await expect(start(4)).rejects.toMatchObject({ code: "unavailable" });
  while (running.length > 0) {
    running.shift()?.finish();
    await settle();
  }
  await Promise.all(all);
});
