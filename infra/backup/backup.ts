/**
 * `pnpm backup --to FOLDER [--keep N] [--files]`: a backup of the embedded database that runs on
 * DATA_DIR, with its secrets and files, while it works. `--files` only adds the files that came
 * since to the newest one. A PostgreSQL of your own has its own ways: docs/operations.md.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { addFiles, makeBackup } from "./make-backup.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runCommand(async () => {
  const { values } = parseArgs({
    options: { to: { type: "string" }, keep: { type: "string" }, files: { type: "boolean" } },
  });
  if (values.to === undefined) throw new Error("Say where: pnpm backup --to FOLDER");
  const { dataDir, databaseUrl } = readEnvironment(process.env, root);
  if (databaseUrl !== undefined) {
    throw new Error("DATABASE_URL is set: that server is backed up by its own tools (docs).");
  }
  const keep = values.keep === undefined ? undefined : Number(values.keep);
  if (keep !== undefined && !(Number.isInteger(keep) && keep > 0)) {
    throw new Error("--keep is a number from 1 on.");
  }
  const to = resolve(values.to);
  if (values.files)
    console.log(`${await addFiles({ dataDir, to })} files are in the newest backup`);
  else console.log(`made ${await makeBackup({ dataDir, to, keep })}`);
  if (process.env.S3_BUCKET?.trim()) {
    console.log("Files are in S3_BUCKET: keep its versions, or copy it beside this backup.");
  }
  return 0;
});
