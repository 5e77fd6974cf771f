import {
  assertSchemaCompatibility,
  LATEST_SCHEMA_VERSION,
  quoteSchemaName,
  runMigrations,
  SchemaMigrationRequiredError,
} from "bullmq";
import pg from "pg";
import { postgresConfig } from "./postgres-settings.ts";

const CONNECT_MS = 10_000;
const STATEMENT_MS = 60_000;
/** The second half of the advisory lock is the schema's hash; BullMQ's own lock has another key. */
const LOCK_KEY = 0x44554341;

export type MigrateOptions = { schema?: string; role?: string };

/**
 * Brings BullMQ's tables in PostgreSQL to the version of this release and returns it. Safe to run
 * from several processes at once and again at any time; it never goes back. `url` is an
 * administrator's: with `role`, that role owns the schema and everything in it.
 */
export async function migrateQueue(url: string, options: MigrateOptions = {}): Promise<number> {
  const { schema = "bullmq", role } = options;
  const client = new pg.Client(
    postgresConfig({ url, schema }, { connectMs: CONNECT_MS, statementMs: STATEMENT_MS }),
  );
  // A connection that breaks between two queries must not end the process.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1, hashtext($2))", [LOCK_KEY, schema]);
    if (await isCurrent(client, schema)) return LATEST_SCHEMA_VERSION;
    if (role === undefined) return await runMigrations(client, schema);
    return await asOwner(client, { schema, role }, () => runMigrations(client, schema));
  } finally {
    await client.end();
  }
}

async function isCurrent(client: pg.Client, schema: string): Promise<boolean> {
  try {
    return (await assertSchemaCompatibility(client, schema)) >= LATEST_SCHEMA_VERSION;
  } catch (error) {
    if (error instanceof SchemaMigrationRequiredError) return false;
    throw error;
  }
}

/**
 * Runs as the role, which may create in the database only meanwhile: BullMQ's CREATE SCHEMA IF NOT
 * EXISTS asks for that right even when the schema is there.
 */
async function asOwner<T>(
  client: pg.Client,
  { schema, role }: { schema: string; role: string },
  run: () => Promise<T>,
): Promise<T> {
  const owner = client.escapeIdentifier(role);
  const { rows } = await client.query<{ database: string; may_create: boolean }>(
    `SELECT current_database() AS database,
            has_database_privilege($1, current_database(), 'CREATE') AS may_create`,
    [role],
  );
  const database = client.escapeIdentifier(rows[0]?.database ?? "");
  const lend = rows[0]?.may_create === false;
  await client.query(
    `CREATE SCHEMA IF NOT EXISTS ${quoteSchemaName(schema)} AUTHORIZATION ${owner}`,
  );
  // BullMQ's bulk insert works through temporary tables.
  await client.query(`GRANT TEMPORARY ON DATABASE ${database} TO ${owner}`);
  if (lend) await client.query(`GRANT CREATE ON DATABASE ${database} TO ${owner}`);
  try {
    await client.query(`SET ROLE ${owner}`);
    return await run();
  } finally {
    await client.query("RESET ROLE");
    if (lend) await client.query(`REVOKE CREATE ON DATABASE ${database} FROM ${owner}`);
  }
}
