import { readStatistics } from "../../packages/db/src/statistics.ts";
import { summarizeAllUsage, summarizeUsage } from "../../packages/db/src/usage-summaries.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { runClients } from "./clients.ts";
import type { BenchDatabase } from "./database.ts";
import { type Measured, type Row, runRounds } from "./rounds.ts";

const rounds = 10;

/**
 * Summing up a day of 200,000 items beside the least that a query over the same rows does, and what
 * is then read from the sums beside the same read from the rows.
 */
export async function benchStatistics(bench: Bench): Promise<Row[]> {
  const accounts = bench.quick ? 1_000 : 20_000;
  bench.say(`stats: filling a day of ${accounts * rounds} items`);
  const database = await bench.cluster.createDatabase("stats", { accounts, rounds, alone: true });
  const day = await prepareDay(database);
  const title = `sum up a day of ${(accounts * rounds).toLocaleString("en")} items`;
  bench.say(title);
  const rows = await runRounds(
    {
      title,
      bare: { name: "count and sum by account", run: () => measure(() => countDay(database, day)) },
      sides: [{ name: "its 24 hours", run: () => measure(() => sumDay(database, day)) }],
    },
    Math.min(bench.rounds, 3),
  );
  const db = database.connect(1);
  const span = { from: day, to: day };
  const read = (call: () => Promise<unknown>) => () =>
    runClients({ clients: 1, seconds: bench.seconds }, call);
  bench.say("reading the sums");
  const reads = await runRounds(
    {
      title: "a day's use by style",
      bare: { name: "from the rows", run: read(() => countStyles(database, day)) },
      sides: [
        {
          name: "of everybody",
          run: read(() => summarizeAllUsage(db, { ...span, groupBy: ["style"], limit: 100 })),
        },
        {
          name: "of one account",
          run: read(() => {
            const asked = { ...span, groupBy: ["style"] as const, limit: 100 };
            return summarizeUsage(db, pickRandom(database.accounts), asked);
          }),
        },
        { name: "statistics", run: read(() => readStatistics(db, day, day)) },
      ],
    },
    Math.min(bench.rounds, 3),
  );
  await db.end();
  return [...rows, ...reads];
}

/** Spreads what was filled over the hours of a day, as paid for, and rolls it up once. */
async function prepareDay(database: BenchDatabase): Promise<string> {
  const { admin } = database;
  await admin.unsafe(`
    WITH paid AS (
      INSERT INTO ducat.payments (account_id, reference, purpose, provider, mode, status, amount,
        charged, currency, credits, credits_granted, paid_at)
      SELECT id, id::text, 'pack', 'sandbox', 'test', 'succeeded', 900, 900, 'USD', 100, 100,
        clock_timestamp()
      FROM ducat.accounts RETURNING id, account_id
    )
    UPDATE ducat.credit_grants g SET payment_id = p.id FROM paid p
    WHERE p.account_id = g.account_id;
    WITH spread AS (
      SELECT account_id, id, date_trunc('day', completed_at, 'UTC')
        + interval '86399 s' * (row_number() OVER (ORDER BY ctid) - 1) / count(*) OVER () AS at
      FROM ducat.generation_items
    )
    UPDATE ducat.generation_items i SET completed_at = s.at FROM spread s
    WHERE s.account_id = i.account_id AND s.id = i.id`);
  // As rows come in: about in the order of their time.
  await admin.unsafe("CREATE INDEX bench_completed ON ducat.generation_items (completed_at)");
  await admin.unsafe("CLUSTER ducat.generation_items USING bench_completed");
  await admin.unsafe("DROP INDEX ducat.bench_completed");
  await admin.unsafe("VACUUM (ANALYZE)");
  const [row] = await admin<{ day: string }[]>`
    SELECT ducat.utc_day(min(completed_at))::text AS day FROM ducat.generation_items`;
  const day = row?.day ?? "";
  await admin`INSERT INTO ducat.rollup_days (day, is_final) VALUES (${day}, true)`;
  await sumDay(database, day);
  await admin.unsafe("VACUUM (ANALYZE)");
  return day;
}

async function sumDay({ admin }: BenchDatabase, day: string): Promise<void> {
  for (let hour = 0; hour < 24; hour++) {
    await admin`SELECT ducat.roll_up_hour(ducat.start_of(${day}) + ${`${hour} hours`}::interval)`;
  }
}

const countDay = ({ admin }: BenchDatabase, day: string) => admin`
  SELECT i.account_id, g.style_id, i.status, count(*), sum(i.captured)
  FROM ducat.generation_items i
  JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
  WHERE i.completed_at >= ${day}::date AND i.completed_at < ${day}::date + 1
  GROUP BY 1, 2, 3`;

const countStyles = ({ admin }: BenchDatabase, day: string) => admin`
  SELECT g.style_id, i.status, count(*), sum(i.captured)
  FROM ducat.generation_items i
  JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
  WHERE i.completed_at >= ${day}::date AND i.completed_at < ${day}::date + 1
  GROUP BY 1, 2`;

/** One call, which takes seconds. */
async function measure(call: () => Promise<unknown>): Promise<Measured> {
  const startedAt = performance.now();
  await call();
  const ms = performance.now() - startedAt;
  return { perSecond: 1_000 / ms, p50Ms: ms, p95Ms: Number.NaN, p99Ms: Number.NaN };
}
