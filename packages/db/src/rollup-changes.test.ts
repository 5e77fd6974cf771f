import { expect, test } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { rollUpAll } from "../test/check-rollups.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { toDay } from "../test/raw-rows.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete } from "../test/work.ts";
import { createBatch } from "./batches.ts";
import { eraseAccount } from "./erasures.ts";
import { deleteGeneration } from "./generations.ts";
import { recountDay } from "./recount.ts";
import { markDays, rollUp } from "./rollups.ts";
import { readStatistics } from "./statistics.ts";
import { readRollupAge, summarizeRevenue, summarizeUsage } from "./usage-summaries.ts";

const database = useDatabase();
const ago = (days: number) => toDay(Date.now() - days * 86_400_000);

/** As if the last roll-up had been some minutes ago. */
async function rollUpAgain(): Promise<void> {
  const { admin, worker } = database;
  await admin`UPDATE ducat.rollup_hours SET computed_at = computed_at - interval '5 minutes'`;
  await admin`UPDATE ducat.rollup_days SET computed_at = computed_at - interval '5 minutes'`;
  await rollUpAll(worker);
}

/** Today's generations by their state. */
async function readStates(): Promise<[pending: number, processing: number, completed: number]> {
  const list = await readStatistics(database.app, ago(0), ago(0));
  const states = list.filter(({ part, name }) => part === "flow" && name === "generations");
  const count = (status: string) =>
    states.find(({ labels }) => labels.status === status)?.value ?? 0;
  return [count("pending"), count("processing"), count("completed")];
}

test("a generation is told by the state in which its owner sees it", async () => {
  const { app, worker } = database;
  const account = await makeAccount(app, 10);
  await rollUpAgain();
  const [pending, processing, completed] = await readStates();
  const made = await makeGeneration(app, account.id, { labels: [null, null] });
  await makeGeneration(app, account.id);
  await rollUpAgain();
  expect(await readStates()).toEqual([pending + 2, processing, completed]);
  const first = await claim(worker, account.id, made);
  await rollUpAgain();
  expect(await readStates()).toEqual([pending + 1, processing + 1, completed]);
  await complete(worker, first);
  await rollUpAgain();
  expect(await readStates()).toEqual([pending + 1, processing + 1, completed]);
  await complete(worker, await claim(worker, account.id, made, { position: 1 }));
  await rollUpAgain();
  expect(await readStates()).toEqual([pending + 1, processing, completed + 1]);
});

test("what ran long after its hour was summed up is no difference", async () => {
  const { app, worker, admin } = database;
  const account = await makeAccount(app, 10);
  const made = await makeGeneration(app, account.id);
  // Asked for two hours ago, on whichever day that was.
  const [row] = await admin<{ day: string }[]>`
    UPDATE ducat.generations SET created_at = created_at - interval '2 hours'
    WHERE id = ${made.id} RETURNING ducat.utc_day(created_at)::text AS day`;
  const day = row?.day ?? "";
  await markDays(worker, { from: day, to: ago(0), reason: "test" });
  await rollUpAgain();
  await complete(worker, await claim(worker, account.id, made));
  expect(await recountDay(worker, day)).toMatchObject({ state: "open", differences: [] });
  // Its hour is summed up again soon, and compared from then on.
  await admin`UPDATE ducat.rollup_hours SET computed_at = computed_at - interval '40 minutes'`;
  await rollUpAgain();
  expect((await recountDay(worker, day)).differences).toEqual([]);
  await admin`UPDATE ducat.stat_rollups SET value = value + 1
    WHERE name = 'generations' AND hour = (SELECT ducat.hour_of(created_at, false)
      FROM ducat.generations WHERE id = ${made.id})`;
  expect((await recountDay(worker, day)).differences).toHaveLength(1);
});

test("whose first payment is told late became a customer once, on its day", async () => {
  const { app, worker, admin } = database;
  const account = await makeAccount(app, 10);
  await admin`UPDATE ducat.accounts SET created_at = created_at - interval '9 days'
    WHERE id = ${account.id}`;
  await admin`UPDATE ducat.credit_grants SET created_at = created_at - interval '9 days'
    WHERE account_id = ${account.id}`;
  const { price } = await makeOffer(admin);
  const pay = async (days: number) => {
    const { id } = await makePaid(app, account.id, { priceId: price.id });
    const by = `${days} days`;
    await admin`UPDATE ducat.payments SET paid_at = paid_at - ${by}::interval WHERE id = ${id}`;
  };
  const readDays = async () => {
    const rows = await admin<{ day: string }[]>`
      SELECT day::text FROM ducat.stat_rollups WHERE name = 'trials_converted' AND value = 1`;
    return rows.map(({ day }) => day);
  };
  await pay(6);
  await rollUpAgain();
  expect(await readDays()).toEqual([ago(6)]);
  await pay(8);
  await rollUpAgain();
  expect(await readDays()).toEqual([ago(8)]);
  expect((await recountDay(worker, ago(6))).differences).toEqual([]);
});

test("what lines brought is told of those that are shown, and of no others", async () => {
  const { app, admin } = database;
  const account = await makeAccount(app);
  const day = "2001-02-03";
  await admin`INSERT INTO ducat.revenue_rollups
    SELECT ${account.id}, ${day}::date + n / 10, 24, 'style', 1, 'model-' || n % 10, 'USD', n
    FROM generate_series(0, 99) AS n`;
  const span = { from: day, to: "2001-02-28", accountId: account.id };
  const shown = { ...span, groupBy: ["day", "model"] as const };
  const line = { day: "2001-02-05", account: null, style: null, model: "model-7" };
  expect(await summarizeRevenue(app, { ...shown, lines: [line, { ...line, model: "x" }] })).toEqual(
    [{ ...line, currency: "USD", amount_micros: 27n }],
  );
  expect(await summarizeRevenue(app, { ...shown, lines: [] })).toEqual([]);
  expect(await summarizeRevenue(app, shown)).toHaveLength(100);
  expect(await summarizeRevenue(app, { ...span, groupBy: [] })).toMatchObject([
    { amount_micros: 4_950n },
  ]);
});

test("rows of a batch are told by their own language, and stay rows when it is deleted", async () => {
  const { app, worker, admin } = database;
  const account = await makeAccount(app, 10);
  const input = { type: "text", prompt: "A chair." };
  const row = (line: number) => ({ label: null, input, line, cost: 1 });
  const made = await createBatch(app, account.id, {
    ...makeKey(),
    style: "modern_minimalist",
    params: { language: "en", category: "chairs" },
    rows: [{ ...row(1), params: { language: "fa", category: 7 } }, row(2)],
    batch: { rows: 2, rejected: 0, errors: [] },
  });
  for (const position of [0, 1]) {
    await complete(worker, await claim(worker, account.id, made, { position }));
  }
  const read = async () => {
    await rollUpAgain();
    const groupBy = ["language", "category"] as const;
    const span = { from: ago(1), to: ago(0), groupBy, limit: 10 };
    const lines = await summarizeUsage(app, account.id, span);
    return lines.map((one) => [one.language, one.category, one.batch_items]);
  };
  expect(await read()).toEqual([
    ["en", "chairs", 1],
    ["fa", "", 1],
  ]);
  await deleteGeneration(app, account.id, made.id);
  expect(await read()).toEqual([["", "", 2]]);
  await eraseAccount(app, account.id, {
    isConfirmed: true,
    audit: { actor: "test", request_id: "test", ip: null },
  });
  expect(await read()).toEqual([["", "", 2]]);
  expect(
    await admin`SELECT DISTINCT input FROM ducat.generation_items WHERE account_id = ${account.id}`,
  ).toEqual([{ input: {} }]);
});

test("days that are told again were summed up all the same", async () => {
  const { app, worker, admin } = database;
  const account = await makeAccount(app);
  const day = ago(2);
  await markDays(worker, { from: day, to: day, reason: "test" });
  expect((await readRollupAge(app, day, day)).pending_days).toBe(0);
  await rollUpAgain();
  await admin`SELECT ducat.mark_day(${day}::date + interval '1 hour', 'test')`;
  await admin`SELECT ducat.mark_usage(${account.id}, ${day}::date, ${day}::date, 'test')`;
  expect([await rollUp(worker), await rollUp(worker)]).toEqual(["marks", "marks"]);
  const age = await readRollupAge(app, day, day);
  expect([age.pending_days, age.computed_at]).toEqual([0, new Date(`${day}T00:00:00.000Z`)]);
  expect(await rollUp(worker)).toBe("day");
  const told = await readRollupAge(app, day, day);
  expect(Number(told.computed_at)).toBeGreaterThan(Number(age.computed_at));
});
