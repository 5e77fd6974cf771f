/**
 * `pnpm doctor [--json] [--account ID] [--only I1,I3] [--after ID] [--deep] [--limit-seconds N]`:
 * looks at a live database and its files without writing, and says which rules are broken, by which
 * rows; docs/doctor.md says what to do. Ends with 0 when everything was looked at and nothing is
 * wrong, 1 when something is, 2 when nothing was found but something could not be looked at.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { packageDir } from "../../packages/db/src/migration-files.ts";
import { openBlobs, StorageSettings } from "../../packages/storage/src/settings.ts";
import { requireUrl, runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { findRunningUrl } from "../dev/running-cluster.ts";
import { createSnapshot } from "./check.ts";
import { describeReport } from "./describe-report.ts";
import { examine } from "./examine.ts";
import { findRole } from "./find-role.ts";
import { readOptions } from "./read-options.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runCommand(async (settings) => {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      deep: { type: "boolean" },
      account: { type: "string" },
      after: { type: "string" },
      only: { type: "string" },
      "limit-seconds": { type: "string" },
    },
  });
  const options = readOptions(values);
  const { dataDir } = readEnvironment({ ...process.env, DATABASE_URL: "" }, root);
  const url = requireUrl({
    ...settings,
    adminUrl: settings.adminUrl ?? (await findRunningUrl(dataDir)),
  });
  const given = Object.entries(process.env).filter(([, value]) => value?.trim());
  const storage = StorageSettings.parse({ ...Object.fromEntries(given), DATA_DIR: dataDir });
  const db = postgres(url, {
    max: 1,
    onnotice: () => {},
    connect_timeout: 10,
    connection: { application_name: "ducat doctor" },
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  try {
    const role = await findRole(db);
    const report = await examine({
      ...options,
      role,
      snapshot: createSnapshot({ db, role }),
      blobs: await openBlobs(storage),
      readExpectedSchema: () => readFile(join(packageDir, "schema.snapshot.txt"), "utf8"),
      now: Date.now,
    });
    console.log(values.json ? JSON.stringify(report) : describeReport(report));
    if (report.findings.length > 0) return 1;
    return report.ok ? 0 : 2;
  } finally {
    await db.end({ timeout: 5 });
  }
});
