import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { DATA_NAME } from "../dev/place.ts";
import { findRunningUrl } from "../dev/running-cluster.ts";
import { copyCluster } from "./copy-cluster.ts";
import { digestFiles, type Listed, linkOrCopyFiles, listFiles } from "./copy-files.ts";

/** What a backup says of itself, in manifest.json, written last: without one it is no backup. */
export type Manifest = {
  madeAt: string;
  systemId: string;
  startWal: string;
  stopWal: string;
  /** The database and secrets.json. Rows know the sha256 of customers' files. */
  files: Listed[];
};

const MANIFEST = "manifest.json";
const SECRETS = "secrets.json";
const DRAFT = ".draft-";
/** As in 2026-11-21T04-14-00-123Z, so that names sort by time. */
const isBackup = (name: string) => /^\d{4}-\d\d-\d\dT[\d-]+Z$/.test(name);

export type BackupOptions = {
  /** DATA_DIR of the running `npm start`. */
  dataDir: string;
  /** The folder that holds all backups; made if missing. */
  to: string;
  /** How many backups stay, this one too; all when left out. */
  keep?: number | undefined;
  /** false gives up safety against power cuts for speed; meant for tests. */
  fsync?: boolean | undefined;
};

/**
 * Makes a backup of a running embedded database, its secrets and its files, while it works. Returns
 * its folder. The database comes first: each file that one of its rows names is older than the row.
 */
export async function makeBackup(options: BackupOptions): Promise<string> {
  const { dataDir, to, keep, fsync = true } = options;
  const url = await findRunningUrl(dataDir);
  if (url === undefined) throw new Error(`No database runs on ${dataDir}: npm start.`);
  await mkdir(to, { recursive: true, mode: 0o700 });
  await removeDrafts(to);
  const former = (await listBackups(to)).at(-1);
  const madeAt = new Date();
  const draft = join(to, DRAFT + randomBytes(4).toString("hex"));
  await mkdir(draft, { mode: 0o700 });
  try {
    const clusterDir = await realpath(join(dataDir, DATA_NAME));
    const copy = await copyCluster({ url, dataDir: clusterDir, target: join(draft, DATA_NAME) });
    await copyFile(join(dataDir, SECRETS), join(draft, SECRETS));
    await copyBlobs(dataDir, draft, former && join(to, former));
    const paths = (await listFiles(draft)).filter((path) => !path.startsWith("blobs"));
    const files = await digestFiles(draft, paths);
    const manifest: Manifest = { madeAt: madeAt.toISOString(), ...copy, files };
    if (fsync) await syncFolder(draft);
    await writeFile(join(draft, MANIFEST), JSON.stringify(manifest));
    if (fsync) await syncFolder(draft);
    const final = join(to, manifest.madeAt.replaceAll(/[:.]/g, "-"));
    await rename(draft, final);
    if (keep !== undefined) await removeOld(to, keep);
    return final;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Adds the files that came since to the newest backup, for restoring to a later moment from the
 * archived log. Returns how many the backup has now.
 */
export async function addFiles({ dataDir, to, fsync = true }: BackupOptions): Promise<number> {
  const newest = (await listBackups(to)).at(-1);
  if (newest === undefined) throw new Error(`${to} has no backup that files could be added to.`);
  await copyBlobs(dataDir, join(to, newest), undefined);
  if (fsync) await syncFolder(join(to, newest));
  return (await listFiles(join(to, newest, "blobs"))).length;
}

/** The names of the complete backups, the newest last. */
export async function listBackups(to: string): Promise<string[]> {
  return (await readdir(to)).filter(isBackup).sort();
}

/** Throws an Error that says so when the folder is no backup. */
export async function readManifest(backup: string): Promise<Manifest> {
  const text = await readFile(join(backup, MANIFEST), "utf8").catch(() => undefined);
  if (text === undefined) throw new Error(`${backup} is no backup: it has no ${MANIFEST}.`);
  return JSON.parse(text) as Manifest;
}

async function copyBlobs(dataDir: string, backup: string, former?: string): Promise<void> {
  const from = join(dataDir, "blobs");
  await linkOrCopyFiles({
    from,
    to: join(backup, "blobs"),
    paths: await listFiles(from),
    former: former && join(former, "blobs"),
  });
}

async function removeDrafts(to: string): Promise<void> {
  const drafts = (await readdir(to)).filter((name) => name.startsWith(DRAFT));
  for (const name of drafts) await rm(join(to, name), { recursive: true, force: true });
}

async function removeOld(to: string, keep: number): Promise<void> {
  const names = await listBackups(to);
  for (const name of names.slice(0, Math.max(0, names.length - keep))) {
    // Without its manifest it is no backup, whatever happens while the rest goes.
    await rm(join(to, name, MANIFEST), { force: true });
    await rm(join(to, name), { recursive: true });
  }
}

/** All of a folder's file system to the disk, which Node can only do file by file. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "linux") await promisify(execFile)("sync", ["-f", path]);
}
