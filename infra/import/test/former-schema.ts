import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { type Mapping, parseMapping } from "../mapping.ts";
import type { ImportReport } from "../report.ts";
import { runWholeImport, type Step, steps } from "../run-import.ts";

/** Makes a former database out of SQL, as a schema beside ours; returns its name. */
export async function makeFormer(url: string, text: string): Promise<string> {
  const schema = `former_${randomUUID().replaceAll("-", "")}`;
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${text}`);
  } finally {
    await sql.end();
  }
  return schema;
}

type More = { isDryRun?: boolean; only?: Step[]; batch?: number };

/** Runs an import of a schema of this database into it. */
export function importFormer(
  url: string,
  mapping: Record<string, unknown>,
  { isDryRun = false, only = [...steps], batch = 500 }: More = {},
): Promise<ImportReport> {
  const settings = { mapping: read(mapping), mode: "test" as const, isDryRun, steps: only, batch };
  return runWholeImport({ ...settings, formerUrl: url, url });
}

const read = (mapping: Record<string, unknown>): Mapping => parseMapping(mapping);
