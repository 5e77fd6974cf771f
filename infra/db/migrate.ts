/** `pnpm db:migrate`: brings the database of DIRECT_DATABASE_URL or DATABASE_URL up to date. */
import { requireUrl, runCommand } from "./command.ts";
import { migrateAll } from "./migrate-all.ts";

await runCommand(async (urls) => {
  const log = (line: string) => console.log(line);
  const adminUrl = requireUrl(urls);
  const count = await migrateAll({ adminUrl, queueUrl: urls.queueUrl, log });
  if (count === 0) log("up to date");
  return 0;
});
