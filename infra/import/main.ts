/**
 * `pnpm import --source <url> --mapping file.json [--dry-run] [--only accounts,styles,settings]
 * [--files] [--batch 500] [--json]`: moves people, plans, balances, paid history and pictures in
 * from the database of a former system; see docs/import.md. `--suggest <system>` writes a mapping
 * to begin with. Ends with 0 when all is here, 1 when something was refused, has changed there or
 * does not add up, 2 when it could not run.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createPhotoFetcher } from "../../apps/worker/src/fetch-photo.ts";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { countImportFiles } from "../../packages/db/src/imports.ts";
import { createImageIntake } from "../../packages/storage/src/image-intake.ts";
import { openBlobs, StorageSettings } from "../../packages/storage/src/settings.ts";
import { requireUrl, runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { findRunningUrl } from "../dev/running-cluster.ts";
import { copyFiles } from "./copy-files.ts";
import { type Mapping, parseMapping, systemNames } from "./mapping.ts";
import { describeReport, exitCodeOf } from "./report.ts";
import { runWholeImport, type Step, steps } from "./run-import.ts";
import { suggestMapping } from "./suggest-mapping.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const readArguments = () =>
  parseArgs({
    options: {
      source: { type: "string" },
      mapping: { type: "string" },
      "dry-run": { type: "boolean" },
      only: { type: "string" },
      files: { type: "boolean" },
      batch: { type: "string" },
      suggest: { type: "string" },
      schema: { type: "string" },
      json: { type: "boolean" },
    },
  }).values;
type Arguments = ReturnType<typeof readArguments>;
type Place = { url: string; mode: "test" | "live"; dataDir: string };

await runCommand(async (settings) => {
  const given = readArguments();
  const { dataDir } = readEnvironment({ ...process.env, DATABASE_URL: "" }, root);
  const adminUrl = settings.adminUrl ?? (await findRunningUrl(dataDir));
  const place = { url: requireUrl({ ...settings, adminUrl }), mode: settings.mode, dataDir };
  if (given.suggest !== undefined) return await suggest(given, place);
  if (given.mapping === undefined) throw new Error("--mapping names the file of the mapping.");
  const mapping = parseMapping(JSON.parse(await readFile(given.mapping, "utf8")));
  const code = given.files && !given.source ? 0 : await move(given, place, mapping);
  return given.files && !given["dry-run"] ? Math.max(code, await copy(place, mapping)) : code;
});

async function suggest(given: Arguments, { url }: Place): Promise<number> {
  const system = systemNames.find((one) => one === given.suggest);
  if (!system) throw new Error(`--suggest is one of ${systemNames.join(", ")}.`);
  const db = connectDatabase({ url, role: "ducat_worker", name: "ducat import", max: 1 });
  try {
    const how = { formerUrl: requireSource(given), system, schema: given.schema ?? "public" };
    const { mapping, notes } = await suggestMapping(db, how);
    console.log(JSON.stringify(mapping, null, 2));
    for (const note of notes) console.error(note);
    return notes.length > 0 ? 1 : 0;
  } finally {
    await db.end({ timeout: 5 });
  }
}

async function move(given: Arguments, { url, mode }: Place, mapping: Mapping): Promise<number> {
  const report = await runWholeImport({
    formerUrl: requireSource(given),
    url,
    mapping,
    mode,
    isDryRun: given["dry-run"] ?? false,
    steps: given.only === undefined ? steps : readSteps(given.only),
    batch: readBatch(given.batch),
  });
  console.log(given.json ? JSON.stringify(report) : describeReport(report));
  return exitCodeOf(report);
}

/** Pictures that are to be fetched now; what failed for good is told, and is no reason to stop. */
async function copy({ url, dataDir }: Place, mapping: Mapping): Promise<number> {
  const db = connectDatabase({ url, role: "ducat_worker", name: "ducat import", max: 3 });
  try {
    // An empty variable counts as unset, as everywhere.
    const filled = Object.entries(process.env).filter(([, value]) => value?.trim());
    const storage = StorageSettings.parse({ DATA_DIR: dataDir, ...Object.fromEntries(filled) });
    const { hosts } = mapping.files;
    const deps = {
      db,
      blobs: await openBlobs(storage),
      imageIntake: createImageIntake(),
      fetchPhoto: createPhotoFetcher(),
      hosts,
    };
    const kept = await copyFiles(deps, mapping.source);
    const states = await countImportFiles(db, mapping.source);
    console.error(`${kept} pictures were fetched.`);
    for (const { status, error, count } of states) {
      console.error(`${status}${error ? ` (${error})` : ""}: ${count}`);
    }
    return states.some(({ status }) => status !== "done") ? 1 : 0;
  } finally {
    await db.end({ timeout: 5 });
  }
}

function requireSource({ source }: Arguments): string {
  if (source && /^postgres(ql)?:\/\//.test(source)) return source;
  throw new Error("--source is the postgres:// URL of the former database.");
}

function readSteps(text: string): Step[] {
  return text.split(",").map((name) => {
    const step = steps.find((one) => one === name.trim());
    if (!step) throw new Error(`--only has some of ${steps.join(", ")}.`);
    return step;
  });
}

function readBatch(text = "500"): number {
  const batch = Number(text);
  if (Number.isInteger(batch) && batch >= 1 && batch <= 500) return batch;
  throw new Error("--batch is from 1 to 500.");
}
