import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chown,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { DATA_NAME, type Place } from "./place.ts";

const run = promisify(execFile);
const INITDB_LIMIT_MS = 120_000;
/** Lives in the data folder, so that the folder and its password appear together. */
export const PASSWORD_FILE = "ducat.password";
export const SUPERUSER = "postgres";

/**
 * Returns the data folder, making it when there is none. It is made under a temporary name and
 * renamed when finished; unfinished ones of earlier starts are deleted first.
 */
export async function ensureDataFolder(dir: string, place: Place, sync: boolean): Promise<string> {
  await removeDrafts(place);
  if (place.dataDir !== undefined) {
    if (await isComplete(place.dataDir)) return place.dataDir;
    throw new Error(`${place.dataDir} is not a complete data folder: move or delete it.`);
  }
  const draft = join(place.parent, place.draftPrefix + randomBytes(4).toString("hex"));
  try {
    await makeFolder(draft, place);
    await runInitdb(draft, place, sync);
    const final = join(place.parent, place.name);
    await rename(join(draft, "data"), final);
    if (place.parent !== dir) await symlink(final, join(dir, DATA_NAME));
    await syncFolder(place.parent);
    return final;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function removeDrafts(place: Place): Promise<void> {
  for (const name of await readdir(place.parent)) {
    if (!name.startsWith(place.draftPrefix)) continue;
    await rm(join(place.parent, name), { recursive: true, force: true });
  }
}

async function isComplete(dataDir: string): Promise<boolean> {
  for (const name of ["PG_VERSION", "global/pg_control", PASSWORD_FILE]) {
    if ((await stat(join(dataDir, name)).catch(() => undefined)) === undefined) return false;
  }
  return true;
}

async function makeFolder(path: string, { user }: Place): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (user) await chown(path, user.uid, user.gid);
}

async function runInitdb(draft: string, { native, user }: Place, sync: boolean): Promise<void> {
  const password = join(draft, "password");
  await writeFile(password, randomBytes(24).toString("base64url"), { mode: 0o600 });
  if (user) await chown(password, user.uid, user.gid);
  const options = [
    // Sorting by code point and Unicode letter case, the same on every machine.
    ...["--encoding=UTF8", "--locale=C"],
    ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ...[`--username=${SUPERUSER}`, `--pwfile=${password}`, "--auth=scram-sha-256"],
    "--no-instructions",
    ...(sync ? [] : ["--no-sync"]),
  ];
  await run(join(native, "bin", "initdb"), [...options, `--pgdata=${join(draft, "data")}`], {
    cwd: draft,
    env: { LC_ALL: "C", TZ: "UTC" },
    timeout: INITDB_LIMIT_MS,
    ...user,
  }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`initdb failed: ${error.stderr?.trim() || error.message}`);
  });
  await rename(password, join(draft, "data", PASSWORD_FILE));
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  await handle.sync();
  await handle.close();
}
