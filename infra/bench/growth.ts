import type { Db } from "../../packages/db/src/connect.ts";
import { consumeCredits } from "../../packages/db/src/credits.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { runClients } from "./clients.ts";
import { callCreate, create, makeRequestKey } from "./create-generation.ts";
import { type Row, runRounds } from "./rounds.ts";

const clients = 8;
const aim = 0.85;

/** The same work on a ledger and on one of five times its length, with as many accounts. */
export async function benchGrowth(bench: Bench): Promise<Row[]> {
  const accounts = bench.quick ? 2_000 : 100_000;
  const open = async (name: string, rows: number) => {
    bench.say(`growth: filling a ledger of ${rows} rows`);
    const rounds = Math.max(1, Math.round(rows / accounts) - 1);
    const database = await bench.cluster.createDatabase(name, { accounts, rounds, alone: true });
    return { ids: database.accounts, db: database.connect(clients) };
  };
  const short = await open("ledger_short", bench.ledgerRows / 5);
  const long = await open("ledger_long", bench.ledgerRows);

  const works: [string, (db: Db, accountId: string) => Promise<unknown>][] = [
    ["consume", consume],
    ["create_generation", callCreate],
    ["createGeneration()", create],
  ];
  const rows: Row[] = [];
  for (const [name, work] of works) {
    const title = `${name} as the ledger grows, ${clients} clients`;
    bench.say(title);
    const run =
      ({ db, ids }: typeof short) =>
      () =>
        runClients({ clients, seconds: bench.seconds }, () => work(db, pickRandom(ids)));
    const group = {
      title,
      bare: { name: formatRows(bench.ledgerRows / 5), run: run(short) },
      sides: [{ name: formatRows(bench.ledgerRows), run: run(long), aim }],
    };
    rows.push(...(await runRounds(group, bench.rounds)));
  }
  await Promise.all([short.db.end(), long.db.end()]);
  return rows;
}

const consume = (db: Db, accountId: string) =>
  consumeCredits(db, accountId, { ...makeRequestKey(), amount: 1 });

const formatRows = (rows: number) => `${rows.toLocaleString("en")} rows`;
