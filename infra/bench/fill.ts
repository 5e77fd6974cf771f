import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";

export type Fill = {
  accounts: number;
  /** Completed generations for each account. */
  rounds: number;
  /** Leaves out the tables of the bare side. */
  alone?: boolean;
};

/** Fills a migrated, empty database. `admin` is a superuser. */
export async function fillDatabase(admin: postgres.Sql, { accounts, rounds }: Fill): Promise<void> {
  await runFile(admin, "fill.sql");
  await admin`SELECT fill.accounts(${accounts})`;
  for (let round = 1; round <= rounds; round++) await admin`SELECT fill.generations(${round})`;
  await admin`SELECT fill.balances(${rounds})`;
}

/** Adds the tables of the bare side, with what is in the ledger. */
export async function makeBareTables(admin: postgres.Sql): Promise<void> {
  await runFile(admin, "bare.sql");
}

async function runFile(admin: postgres.Sql, name: string): Promise<void> {
  await admin.unsafe(await readFile(join(import.meta.dirname, name), "utf8")).simple();
}
