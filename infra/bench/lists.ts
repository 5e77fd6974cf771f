import type { Db } from "../../packages/db/src/connect.ts";
import { listEntries } from "../../packages/db/src/credits.ts";
import { listGenerations } from "../../packages/db/src/generations.ts";
import { listTransactions, listWorks } from "./bare.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { runClients } from "./clients.ts";
import { type Row, runRounds } from "./rounds.ts";

const clients = 8;
const limit = 20;

/** The list queries under row security, beside the same without it and beside a bare SELECT. */
export async function benchLists(bench: Bench): Promise<Row[]> {
  bench.say("lists: filling two databases");
  const fill = { accounts: bench.quick ? 500 : 5_000, rounds: 30 };
  const secured = await bench.cluster.createDatabase("lists", fill);
  const open = await bench.cluster.createDatabase("lists_open", fill);
  await open.admin.unsafe(`
    DO $$ DECLARE v_table regclass; BEGIN
      FOR v_table IN SELECT oid FROM pg_class
        WHERE relnamespace = 'ducat'::regnamespace AND relrowsecurity
      LOOP EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', v_table); END LOOP;
    END $$`);
  const securedDb = secured.connect(clients);
  const openDb = open.connect(clients);

  const group = (title: string, bare: List, ours: List) => {
    const run = (db: Db, accounts: string[], list: List) => () =>
      runClients({ clients, seconds: bench.seconds }, () => list(db, pickRandom(accounts)));
    bench.say(title);
    return runRounds(
      {
        title,
        bare: { name: "bare SELECT", run: run(openDb, open.accounts, bare) },
        sides: [
          { name: "without row security", run: run(openDb, open.accounts, ours) },
          { name: "with row security", run: run(securedDb, secured.accounts, ours) },
        ],
      },
      bench.rounds,
    );
  };
  const rows = [
    ...(await group(
      `list ${limit} generations, ${clients} clients`,
      (db, id) => listWorks(db, id, limit),
      (db, id) => listGenerations(db, id, { limit }),
    )),
    ...(await group(
      `list ${limit} transactions, ${clients} clients`,
      (db, id) => listTransactions(db, id, limit),
      (db, id) => listEntries(db, id, { limit }),
    )),
  ];
  await Promise.all([securedDb.end(), openDb.end()]);
  return rows;
}

type List = (db: Db, accountId: string) => Promise<unknown>;
