import { createBatch } from "../../packages/db/src/batches.ts";
import type { Db } from "../../packages/db/src/connect.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { runClients } from "./clients.ts";
import { create, makeRequestKey } from "./create-generation.ts";
import { type Measured, type Row, runRounds } from "./rounds.ts";

const style = "modern_minimalist";
const clients = 4;

/**
 * What an account's single creates wait while a batch of its own is made, beside the same creates
 * of an account that has none under way: the batch's lock is in their slowest.
 */
export async function benchBatch(bench: Bench): Promise<Row[]> {
  const { accounts, connect, admin } = await bench.database();
  const rows = makeRows(bench.quick ? 1_000 : 10_000);
  const account = pickRandom(accounts);
  await admin`
    UPDATE ducat.credit_accounts SET head_remaining = 10 ^ 11, available = 10 ^ 11
    WHERE account_id = ${account}`;
  const db = connect(clients);
  const other = connect(1);
  const single = () => runClients({ clients, seconds: bench.seconds }, () => create(db, account));
  const title = `single creates of an account, ${clients} clients`;
  bench.say(title);
  const waits = await runRounds(
    {
      title,
      bare: { name: "no batch", run: single },
      sides: [
        {
          name: `batches of ${rows.length} rows beside`,
          run: () => runBeside(() => makeBatch(other, account, rows), single),
        },
      ],
    },
    Math.min(bench.rounds, 3),
  );
  const before = process.memoryUsage.rss();
  const alone = await runRounds(
    {
      title: "batches, 1 client",
      bare: {
        name: `${rows.length} rows`,
        run: () =>
          runClients({ clients: 1, seconds: bench.seconds }, () => makeBatch(other, account, rows)),
      },
      sides: [],
    },
    Math.min(bench.rounds, 3),
  );
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  bench.say(`RSS ${mib(before)} MiB before the batches, ${mib(process.memoryUsage.rss())} after`);
  await Promise.all([db.end(), other.end()]);
  return [...waits, ...alone];
}

const makeRows = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    label: `row ${at}`,
    input: { type: "text", prompt: `A small courtyard with ${at} old olive trees.` },
    line: at + 1,
    cost: 1,
  }));

const makeBatch = (db: Db, accountId: string, rows: ReturnType<typeof makeRows>) =>
  createBatch(db, accountId, {
    ...makeRequestKey(),
    ...{ style, rows, batch: { rows: rows.length, rejected: 0, errors: [] } },
  });

/** What is measured, while something else is done again and again. */
async function runBeside(
  beside: () => Promise<unknown>,
  measure: () => Promise<Measured>,
): Promise<Measured> {
  const state = { isOver: false };
  const loop = async () => {
    while (!state.isOver) await beside();
  };
  const looping = loop();
  try {
    return await measure();
  } finally {
    state.isOver = true;
    await looping;
  }
}
