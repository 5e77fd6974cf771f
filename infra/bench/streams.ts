import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAccountStream, readHeads } from "../../packages/db/src/events.ts";
import { findFreePort } from "../dev/ports.ts";
import { type Bench, pickRandom } from "./bench.ts";
import { startChild, waitForUrl } from "./child.ts";
import { runClients } from "./clients.ts";
import type { BenchDatabase } from "./database.ts";
import { openRawStreams } from "./raw-streams.ts";
import { type Row, runRounds } from "./rounds.ts";

const clients = 4;
const mebibyte = 1024 * 1024;
const rootKey = `dk_test_${randomBytes(24).toString("base64url")}`;

/**
 * What an open stream takes: of the API's memory, which is said, and of the database each time that
 * it looks for something new, beside a bare SELECT of one row.
 */
export async function benchStreams(bench: Bench): Promise<Row[]> {
  const count = bench.quick ? 200 : 2_000;
  bench.say("streams: filling a database");
  const fill = { accounts: 500, rounds: 10 };
  const database = await bench.cluster.createDatabase("streams", fill);
  await measureMemory(bench, database, count);
  const db = database.connect(clients);
  const title = `read what is new to a stream, ${clients} connections`;
  bench.say(title);
  const look = (call: (account: string) => Promise<unknown>) => () =>
    runClients({ clients, seconds: bench.seconds }, () => call(pickRandom(database.accounts)));
  const from = { seq: 0, limit: 64 };
  const found = await readHeads(db, database.accounts);
  const heads = new Map(found.map(({ accountId, ledgerSeq }) => [accountId, ledgerSeq]));
  const rows = await runRounds(
    {
      title,
      bare: {
        name: "bare SELECT",
        run: look((id) => db`SELECT id FROM ducat.outbox WHERE account_id = ${id} LIMIT 1`),
      },
      sides: [
        {
          name: "with its balance",
          run: look((id) => readAccountStream(db, id, { ...from, ledgerSeq: -1 })),
        },
        {
          name: "where nothing is new",
          run: look((id) => readAccountStream(db, id, { ...from, ledgerSeq: heads.get(id) ?? 0 })),
        },
      ],
    },
    bench.rounds,
  );
  await db.end();
  return rows;
}

/** Opens so many streams of one process and says what they take. */
async function measureMemory(bench: Bench, database: BenchDatabase, count: number): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "ducat-bench-"));
  const port = await findFreePort();
  const api = startChild("apps/api/src/main.ts", {
    ...{ DATABASE_URL: database.url("ducat_app"), DUCAT_MODE: "test", HOST: "127.0.0.1" },
    ...{ ROOT_KEY: rootKey, SECRET_KEYS: randomBytes(32).toString("base64url") },
    ...{ DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: "error" },
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitForUrl(`${url}/readyz`);
    const idle = await readMemory(url);
    const headers = { authorization: `Bearer ${rootKey}` };
    const accounts = database.accounts.slice(0, Math.ceil(count / 20));
    const since = performance.now();
    const streams = await openRawStreams({ url, headers, accounts, count });
    const seconds = (performance.now() - since) / 1000;
    const open = await readMemory(url);
    const each = Math.round(((open - idle) * 1024) / count);
    bench.say(
      `${count} streams, opened in ${seconds.toFixed(1)} s: ${idle} MiB before, ` +
        `${open} MiB with them, ${each} KiB each`,
    );
    for (const stream of streams) stream.close();
  } finally {
    await api.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** In MiB, as the process tells it. */
async function readMemory(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const [, bytes] = /^process_resident_memory_bytes (\S+)/m.exec(text) ?? [];
  return Math.round(Number(bytes) / mebibyte);
}
