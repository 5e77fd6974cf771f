import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";

const packageDir = join(import.meta.dirname, "..");
/** Any number, as long as every process uses it: one migration at a time per database. */
const lockId = 20_261_120;

export type Login = "ducat_app" | "ducat_worker" | "ducat_queue";
type Log = (line: string) => void;
type Step = { name: string; sha256: string; text: string };

export type MigrateOptions = {
  /** An administrator's login: it makes roles and acts as ducat_owner. Not a pooled connection. */
  url: string;
  passwords?: Partial<Record<Login, string>> | undefined;
  log?: Log | undefined;
};

/**
 * Brings a database up to date: roles, then the migrations not yet applied (each in its own
 * transaction), then the functions if any changed, then indexes that are built concurrently.
 * Processes that start together wait for each other. Returns the names of what was applied.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const sql = connect(options.url);
  try {
    await sql`SELECT pg_advisory_lock(${lockId})`;
    await runFile(sql, "bootstrap.sql");
    await setPasswords(sql, options.passwords ?? {});
    const applied = await applyMigrations(sql, options.log);
    if (await applyFunctions(sql, options.log)) applied.push("functions");
    await buildIndexes(sql);
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
export async function readStatus(url: string): Promise<DatabaseStatus> {
  const sql = connect(url);
  try {
    const known = await readKnown(sql);
    const steps = [...(await readMigrations()), await readFunctions()];
    const applied = steps.filter((step) => known.get(step.name) === step.sha256);
    const changed = steps.filter((step) => (known.get(step.name) ?? step.sha256) !== step.sha256);
    const pending = steps.filter((step) => !known.has(step.name));
    const existing = await sql<{ name: string; valid: boolean }[]>`
      SELECT c.relname AS name, i.indisvalid AS valid
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE c.relnamespace = to_regnamespace('ducat')`;
    const invalidIndexes = existing.filter((index) => !index.valid).map((index) => index.name);
    const names = new Set(existing.map((index) => index.name));
    const missingIndexes = (await declaredIndexes()).filter((name) => !names.has(name));
    const ok = [pending, changed, invalidIndexes, missingIndexes].every((list) => !list.length);
    return {
      applied: applied.map((step) => step.name),
      pending: pending.map((step) => step.name),
      changed: changed.map((step) => step.name),
      invalidIndexes,
      missingIndexes,
      ok,
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function connect(url: string): postgres.Sql {
  return postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "ducat migrate", timezone: "UTC" },
  });
}

async function runFile(sql: postgres.Sql, name: string): Promise<void> {
  await sql.unsafe(await readFile(join(packageDir, "sql", name), "utf8")).simple();
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

async function applyMigrations(sql: postgres.Sql, log: Log | undefined): Promise<string[]> {
  const known = await readKnown(sql);
  const applied: string[] = [];
  for (const step of await readMigrations()) {
    if (known.has(step.name)) continue;
    await applyStep(sql, step);
    log?.(`applied ${step.name}`);
    applied.push(step.name);
  }
  return applied;
}

/** Functions, views and policies are replaced together: they are one program. */
async function applyFunctions(sql: postgres.Sql, log: Log | undefined): Promise<boolean> {
  const step = await readFunctions();
  if ((await readKnown(sql)).get(step.name) === step.sha256) return false;
  await applyStep(sql, step);
  log?.("applied functions and policies");
  return true;
}

async function applyStep(sql: postgres.Sql, step: Step): Promise<void> {
  await sql.begin(async (tx) => {
    // A migration that can't have its lock gives up, instead of queueing everybody behind it.
    await tx.unsafe("SET LOCAL lock_timeout = '5s'; SET LOCAL check_function_bodies = off");
    await tx.unsafe("SET LOCAL ROLE ducat_owner");
    await tx.unsafe(step.text).simple();
    await tx`
      INSERT INTO ducat.migrations (name, sha256) VALUES (${step.name}, ${step.sha256})
      ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = clock_timestamp()`;
  });
}

/** `*.concurrent.sql` holds CREATE INDEX CONCURRENTLY IF NOT EXISTS, one statement a file. */
async function buildIndexes(sql: postgres.Sql): Promise<void> {
  const files = await listFiles("sql", ".concurrent.sql");
  if (!files.length) return;
  await sql.unsafe("SET ROLE ducat_owner");
  const invalid = await sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'ducat'::regnamespace AND NOT i.indisvalid`;
  for (const { name } of invalid) await sql`DROP INDEX CONCURRENTLY ducat.${sql(name)}`;
  for (const file of files) await runFile(sql, file);
  await sql.unsafe("RESET ROLE");
}

async function readKnown(sql: postgres.Sql): Promise<Map<string, string>> {
  const [exists] = await sql`SELECT to_regclass('ducat.migrations') IS NOT NULL AS yes`;
  if (!exists?.yes) return new Map();
  const rows = await sql<{ name: string; sha256: string }[]>`
    SELECT name, sha256 FROM ducat.migrations`;
  return new Map(rows.map((row) => [row.name, row.sha256]));
}

async function readMigrations(): Promise<Step[]> {
  const files = await listFiles("drizzle", ".sql");
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(packageDir, "drizzle", file), "utf8");
      return { name: file.replace(/\.sql$/, ""), sha256: hash(text), text };
    }),
  );
}

async function readFunctions(): Promise<Step> {
  const files = (await listFiles("sql", ".sql")).filter(
    (file) => file !== "bootstrap.sql" && !file.endsWith(".concurrent.sql"),
  );
  const texts = files.map((file) => readFile(join(packageDir, "sql", file), "utf8"));
  const text = (await Promise.all(texts)).join("\n");
  return { name: "functions", sha256: hash(text), text };
}

async function declaredIndexes(): Promise<string[]> {
  const texts = [
    ...(await readMigrations()).map((step) => step.text),
    ...(await Promise.all(
      (
        await listFiles("sql", ".concurrent.sql")
      ).map((file) => readFile(join(packageDir, "sql", file), "utf8")),
    )),
  ].join("\n");
  const dropped = new Set(
    [...texts.matchAll(/DROP INDEX (?:IF EXISTS )?"?(?:ducat"?\."?)?(\w+)/g)].map((m) => m[1]),
  );
  return [
    ...texts.matchAll(/CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?"?(\w+)/g),
  ]
    .map((match) => match[1] ?? "")
    .filter((name) => !dropped.has(name));
}

async function listFiles(folder: string, ending: string): Promise<string[]> {
  const names = await readdir(join(packageDir, folder));
  return names.filter((name) => name.endsWith(ending)).sort();
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");
