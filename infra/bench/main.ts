import { parseArgs } from "node:util";
import { benchBatch } from "./batch.ts";
import type { Bench, Measurement } from "./bench.ts";
import { benchCreateGeneration } from "./create-generation.ts";
import { type BenchDatabase, startBenchCluster } from "./database.ts";
import { benchEntitlements } from "./entitlements.ts";
import { benchGrowth } from "./growth.ts";
import { benchHttp } from "./http.ts";
import { benchLists } from "./lists.ts";
import { benchQueue } from "./queue.ts";
import { describeMachine, formatTable } from "./report.ts";
import type { Row } from "./rounds.ts";
import { benchStatistics } from "./statistics.ts";
import { benchStreams } from "./streams.ts";

const measurements: Record<string, Measurement> = {
  create: benchCreateGeneration,
  batch: benchBatch,
  http: benchHttp,
  queue: benchQueue,
  entitlements: benchEntitlements,
  lists: benchLists,
  growth: benchGrowth,
  stats: benchStatistics,
  streams: benchStreams,
};

const usage = `Usage: pnpm bench [${Object.keys(measurements).join("] [")}] [options]
  --quick        small and short, to see that it works; the figures mean little
  --json         the result as JSON on the standard output, all else on the error output
  --rounds N     rounds that count (7)
  --seconds S    how long each side runs in a round (4)
  --accounts N   accounts of create (100000)
  --rows N       ledger rows of growth (5000000)`;

const number = { type: "string" } as const;

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      rounds: number,
      seconds: number,
      accounts: number,
      rows: number,
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(measurements);
  const unknown = names.filter((name) => !(name in measurements));
  if (unknown.length > 0) throw new Error(`There is nothing named ${unknown.join(", ")}.`);
  const read = (text: string | undefined, quick: number, full: number) => {
    const value = text === undefined ? (values.quick ? quick : full) : Number(text);
    if (!(value > 0)) throw new Error(`${text} is not a number above 0.`);
    return value;
  };
  return {
    names,
    json: values.json,
    quick: values.quick,
    rounds: read(values.rounds, 2, 7),
    seconds: read(values.seconds, 0.5, 4),
    accounts: read(values.accounts, 20_000, 100_000),
    ledgerRows: read(values.rows, 100_000, 5_000_000),
  };
}

async function main(): Promise<void> {
  const { names, json, accounts, ...options } = readArguments();
  const say = (line: string) => console.error(`  ${line}`);
  const cluster = await startBenchCluster();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => cluster.close().finally(() => process.exit(1)));
  }
  try {
    const machine = describeMachine(await cluster.readSettings(), options);
    for (const line of machine) say(line);
    let database: Promise<BenchDatabase> | undefined;
    const bench: Bench = {
      ...options,
      cluster,
      say,
      database() {
        // A finished generation each: plans that are made for empty tables scan them.
        database ??= cluster.createDatabase("bench", { accounts, rounds: 1 });
        return database;
      },
    };
    const rows: Row[] = [];
    for (const name of names) rows.push(...((await measurements[name]?.(bench)) ?? []));
    if (json) console.log(JSON.stringify({ machine, rows }, null, 2));
    else console.log(["", ...machine, "", formatTable(rows)].join("\n"));
  } finally {
    await cluster.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error, `\n\n${usage}`);
  process.exitCode = 1;
}
