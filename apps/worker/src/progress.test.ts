import { randomUUID } from "node:crypto";
import type { Db } from "@ducat/db/connect";
import type { Signal } from "@ducat/events/bus";
import { expect, it, onTestFinished } from "vitest";
import { useDatabase } from "../../../packages/db/test/use-database.ts";
import { eventually } from "../test/stage.ts";
import { createProgress, type ProgressDeps } from "./progress.ts";

const database = useDatabase();

/** What nobody checks against the items: ids of the test's own are enough. */
const makeItem = (attempt = 1) => ({
  account_id: randomUUID(),
  generation_id: randomUUID(),
  item_id: randomUUID(),
  attempt,
});

function open(more: Partial<ProgressDeps> = {}) {
  const told: Signal[] = [];
  const warnings: string[] = [];
  const progress = createProgress({
    db: database.worker,
    bus: { publish: (signal) => void told.push(signal) },
    log: { warn: (_: unknown, message?: string) => void warnings.push(String(message)) },
    everyMs: 30,
    restMs: 30,
    ...more,
  });
  onTestFinished(() => progress.close());
  return { progress, told, warnings };
}

type Written = { attempt: number; fraction: number | null; text: string };

async function read({ item_id }: { item_id: string }): Promise<Written | undefined> {
  const [row] = await database.admin<Written[]>`
    SELECT attempt, fraction, text FROM ducat.item_progress WHERE item_id = ${item_id}`;
  return row;
}

/** The database, counting the writes that go through it. */
function count(): { db: Db; calls: () => number } {
  let calls = 0;
  const db = new Proxy(database.worker, {
    apply(target, self, args) {
      if (String(args[0]).includes("save_progress")) calls += 1;
      return Reflect.apply(target, self, args);
    },
  });
  return { db, calls: () => calls };
}

it("writes what was said last, and wakes who watches the item", async () => {
  const { progress, told } = open();
  const item = makeItem();
  const { report } = progress.follow(item);
  report({ fraction: 0.25 });
  report({ text: "Once" });
  report({ fraction: 0.5, text: "Once upon" });
  await eventually(async () =>
    expect(await read(item)).toEqual({ attempt: 1, fraction: 0.5, text: "Once upon" }),
  );
  const { account_id: accountId, generation_id: generationId } = item;
  expect(told).toEqual([{ accountId, generationId }]);
});

it("makes few writes of many words, those of all items together", async () => {
  const { db, calls } = count();
  const { progress } = open({ db, everyMs: 100 });
  const items = Array.from({ length: 40 }, () => makeItem());
  const reportings = items.map((item) => progress.follow(item));
  const words = Array.from({ length: 300 }, (_, at) => `word${at}`);
  const startedAt = performance.now();
  for (let at = 1; at <= words.length; at++) {
    const text = words.slice(0, at).join(" ");
    for (const { report } of reportings) report({ text });
    if (at % 30 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(async () => {
    for (const item of items) expect((await read(item))?.text).toBe(words.join(" "));
  });
  const most = 2 + (performance.now() - startedAt) / 100;
  expect(calls()).toBeLessThanOrEqual(most);
});

it("hears nothing after the end of an attempt, and nothing late of an older one", async () => {
  const { progress, told } = open();
  const item = makeItem();
  const first = progress.follow(item);
  first.report({ text: "the first" });
  await eventually(async () => expect((await read(item))?.text).toBe("the first"));
  first.end();
  first.report({ text: "the first goes on", fraction: 1 });
  const zombie = open().progress.follow(item);
  const second = progress.follow({ ...item, attempt: 2 });
  second.report({ text: "anew" });
  await eventually(async () =>
    expect(await read(item)).toEqual({ attempt: 2, fraction: null, text: "anew" }),
  );
  zombie.report({ text: "the first goes on and on", fraction: 0.9 });
  second.report({ text: "anew, more" });
  await eventually(async () => expect((await read(item))?.text).toBe("anew, more"));
  expect(await read(item)).toEqual({ attempt: 2, fraction: null, text: "anew, more" });
  expect(told.length).toBeGreaterThan(0);
});

it("shows no text that is not the one it has begun to show, whole characters only", async () => {
  const { progress } = open();
  const item = makeItem();
  const { report } = progress.follow(item);
  const shows = (text: string) =>
    eventually(async () => expect((await read(item))?.text).toBe(text));
  report({ text: "  \n" });
  report({ text: "  \nA \ud83d" });
  await shows("A ");
  report({ text: "  \nA \ud83d\ude00\0!" });
  await shows("A 😀!");
  // Another model took over, within the attempt.
  report({ text: "Something else that is longer", fraction: 0.7 });
  await eventually(async () => expect((await read(item))?.fraction).toBeCloseTo(0.7));
  await shows("A 😀!");
  report({ text: `A 😀! ${"x".repeat(200_000)}` });
  await eventually(async () => expect((await read(item))?.text.length).toBe(100_000));
});

it("takes any number, and never lets work become undone", async () => {
  const { progress } = open();
  const item = makeItem();
  const { report } = progress.follow(item);
  for (const fraction of [Number.NaN, -1, 0.5, 0.2, Number.NEGATIVE_INFINITY]) report({ fraction });
  await eventually(async () => expect((await read(item))?.fraction).toBe(0.5));
  report({ fraction: Number.POSITIVE_INFINITY });
  await eventually(async () => expect((await read(item))?.fraction).toBe(1));
});

it("keeps the newest while the database is away, complains once, and goes on", async () => {
  let isAway = true;
  const db = new Proxy(database.worker, {
    apply(target, self, args) {
      if (isAway) return Promise.reject(new Error("away"));
      return Reflect.apply(target, self, args);
    },
  });
  const { progress, warnings, told } = open({ db });
  const item = makeItem();
  const { report } = progress.follow(item);
  let said = "";
  for (let at = 0; at < 5; at++) {
    said += `${at} `;
    report({ text: said });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  expect([warnings.length, told.length]).toEqual([1, 0]);
  isAway = false;
  await eventually(async () => expect((await read(item))?.text).toBe(said));
  expect(told).toHaveLength(1);
});

it("takes nothing once it is closed, and is closed when the last write is done", async () => {
  const { progress } = open();
  const item = makeItem();
  const { report } = progress.follow(item);
  report({ text: "said" });
  await progress.close();
  const before = await read(item);
  report({ text: "said too late" });
  await new Promise((resolve) => setImmediate(resolve));
  expect(await read(item)).toEqual(before);
});
