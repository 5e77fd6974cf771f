import type postgres from "postgres";
import type { Db } from "../../packages/db/src/connect.ts";
import type { Invariant } from "../../packages/db/src/invariants.ts";

/** A transaction that sees one moment of the database and can't write. */
export type Tx = postgres.TransactionSql<{ bigint: number }>;

/** What breaks a rule, as it is shown: ids, names and amounts, nobody's data. */
export type Row = Record<string, unknown>;

/** What is wrong: docs/doctor.md has a heading for each `check`. */
export type Finding = { check: string; title: string; rows: Row[] };

/** What could not be looked at, and why. */
export type Skipped = { check: string; reason: string };

/** A rule about each account, looked at for many accounts at once. */
export type AccountCheck = Invariant & { needs?: "owner" };

/** A rule about the database as a whole. */
export type PlaceCheck = {
  check: string;
  title: string;
  /** Of whose tables workers see nothing. */
  needs?: "owner";
  /** The rows that break it, `most` of them at most. */
  find(tx: Tx): Promise<Row[]>;
};

/** Rows of a finding; who wants more asks the database. */
export const most = 20;

/** Reads in a transaction of its own: one moment, no writes, `limitMs` for each statement. */
export type Snapshot = <T>(limitMs: number, read: (tx: Tx) => Promise<T>) => Promise<T>;

export type Reader = { db: Db; role: "ducat_owner" | "ducat_worker" };

/**
 * Snapshots of a database as one of its roles. Tables are read by their keys even where the
 * planner, which may know nothing of a database that was restored just now, would read them whole.
 */
export function createSnapshot({ db, role }: Reader): Snapshot {
  return async (limitMs, read) => {
    const answer = await db.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", async (tx) => {
      await tx.unsafe(
        `SET LOCAL ROLE ${role}; SET LOCAL statement_timeout = ${Math.ceil(limitMs)};
         SET LOCAL lock_timeout = '2s'; SET LOCAL timezone = 'UTC'; SET LOCAL jit = off;
         SET LOCAL enable_seqscan = off; SET LOCAL work_mem = '64MB'`,
      );
      return { value: await read(tx) };
    });
    return (answer as { value: never }).value;
  };
}

/** Whether a statement was ended for its time. */
export const isTimeout = (error: unknown) =>
  (error as { code?: string }).code === "57014" || (error as { code?: string }).code === "55P03";

/** In words: why something could not be looked at. */
export const explain = (error: unknown): string =>
  isTimeout(error) ? "it took too long" : (error as Error).message || String(error);
