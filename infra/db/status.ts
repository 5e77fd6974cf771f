/**
 * `pnpm db:status [--json]`: compares the database with this version's files and changes nothing.
 * The exit code is 0 only when nothing is pending, changed, invalid or missing.
 */
import { type DatabaseStatus, readStatus } from "../../packages/db/src/migrate.ts";
import { requireUrl, runCommand } from "./command.ts";

await runCommand(async (urls) => {
  const status = await readStatus(requireUrl(urls));
  console.log(process.argv.includes("--json") ? JSON.stringify(status, null, 2) : toText(status));
  return status.ok ? 0 : 1;
});

function toText(status: DatabaseStatus): string {
  const lists: [string, string[]][] = [
    ["applied", status.applied],
    ["pending", status.pending],
    ["changed", status.changed],
    ["invalid index", status.invalidIndexes],
    ["missing index", status.missingIndexes],
  ];
  const lines = lists.flatMap(([title, names]) =>
    names.map((name) => `${title.padEnd(13)}  ${name}`),
  );
  return [...lines, status.ok ? "up to date" : "not up to date: run db:migrate"].join("\n");
}
