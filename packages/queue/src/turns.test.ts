import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { describeBackends, findServer, type Place, type Server } from "../test/backends.ts";
import type { NewJob } from "./queue.ts";
import { createBursts, findTurn, LAST_TURN } from "./turns.ts";

const minute = 60_000;

it("lets the first of an account go before the second row of what was added lately", () => {
  const now = Date.UTC(2026, 10, 21, 12, 1);
  expect(findTurn(0, now)).toBeLessThan(findTurn(1, now));
  expect(findTurn(0, now + 2 * minute)).toBeLessThan(findTurn(1, now));
  // … but not for ever: the hundredth row goes before whatever comes hours later.
  expect(findTurn(99, now)).toBeLessThan(findTurn(0, now + 600 * minute));
});

it("has turns for twenty years, and one line then", () => {
  expect(findTurn(0, Date.UTC(2025, 0, 1))).toBe(1);
  expect(findTurn(10_000, Date.UTC(2045, 0, 1))).toBeLessThan(LAST_TURN);
  expect(findTurn(0, Date.UTC(2100, 0, 1))).toBe(LAST_TURN);
});

it("puts an account back one place for each twenty requests of a minute", () => {
  let now = 0;
  const findBurst = createBursts(() => now);
  const places = Array.from({ length: 45 }, () => findBurst("busy"));
  expect(places).toEqual([...Array(20).fill(0), ...Array(20).fill(1), ...Array(5).fill(2)]);
  expect(findBurst("other")).toBe(0);
  now = minute;
  expect(findBurst("busy")).toBe(0);
});

describeBackends("turns", (kind) => {
  const concurrency = 4;
  let server: Server;
  let place: Place;
  beforeAll(() => {
    server = findServer(kind);
  });
  beforeEach(async () => {
    place = await server.openPlace();
  });
  afterEach(() => place.close());
  afterAll(() => server.close());

  const makeJob = (accountId: string, turn: number): NewJob<"run-item"> => {
    const itemId = randomUUID();
    const data = { accountId, generationId: randomUUID(), itemId, attempt: 0 };
    return { id: `${itemId}-0`, data, turn };
  };
  const makeBatch = (accountId: string, rows: number) =>
    Array.from({ length: rows }, (_, ahead) => makeJob(accountId, findTurn(ahead)));

  /** Works with `concurrency`; each job ends when the next `turnOver` says so. */
  const startWork = () => {
    const started: string[] = [];
    let waiting: (() => void)[] = [];
    let isOpen = false;
    const queue = place.connect();
    const work = queue.work(
      "run-item",
      async ({ accountId }) => {
        started.push(accountId);
        if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve));
      },
      { concurrency },
    );
    const letEnd = () => {
      for (const end of waiting.splice(0)) end();
    };
    return {
      started,
      untilBusy: () => vi.waitFor(() => expect(waiting).toHaveLength(concurrency), 10_000),
      letEnd,
      open() {
        isOpen = true;
        letEnd();
      },
      close: () => {
        isOpen = true;
        letEnd();
        waiting = [];
        return work.close({ graceMs: 5_000 });
      },
    };
  };

  it("starts another account's item within two rounds of a batch of 2,000", async () => {
    const queue = place.connect();
    const [batch, single] = [randomUUID(), randomUUID()];
    await queue.add("run-item", makeBatch(batch, 2_000));
    const work = startWork();
    await work.untilBusy();
    const before = work.started.length;
    await queue.add("run-item", [makeJob(single, findTurn())]);
    work.letEnd();
    await vi.waitFor(() => expect(work.started).toContain(single), 10_000);
    const between = work.started.indexOf(single) - before;
    expect(between).toBeLessThanOrEqual(2 * concurrency);
    await work.close();
  });

  it("lets two batches take turns, and both take turns with many single requests", async () => {
    const queue = place.connect();
    const findBurst = createBursts();
    const [first, second, many] = [randomUUID(), randomUUID(), randomUUID()];
    await queue.add("run-item", makeBatch(first, 40));
    await queue.add("run-item", makeBatch(second, 40));
    const singles = Array.from({ length: 200 }, () => makeJob(many, findTurn(findBurst(many))));
    await queue.add("run-item", singles);
    const work = startWork();
    work.open();
    await vi.waitFor(() => expect(work.started).toHaveLength(280), 20_000);
    await work.close();
    const batches = work.started.filter((account) => account !== many);
    // Four at a time may pass each other; in a line there would be runs of forty.
    expect(longestRun(batches)).toBeLessThanOrEqual(2 + concurrency);
    expect(longestRun(work.started.slice(0, 200))).toBeLessThanOrEqual(20 + concurrency);
  });

  it("counts those that wait for their turn, and how long the next one has waited", async () => {
    const queue = place.connect();
    expect(await queue.oldestWaitingMs("run-item")).toBeUndefined();
    await queue.add("run-item", makeBatch(randomUUID(), 3));
    expect(await queue.counts("run-item")).toMatchObject({ waiting: 3, delayed: 0 });
    expect(await queue.oldestWaitingMs("run-item")).toBeGreaterThanOrEqual(0);
    await queue.add("run-item", [makeJob(randomUUID(), 0)]);
    expect(await queue.counts("run-item")).toMatchObject({ waiting: 4 });
  });

  it("refuses a turn that BullMQ would refuse later", async () => {
    const queue = place.connect();
    for (const turn of [-1, 0.5, LAST_TURN + 1, Number.NaN]) {
      await expect(queue.add("run-item", [makeJob(randomUUID(), turn)])).rejects.toThrow(/turn/);
    }
  });
});

function longestRun(names: string[]): number {
  let [longest, run] = [0, 0];
  for (const [index, name] of names.entries()) {
    run = name === names[index - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  return longest;
}
