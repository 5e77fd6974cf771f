import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import {
  packageDir,
  readConcurrentIndexes,
  readDeclaredIndexes,
  readFunctions,
  readMigrations,
  type Step,
} from "./migration-files.ts";
import { onlyValidates } from "./migration-rules.ts";

/** Any number, as long as every process uses it: one migration at a time per database. */
const lockId = 20_261_120;
const LOCK_TRIES = 3_000;
const LOCK_PAUSE_MS = 200;
const ROLE_TRIES = 5;
/**
 * Everybody who comes after a statement that waits for a heavy lock waits behind it: it gives up
 * soon and is tried again, for about ten minutes, until whoever holds the table is through.
 */
const LOCK_TIMEOUT_MS = 1_000;
const STEP_TRIES = 150;
const STEP_PAUSE_MS = 3_000;
/** What takes longer under a lock that others need doesn't belong into a migration. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Validating and building concurrently stand in nobody's way, and large tables take their time. */
const LONG_TIMEOUT_MS = 4 * 3_600_000;

export type Login = "ducat_app" | "ducat_worker" | "ducat_queue";
type Log = (line: string) => void;

export type MigrateOptions = {
  /** An administrator's login: it makes roles and acts as ducat_owner. Not a pooled connection. */
  url: string;
  passwords?: Partial<Record<Login, string>> | undefined;
  log?: Log | undefined;
  /** Where `drizzle` and `sql` are; left out: this package. */
  dir?: string;
  /** How long a step that could not have its lock waits before it is tried again. */
  stepPauseMs?: number;
};

/**
 * Brings a database up to date: roles, then the migrations not yet applied (each in its own
 * transaction), then the functions if any changed, then indexes that are built concurrently.
 * Processes that start together wait for each other. Returns the names of what was applied.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const { dir = packageDir, log = () => {}, stepPauseMs: pauseMs = STEP_PAUSE_MS } = options;
  const sql = connect(options.url);
  try {
    await takeLock(sql);
    await prepareRoles(sql, dir, options.passwords ?? {});
    const target = { sql, dir, log, pauseMs };
    const applied = await applyMigrations(target);
    if (await applyFunctions(target)) applied.push("functions");
    await buildIndexes(sql, dir);
    return applied;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

export type DatabaseStatus = {
  applied: string[];
  pending: string[];
  /** Migrations whose file no longer is what was applied. */
  changed: string[];
  /** Indexes that a build left behind half done, and declared ones that do not exist. */
  invalidIndexes: string[];
  missingIndexes: string[];
  ok: boolean;
};

/** Compares a database with this version's files. Reads only; works before the first migration. */
export async function readStatus(url: string, dir = packageDir): Promise<DatabaseStatus> {
  const sql = connect(url);
  try {
    return await compareWithFiles(sql, dir);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** What readStatus reads, on a connection or in a transaction of the caller's. */
export async function compareWithFiles(
  sql: postgres.ISql,
  dir = packageDir,
): Promise<DatabaseStatus> {
  const known = await readKnown(sql);
  const steps = [...(await readMigrations(dir)), await readFunctions(dir)];
  const applied = steps.filter((step) => known.get(step.name) === step.sha256);
  const changed = steps.filter((step) => (known.get(step.name) ?? step.sha256) !== step.sha256);
  const pending = steps.filter((step) => !known.has(step.name));
  const existing = await sql<{ name: string; valid: boolean }[]>`
    SELECT c.relname AS name, i.indisvalid AS valid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = to_regnamespace('ducat')`;
  const invalidIndexes = existing.filter((index) => !index.valid).map((index) => index.name);
  const names = new Set(existing.map((index) => index.name));
  const missingIndexes = (await readDeclaredIndexes(dir)).filter((name) => !names.has(name));
  const ok = [pending, changed, invalidIndexes, missingIndexes].every((list) => !list.length);
  return {
    applied: applied.map((step) => step.name),
    pending: pending.map((step) => step.name),
    changed: changed.map((step) => step.name),
    invalidIndexes,
    missingIndexes,
    ok,
  };
}

function connect(url: string): postgres.Sql {
  return postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "ducat migrate", timezone: "UTC" },
  });
}

/**
 * By asking again, not by pg_advisory_lock: a session that waits there has a snapshot, for whose
 * end CREATE INDEX CONCURRENTLY of the lock's holder waits, and the two are a deadlock.
 */
async function takeLock(sql: postgres.Sql): Promise<void> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const [row] = await sql`SELECT pg_try_advisory_lock(${lockId}) AS taken`;
    if (row?.taken) return;
    await sleep(LOCK_PAUSE_MS);
  }
  throw new Error("Another migration of this database has been running for ten minutes.");
}

/**
 * Roles belong to the whole cluster, where the lock of this database says nothing: what another
 * database's migration changed meanwhile (XX000 "tuple concurrently updated") is tried again.
 */
async function prepareRoles(
  sql: postgres.Sql,
  dir: string,
  passwords: Partial<Record<Login, string>>,
): Promise<void> {
  const bootstrap = await readFile(join(dir, "sql/bootstrap.sql"), "utf8");
  for (let tries = 1; ; tries++) {
    try {
      await sql.unsafe(bootstrap).simple();
      return await setPasswords(sql, passwords);
    } catch (error) {
      const { code } = error as { code?: string };
      if (tries === ROLE_TRIES || !["XX000", "23505", "42710"].includes(code ?? "")) throw error;
      await sleep(LOCK_PAUSE_MS);
    }
  }
}

async function setPasswords(
  sql: postgres.Sql,
  passwords: Partial<Record<Login, string>>,
): Promise<void> {
  for (const [role, password] of Object.entries(passwords)) {
    const [row] = await sql<{ command: string }[]>`
      SELECT format('ALTER ROLE %I PASSWORD %L', ${role}::text, ${password}::text) AS command`;
    await sql.unsafe(row?.command ?? "");
  }
}

type Target = {
  sql: postgres.Sql;
  dir: string;
  log: Log;
  pauseMs: number;
};

async function applyMigrations(target: Target): Promise<string[]> {
  const known = await readKnown(target.sql);
  const applied: string[] = [];
  for (const step of await readMigrations(target.dir)) {
    if (known.has(step.name)) continue;
    await applyStep(target, step);
    target.log(`applied ${step.name}`);
    applied.push(step.name);
  }
  return applied;
}

/** Functions, views and policies are replaced together: they are one program. */
async function applyFunctions(target: Target): Promise<boolean> {
  const step = await readFunctions(target.dir);
  if ((await readKnown(target.sql)).get(step.name) === step.sha256) return false;
  await applyStep(target, step);
  target.log("applied functions and policies");
  return true;
}

/** lock_not_available and deadlock_detected: nothing is wrong but the moment. */
const passing = ["55P03", "40P01"];

async function applyStep({ sql, log, pauseMs }: Target, step: Step): Promise<void> {
  const limit = onlyValidates(step.text) ? LONG_TIMEOUT_MS : STATEMENT_TIMEOUT_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await applyOnce(sql, step, limit);
    } catch (error) {
      const { code = "", message } = error as { code?: string; message: string };
      if (tries === STEP_TRIES || !passing.includes(code)) throw error;
      log(`${step.name} waits for its turn (${message})`);
      await sleep(pauseMs);
    }
  }
}

async function applyOnce(sql: postgres.Sql, step: Step, limitMs: number): Promise<void> {
  await sql.begin(async (tx) => {
    // Each statement has the limits for itself, also in one message (PostgreSQL 13 and newer).
    await tx.unsafe(
      `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = ${limitMs};
       SET LOCAL check_function_bodies = off; SET LOCAL ROLE ducat_owner`,
    );
    await tx.unsafe(step.text).simple();
    await tx`
      INSERT INTO ducat.migrations (name, sha256) VALUES (${step.name}, ${step.sha256})
      ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = clock_timestamp()`;
  });
}

/** What an interrupted build left behind INVALID is dropped first, since IF NOT EXISTS sees it. */
async function buildIndexes(sql: postgres.Sql, dir: string): Promise<void> {
  const indexes = await readConcurrentIndexes(dir);
  if (!indexes.length) return;
  // No lock_timeout: a build waits for old transactions, and nobody waits for the build.
  await sql.unsafe(`SET ROLE ducat_owner; SET statement_timeout = ${LONG_TIMEOUT_MS}`);
  const invalid = await sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'ducat'::regnamespace AND NOT i.indisvalid
      AND c.relname IN ${sql(indexes.map((index) => index.name))}`;
  for (const { name } of invalid) await sql`DROP INDEX CONCURRENTLY ducat.${sql(name)}`;
  for (const { text } of indexes) await sql.unsafe(text).simple();
  await sql.unsafe("RESET ROLE; RESET statement_timeout");
}

async function readKnown(sql: postgres.ISql): Promise<Map<string, string>> {
  const [exists] = await sql`SELECT to_regclass('ducat.migrations') IS NOT NULL AS yes`;
  if (!exists?.yes) return new Map();
  const rows = await sql<{ name: string; sha256: string }[]>`
    SELECT name, sha256 FROM ducat.migrations`;
  return new Map(rows.map((row) => [row.name, row.sha256]));
}
