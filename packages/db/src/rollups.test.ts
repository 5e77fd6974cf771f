import { describe, expect, test } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { rollUpAll } from "../test/check-rollups.ts";
import { makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { toDay } from "../test/raw-rows.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import { captureHold, consumeCredits, holdCredits } from "./credits.ts";
import { eraseAccount } from "./erasures.ts";
import { refundGeneration } from "./generation-refunds.ts";
import { deleteGeneration } from "./generations.ts";
import { recountDay } from "./recount.ts";
import { applyReversal } from "./reversals.ts";
import { markDays, rollUp } from "./rollups.ts";
import { countDeadLetters, readStatistics } from "./statistics.ts";
import { releaseUsage, trackUsage } from "./usage.ts";
import { readRollupAge, summarizeRevenue, summarizeUsage } from "./usage-summaries.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };
/** As if the last roll-up had been some minutes ago: what may have changed is summed up again. */
async function rollUpAgain(): Promise<void> {
  const { admin, worker } = database;
  const before = "5 minutes";
  await admin`UPDATE ducat.rollup_hours SET computed_at = computed_at - ${before}::interval`;
  await admin`UPDATE ducat.rollup_days SET computed_at = computed_at - ${before}::interval`;
  await rollUpAll(worker);
}

const dayMs = 86_400_000;
const ago = (days: number) => toDay(Date.now() - days * dayMs);
const today = () => ago(0);

/** Moves all that an account has done so many days back, past every function. */
async function moveBack(accountId: string, days: number): Promise<string> {
  const { admin } = database;
  const by = `${days} days`;
  await admin.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`UPDATE ducat.accounts SET created_at = created_at - ${by}::interval
      WHERE id = ${accountId}`;
    await sql`UPDATE ducat.generations SET created_at = created_at - ${by}::interval,
        completed_at = completed_at - ${by}::interval, deadline_at = deadline_at - ${by}::interval
      WHERE account_id = ${accountId}`;
    await sql`UPDATE ducat.generation_items SET completed_at = completed_at - ${by}::interval
      WHERE account_id = ${accountId}`;
    await sql`UPDATE ducat.credit_entries SET created_at = created_at - ${by}::interval
      WHERE account_id = ${accountId}`;
    await sql`UPDATE ducat.credit_grants SET created_at = created_at - ${by}::interval
      WHERE account_id = ${accountId}`;
    await sql`UPDATE ducat.usage_logs SET created_at = created_at - ${by}::interval
      WHERE account_id = ${accountId}`;
    await sql`UPDATE ducat.payments SET paid_at = paid_at - ${by}::interval
      WHERE account_id = ${accountId}`;
  });
  const moved = ago(days);
  await markDays(database.worker, { from: moved, to: moved, reason: "test" });
  return moved;
}

const summarize = async (
  accountId: string,
  from: string,
  groupBy: ("day" | "feature" | "language")[],
) => await summarizeUsage(database.app, accountId, { from, to: today(), groupBy, limit: 100 });

const recount = async (day: string) => await recountDay(database.worker, day);

/** A finished item of an account with paid credits: 100 of them for USD 9.00. */
async function makeWork(language = "en") {
  const { app, worker, admin } = database;
  const account = await makeAccount(app);
  await consumeCredits(app, account.id, { amount: 3, description: "trial", ...makeKey() });
  const { price } = await makeOffer(admin);
  const payment = await makePaid(app, account.id, { priceId: price.id });
  const made = await makeGeneration(app, account.id, {
    params: { language, category: "mugs" },
    labels: [null, null],
  });
  const usage = { response_time_ms: 900, provider_cost_micros: 4_000, input_tokens: 7 };
  await complete(worker, await claim(worker, account.id, made), undefined, usage);
  await fail(worker, await claim(worker, account.id, made, { position: 1 }));
  return { account, payment, made };
}

describe("rolling up", () => {
  test("an hour tells at once what has ended in it", async () => {
    const { account } = await makeWork();
    await rollUpAgain();
    expect(await summarize(account.id, today(), ["day"])).toEqual([
      expect.objectContaining({
        ...{ day: today(), completed: 1, failed: 1, charged: 1, paid_back: 1, consumed: 3 },
        ...{ input_tokens: 7, response_ms: 900, costed: 1, provider_cost_micros: 4_000 },
      }),
    ]);
    const age = await readRollupAge(database.app, today(), today());
    expect(age.pending_days).toBe(0);
    expect(Date.now() - Number(age.computed_at)).toBeLessThan(60_000);
  });

  test("holds count as spent for what they were captured", async () => {
    const { app } = database;
    const account = await makeAccount(app, 10);
    const held = await holdCredits(app, account.id, {
      ...{ amount: 5, expiresInSeconds: 600, description: "a hold", ...makeKey() },
    });
    await captureHold(app, account.id, { holdId: held.id, amount: 2 });
    await rollUpAgain();
    expect(await summarize(account.id, today(), ["day"])).toMatchObject([{ consumed: 2 }]);
  });

  test("two that roll up at once do each step once", async () => {
    const { worker, admin } = database;
    await makeWork();
    await rollUpAgain();
    await admin`UPDATE ducat.rollup_hours SET computed_at = '-infinity'`;
    const run = async () => {
      let steps = 0;
      while ((await rollUp(worker)) !== undefined) steps++;
      return steps;
    };
    await Promise.all([run(), run(), run()]);
    await rollUpAgain();
    expect((await recount(today())).differences).toEqual([]);
    const [row] = await admin<{ most: number }[]>`
      SELECT max(n)::int AS most FROM (SELECT count(*) AS n FROM ducat.usage_rollups
        GROUP BY account_id, day, hour, source, style_id, feature, language) AS lines`;
    expect(row?.most).toBe(1);
  });

  test("while somebody is at a step nobody else begins one", async () => {
    const { worker, admin } = database;
    await makeWork();
    await rollUpAgain();
    await admin`UPDATE ducat.rollup_hours SET computed_at = '-infinity'`;
    await admin.begin(async (sql) => {
      const [row] = await sql`SELECT ducat.roll_up() AS did`;
      expect(row?.did).toBe("hour");
      expect(await rollUp(worker)).toBeUndefined();
    });
    expect(await rollUp(worker)).toBe("hour");
  });

  test("a day that is over for three days becomes one line a style, and is final", async () => {
    const { account } = await makeWork();
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    const { admin } = database;
    expect(await recount(day)).toMatchObject({ state: "final", differences: [] });
    const hours = await admin`
      SELECT DISTINCT hour FROM ducat.usage_rollups WHERE account_id = ${account.id}`;
    expect(hours).toEqual([{ hour: 24 }]);
    expect(await admin`SELECT FROM ducat.rollup_hours WHERE hour < ${day}::date + 1`).toEqual([]);
  });

  test("three days after its end a day is summed up once more, then it is final", async () => {
    const { admin, worker } = database;
    await rollUpAgain();
    const day = ago(6);
    await admin`DELETE FROM ducat.rollup_days WHERE day = ${day}`;
    await admin`INSERT INTO ducat.rollup_days (day, computed_at) VALUES (${day}, ${ago(4)})`;
    await admin`
      INSERT INTO ducat.rollup_hours
      SELECT ducat.start_of(${day}) + n * interval '1 hour', ${ago(4)}, 0
      FROM generate_series(0, 23) AS n`;
    const steps: Record<string, number> = {};
    for (let step = await rollUp(worker); step; step = await rollUp(worker)) {
      steps[step] = (steps[step] ?? 0) + 1;
    }
    expect(steps).toEqual({ hour: 24, final: 1 });
  });

  test("of many languages the fifty most frequent are told apart", async () => {
    const { app, admin } = database;
    const { account, made } = await makeWork("en");
    await admin`
      INSERT INTO ducat.generations SELECT (jsonb_populate_record(g, jsonb_build_object(
        'id', ducat.uuid_v7(), 'idempotency_key', 'copy-' || n, 'cost', 0, 'captured', 0,
        'refunded', 0, 'entry_seq', NULL, 'params', jsonb_build_object('language', 'l' || n)))).*
      FROM ducat.generations g, generate_series(100, 159) AS n WHERE g.id = ${made.id}`;
    await admin`
      INSERT INTO ducat.generation_items SELECT (jsonb_populate_record(i, jsonb_build_object(
        'id', ducat.uuid_v7(), 'generation_id', g.id, 'cost', 0, 'captured', 0, 'refunded', 0))).*
      FROM ducat.generation_items i, ducat.generations g
      WHERE i.generation_id = ${made.id} AND g.idempotency_key LIKE 'copy-%'`;
    await rollUpAgain();
    const lines = await summarizeUsage(app, account.id, {
      ...{ from: today(), to: today(), groupBy: ["language"], limit: 100 },
    });
    expect(lines).toHaveLength(51);
    // 61 languages with two items each: what is not among the first fifty by alphabet is the rest.
    expect(lines.find(({ language }) => language === "other")?.completed).toBe(11);
    expect(lines.map(({ language }) => language)).toEqual(expect.arrayContaining(["en", "l148"]));
    await admin`DELETE FROM ducat.generation_items i USING ducat.generations g
      WHERE g.id = i.generation_id AND g.idempotency_key LIKE 'copy-%'`;
    await admin`DELETE FROM ducat.generations WHERE idempotency_key LIKE 'copy-%'`;
  });

  test("params that no text can be read from break nothing", async () => {
    const { admin } = database;
    const { account, made } = await makeWork();
    const params = '{"language": "a\\u0000b", "category": "\\ud800"}';
    await admin`
      UPDATE ducat.generations SET params = ${params}::json
      WHERE id = ${made.id}`;
    await rollUpAgain();
    expect(await summarize(account.id, today(), ["language"])).toMatchObject([{ language: "" }]);
    await admin`UPDATE ducat.generations SET params = '{}' WHERE id = ${made.id}`;
  });
});

describe("what changes later", () => {
  test("support's refund is of the day on which the item ended", async () => {
    const { app } = database;
    const { account, made } = await makeWork();
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    const money = { from: day, to: day, groupBy: [], accountId: account.id };
    // One credit of a hundred for 900 cents.
    expect(await summarizeRevenue(app, money)).toMatchObject([{ amount_micros: 9_000_000n }]);
    await refundGeneration(app, account.id, {
      ...{ id: made.id, reason: "ugly", audit, ...makeKey() },
    });
    expect(await recount(day)).toMatchObject({ skipped: 1, differences: [] });
    await rollUpAgain();
    const [line] = await summarize(account.id, day, ["day"]);
    expect(line).toMatchObject({ day, charged: 0, paid_back: 2 });
    expect(await summarizeRevenue(app, money)).toEqual([]);
    expect(await recount(day)).toMatchObject({ state: "final", skipped: 0, differences: [] });
  });

  test("money that goes back lowers the day it was paid and what its credits brought", async () => {
    const { app } = database;
    const { account, payment } = await makeWork();
    const day = await moveBack(account.id, 7);
    await rollUpAgain();
    await applyReversal(app, {
      ...{ provider: payment.provider, mode: payment.mode, paymentRef: payment.provider_ref ?? "" },
      ...{ reversed: { amount: 450, currency: "USD" }, occurredAt: new Date() },
    });
    await rollUpAgain();
    const list = await readStatistics(app, day, day);
    const of = (measure: string) =>
      list.find(({ name, labels }) => name === "payments" && labels.measure === measure)?.value;
    expect({ gross: of("gross"), refunded: of("refunded") }).toEqual({ gross: 900, refunded: 450 });
    const money = { from: day, to: day, groupBy: [], accountId: account.id };
    expect(await summarizeRevenue(app, money)).toMatchObject([{ amount_micros: 4_500_000n }]);
    expect((await recount(day)).differences).toEqual([]);
  });

  test("a deleted generation counts without its language, an erased account without words", async () => {
    const { app, admin } = database;
    const { account, made } = await makeWork();
    await trackUsage(app, account.id, { feature: "gallery_images", amount: 1, eventId: "e" });
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    expect(await summarize(account.id, day, ["language"])).toMatchObject([{ language: "en" }]);
    await deleteGeneration(app, account.id, made.id);
    await rollUpAgain();
    expect(await summarize(account.id, day, ["language"])).toMatchObject([{ language: "" }]);
    expect(await summarize(account.id, day, ["feature"])).toHaveLength(1);
    await eraseAccount(app, account.id, { isConfirmed: true, audit });
    await rollUpAgain();
    expect(await summarize(account.id, day, ["feature"])).toEqual([]);
    expect(await summarize(account.id, day, ["day"])).toMatchObject([{ completed: 1 }]);
    expect(await admin`SELECT FROM ducat.rollup_dirty_days`).toEqual([]);
  });

  test("what was used and given back much later was not used", async () => {
    const { app } = database;
    const account = await makeAccount(app);
    for (const eventId of ["one", "two"]) {
      await trackUsage(app, account.id, { feature: "gallery_images", amount: 1, eventId });
    }
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    expect(await summarize(account.id, day, ["feature"])).toMatchObject([{ amount: 2 }]);
    await releaseUsage(app, account.id, "one");
    await rollUpAgain();
    expect(await summarize(account.id, day, ["feature"])).toMatchObject([{ amount: 1 }]);
  });

  test("a mark that comes while its account is summed up stays", async () => {
    const { app, worker, admin } = database;
    const { account, made } = await makeWork();
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    await refundGeneration(app, account.id, {
      ...{ id: made.id, reason: "ugly", audit, ...makeKey() },
    });
    await admin.begin(async (sql) => {
      await sql`SELECT ducat.mark_usage(${account.id}, ${day}::date, ${day}::date, 'test')`;
      await rollUpAll(worker);
    });
    expect(await admin`SELECT reason FROM ducat.rollup_dirty_days`).toEqual([{ reason: "test" }]);
    await rollUpAgain();
    expect(await admin`SELECT FROM ducat.rollup_dirty_days`).toEqual([]);
  });

  test("marks of spans that are longer than a step are worked off in pieces", async () => {
    const { app, worker, admin } = database;
    const account = await makeAccount(app);
    await admin`INSERT INTO ducat.rollup_days (day, is_final, computed_at)
      SELECT ducat.utc_day() - n, true, 'infinity' FROM generate_series(10, 100) AS n
      ON CONFLICT DO NOTHING`;
    await rollUpAgain();
    await admin`SELECT ducat.mark_usage(${account.id}, now() - interval '95 days', NULL, 'test')`;
    const steps = [];
    for (let step = await rollUp(worker); step; step = await rollUp(worker)) steps.push(step);
    expect(steps.filter((step) => step === "marks")).toHaveLength(4);
    expect(await admin`SELECT FROM ducat.rollup_dirty_days`).toEqual([]);
  });
});

describe("a recount", () => {
  test("finds a line that was changed, one that is missing and one too many", async () => {
    const { worker, admin } = database;
    const { account } = await makeWork();
    const day = await moveBack(account.id, 5);
    await rollUpAgain();
    await admin`UPDATE ducat.usage_rollups SET charged = charged + 1
      WHERE account_id = ${account.id} AND source = 'generation'`;
    await admin`DELETE FROM ducat.revenue_rollups WHERE account_id = ${account.id}`;
    await admin`INSERT INTO ducat.stat_rollups VALUES (${day}, 24, 'items', '{"status": "x"}', 1)`;
    const { differences } = await recount(day);
    expect(differences).toEqual([
      expect.objectContaining({
        ...{ what: "usage", account_id: account.id },
        key: expect.objectContaining({ day, hour: 24, source: "generation", language: "en" }),
        rolled: expect.objectContaining({ charged: 2 }),
        raw: expect.objectContaining({ charged: 1 }),
      }),
      expect.objectContaining({ what: "revenue", rolled: null, raw: { amount_micros: 9_000_000 } }),
      {
        ...{ what: "statistic", account_id: null, rolled: { value: 1 }, raw: null },
        key: { day, hour: 24, name: "items", labels: { status: "x" } },
      },
    ]);
    // And marked, it mends itself.
    await markDays(worker, { from: day, to: day, reason: "test" });
    expect((await recount(day)).state).toBe("none");
    await rollUpAgain();
    expect(await recount(day)).toMatchObject({ state: "final", differences: [] });
  });

  test("works in a transaction that only reads", async () => {
    const { worker } = database;
    await makeWork();
    await rollUpAgain();
    const found = await worker.begin("isolation level repeatable read read only", (sql) =>
      recountDay(sql, today()),
    );
    expect(found).toMatchObject({ day: today(), state: "open", differences: [] });
    expect((await recount("2001-01-01")).state).toBe("none");
  });
});

test("what waits for a person is counted", async () => {
  const { app, admin } = database;
  const before = await countDeadLetters(app);
  const account = await makeAccount(app);
  await admin`INSERT INTO ducat.messages (account_id, kind, channel, data, effect_key, status)
    VALUES (${account.id}, 'receipt', 'email', '{}', 'dead', 'failed')`;
  expect(await countDeadLetters(app)).toEqual({ ...before, messages: before.messages + 1 });
});
