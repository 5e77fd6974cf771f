/** `pnpm db:migrate`: brings the database of DIRECT_DATABASE_URL or DATABASE_URL up to date. */
import { requireUrl, runCommand } from "./command.ts";
import { migrateAll } from "./migrate-all.ts";

await runCommand(async (settings) => {
  const log = (line: string) => console.log(line);
  const count = await migrateAll({ ...settings, adminUrl: requireUrl(settings), log });
  if (count === 0) log("up to date");
  return 0;
});
