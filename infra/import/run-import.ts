import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { connectDatabase, type Db } from "../../packages/db/src/connect.ts";
import { countImportFiles, noteImport } from "../../packages/db/src/imports.ts";
import type { Former } from "./former.ts";
import { importPeople } from "./import-people.ts";
import { importSettings, importStyles } from "./import-styles.ts";
import type { Mapping } from "./mapping.ts";
import { findMappingFaults, readOffers } from "./offers.ts";
import { readFormer } from "./open-former.ts";
import { type ImportReport, startReport } from "./report.ts";
import type { Context } from "./system.ts";
import { findSystem } from "./systems/find-system.ts";

export const steps = ["accounts", "styles", "settings"] as const;
export type Step = (typeof steps)[number];

export type ImportSettings = {
  /** Of the former database; it is only read. */
  formerUrl: string;
  /** Of ours: a login that may act as the API and the worker do. */
  url: string;
  mapping: Mapping;
  mode: "test" | "live";
  isDryRun: boolean;
  steps: readonly Step[];
  /** People in one transaction, at most 500. */
  batch: number;
  now?: Date;
};

/** Another run of the same source has not ended. */
export class ImportRunning extends Error {
  constructor(source: string) {
    super(`Another import of ${source} is running.`);
    this.name = "ImportRunning";
  }
}

/**
 * Reads a former system from one snapshot and moves in what is not here yet. A dry run writes
 * nothing. Throws ImportRunning, and an Error that names what of the mapping does not fit.
 */
export async function runWholeImport(options: ImportSettings): Promise<ImportReport> {
  const { url, mapping } = options;
  const db = connectDatabase({ url, role: "ducat_worker", name: "ducat import", max: 3 });
  // What operators set, they set as the API.
  const operator = connectDatabase({ url, role: "ducat_app", name: "ducat import", max: 1 });
  const lock = await db.reserve();
  try {
    await takeLock(lock, mapping.source);
    return await importAll({ db, operator }, options);
  } finally {
    await lock`SELECT pg_advisory_unlock_all()`.catch(() => {});
    lock.release();
    await Promise.all([db, operator].map((one) => one.end({ timeout: 5 })));
  }
}

/** Held by the session: it goes with the process. */
async function takeLock(session: postgres.ReservedSql<{ bigint: number }>, source: string) {
  const [row] = await session<{ taken: boolean }[]>`
    SELECT pg_try_advisory_lock(hashtext('ducat.import.run'), hashtext(${source})) AS taken`;
  if (!row?.taken) throw new ImportRunning(source);
}

async function importAll(
  { db, operator }: { db: Db; operator: Db },
  options: ImportSettings,
): Promise<ImportReport> {
  const { formerUrl, mapping, mode, isDryRun, batch } = options;
  const system = findSystem(mapping.system);
  const offers = await readOffers(db);
  const faults = findMappingFaults(mapping, offers);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const { source } = mapping;
  const report = startReport({ source, system: mapping.system, mode, is_dry_run: isDryRun });
  const audit = { actor: "import", request_id: randomUUID(), ip: null };
  const wants = (step: Step) => options.steps.includes(step);
  const open = { url: formerUrl, schema: mapping.schema, specs: system.tables };
  await readFormer({ ...open, tables: mapping.tables }, async (former) => {
    if (wants("accounts")) {
      const lists = await readLists(former, system.lists);
      const context: Context = { mapping, offers, mode, now: options.now ?? new Date(), lists };
      const deps = { db, audit, context, isDryRun };
      await importPeople(deps, { former, system, report }, { size: batch });
    }
    const deps = { db: operator, audit, mapping, isDryRun };
    if (wants("styles")) await importStyles(deps, former, report);
    if (wants("settings")) await importSettings(deps, former, report);
  });
  if (!isDryRun) await noteImport(db, mapping.source, { totals: totalsOf(report), audit });
  report.files = await countImportFiles(db, mapping.source);
  return report;
}

async function readLists(former: Former, names: string[]): Promise<Context["lists"]> {
  const lists: Context["lists"] = {};
  for (const name of names) lists[name] = await former.listAll(name);
  return lists;
}

/** What the audit line keeps: numbers, and nobody's row. */
const totalsOf = ({ system, people, credits, reasons, styles, settings }: ImportReport) => ({
  system,
  people,
  credits,
  reasons,
  styles: styles.created.length,
  settings: settings.set,
});
