import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import postgres from "postgres";
import { copyFiles } from "./copy-files.ts";

/** Where in the write-ahead log a copy begins and ends, and what it is a copy of. */
export type ClusterCopy = { systemId: string; startWal: string; stopWal: string };

/**
 * What a copy does not need, or must not have (PostgreSQL's documentation, "Making a Base Backup
 * Using the Low Level API"): the running server's own state, and contents that it makes anew.
 */
const LEFT_OUT = new Set(["postmaster.pid", "postmaster.opts", "ducat.port"]);
const EMPTY_FOLDERS = new Set([
  ...["pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots"],
  ...["pg_stat_tmp", "pg_subtrans"],
]);
const isTemporary = (name: string) => name.startsWith("pgsql_tmp") || name === "pg_internal.init";
/** Read last: it changes while the rest is copied, and recovery begins at the label anyway. */
const CONTROL = "global/pg_control";

/**
 * Copies a running cluster's data folder, from which a server can be started: together with the
 * write-ahead log written meanwhile it is the state at the copy's end. Others go on working.
 */
export async function copyCluster(options: {
  /** A superuser's login. */
  url: string;
  dataDir: string;
  target: string;
}): Promise<ClusterCopy> {
  const { url, dataDir, target } = options;
  const sql = postgres(url, { max: 1, onnotice: () => {}, idle_timeout: 0 });
  try {
    await refuseTablespaces(dataDir);
    // Until this session ends the server keeps the log from here on.
    const slot = `ducat_backup_${randomBytes(4).toString("hex")}`;
    await sql`SELECT pg_create_physical_replication_slot(${slot}, true, true)`;
    const [start] = await sql<{ wal: string; system: string }[]>`
      SELECT pg_walfile_name(pg_backup_start('ducat', true)) AS wal,
             (SELECT system_identifier::text FROM pg_control_system()) AS system`;
    const { wal: startWal = "", system: systemId = "" } = start ?? {};
    await copyDataFolder(dataDir, target);
    // Not until the log is archived: it is copied below, and an archive may be full for days.
    const [stop] = await sql<{ wal: string; label: string }[]>`
      SELECT pg_walfile_name(lsn) AS wal, labelfile AS label FROM pg_backup_stop(false)`;
    const { wal: stopWal = "", label = "" } = stop ?? {};
    await writeFile(join(target, "backup_label"), label);
    await copyLog({ dataDir, target, startWal, stopWal });
    return { systemId, startWal, stopWal };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function refuseTablespaces(dataDir: string): Promise<void> {
  const names = await readdir(join(dataDir, "pg_tblspc"));
  if (names.length > 0) throw new Error("A cluster with tablespaces can't be copied by this.");
}

async function copyDataFolder(dataDir: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = relative(dataDir, join(entry.parentPath, entry.name));
    const parts = path.split(/[/\\]/);
    const isEmptied = EMPTY_FOLDERS.has(parts[0] ?? "") && parts.length > 1;
    if (isEmptied || parts.some(isTemporary) || LEFT_OUT.has(path) || path === CONTROL) continue;
    // Empty folders belong to it: the server refuses to start without them.
    if (entry.isDirectory()) await mkdir(join(target, path), { recursive: true });
    else if (entry.isFile()) paths.push(path);
  }
  await copyFiles({ from: dataDir, to: target, paths });
  await copyFiles({ from: dataDir, to: target, paths: [CONTROL] });
}

/** The segments from the copy's start to its end: with them it needs no archive. */
async function copyLog(options: {
  dataDir: string;
  target: string;
  startWal: string;
  stopWal: string;
}): Promise<void> {
  const { dataDir, target, startWal, stopWal } = options;
  const from = join(dataDir, "pg_wal");
  const names = await readdir(from);
  const paths = names.filter(
    (name) =>
      name.endsWith(".history") ||
      (/^[0-9A-F]{24}$/.test(name) && name >= startWal && name <= stopWal),
  );
  if (!paths.includes(startWal) || !paths.includes(stopWal)) {
    throw new Error(`The log from ${startWal} to ${stopWal} is not complete: ${paths.join(", ")}.`);
  }
  await copyFiles({ from, to: join(target, "pg_wal"), paths });
  const { size } = await lstat(join(target, "pg_wal", stopWal));
  if (size === 0) throw new Error(`${stopWal} was copied empty.`);
}
