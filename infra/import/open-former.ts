import postgres from "postgres";
import { createFormer, type Former } from "./former.ts";
import { findTables, type Relation, type TableSpec } from "./former-tables.ts";
import type { Mapping } from "./mapping.ts";

export type OpenOptions = {
  url: string;
  schema: string;
  specs: Record<string, TableSpec>;
  tables: Mapping["tables"];
};

/**
 * Reads a former database within one read-only transaction, from one snapshot. Throws an Error that
 * names each table and column that is missing.
 */
export async function readFormer<T>(
  { url, schema, specs, tables: named }: OpenOptions,
  work: (former: Former) => Promise<T>,
): Promise<T> {
  const sql = connectFormer(url);
  try {
    // postgres.js unwraps the promise of what the transaction returns.
    const done = await sql.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", async (tx) => {
      const { tables, faults } = findTables(specs, await listRelations(tx, schema), named);
      if (faults.length > 0) throw new Error(faults.join("\n"));
      return { result: await work(createFormer(tx, schema, tables)) };
    });
    return done.result;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

export const connectFormer = (url: string) =>
  postgres(url, {
    max: 1,
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: "ducat import", timezone: "UTC", statement_timeout: 300_000 },
  });

/** Tables and views of a schema with their columns' types. */
export async function listRelations(tx: postgres.ISql, schema: string): Promise<Relation[]> {
  const rows = await tx<{ name: string; columns: Record<string, string> }[]>`
    SELECT c.relname AS name,
      jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = ${schema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY 1`;
  return [...rows];
}
