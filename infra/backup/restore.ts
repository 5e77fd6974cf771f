/**
 * `pnpm restore --from BACKUP [--at 2026-11-21T10:00:00Z] [--replace]`: puts a backup into
 * DATA_DIR, where nothing may run. With WAL_ARCHIVE_DIR everything archived since comes back too,
 * up to that moment. `--replace` moves aside what is there. Then `npm start`, `pnpm doctor`.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { restoreBackup } from "./restore-backup.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runCommand(async () => {
  const { values } = parseArgs({
    options: { from: { type: "string" }, at: { type: "string" }, replace: { type: "boolean" } },
  });
  if (values.from === undefined) throw new Error("Say which: pnpm restore --from BACKUP");
  const { dataDir, archiveDir } = readEnvironment(process.env, root);
  const aside = await restoreBackup({
    ...{ from: resolve(values.from), dataDir, archiveDir },
    until: readMoment(values.at),
    replace: values.replace,
  });
  for (const name of aside) console.log(`moved aside: ${name}`);
  console.log(`restored ${dataDir}. Now: npm start, pnpm doctor, pnpm backup (a new line begins).`);
  return 0;
});

/** With its zone: a moment that is read otherwise than it was meant loses an hour of work. */
function readMoment(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const moment = new Date(text);
  const isWhole = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  if (isWhole && !Number.isNaN(moment.getTime())) return moment;
  throw new Error(`--at is "${text}"; it is a moment with its zone, as in 2026-11-21T10:00:00Z.`);
}
