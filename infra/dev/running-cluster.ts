import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PORT_FILE } from "./cluster.ts";
import { DATABASE } from "./database.ts";
import { PASSWORD_FILE, SUPERUSER } from "./initdb.ts";
import { DATA_NAME } from "./place.ts";

/** An administrator's URL of the embedded database while `npm start` runs it on this folder. */
export async function findRunningUrl(dataDir: string): Promise<string | undefined> {
  const folder = join(dataDir, DATA_NAME);
  if (!existsSync(join(folder, "postmaster.pid"))) return undefined;
  const read = async (name: string) => (await readFile(join(folder, name), "utf8")).trim();
  const [port, password] = await Promise.all([read(PORT_FILE), read(PASSWORD_FILE)]);
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${DATABASE}`;
}
