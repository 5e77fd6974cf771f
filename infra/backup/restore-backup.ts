import { randomBytes } from "node:crypto";
import {
  chmod,
  chown,
  copyFile,
  cp,
  lstat,
  mkdir,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { startCluster } from "../dev/cluster.ts";
import { type Lock, takeLock } from "../dev/lock.ts";
import { DATA_NAME, findPlace, type User } from "../dev/place.ts";
import { awaitRecovery } from "./await-recovery.ts";
import { findDamaged, unlessGone } from "./copy-files.ts";
import { readManifest } from "./make-backup.ts";

export type RestoreOptions = {
  /** The folder of one backup. */
  from: string;
  dataDir: string;
  /** Where the log was archived to (WAL_ARCHIVE_DIR); left out: the backup's own state. */
  archiveDir?: string | undefined;
  /** The moment to go back to, in the archived log; left out: its end. */
  until?: Date | undefined;
  /** Moves aside what `dataDir` has, which is otherwise a reason to refuse. */
  replace?: boolean | undefined;
  /** false gives up safety against power cuts for speed; meant for tests. */
  fsync?: boolean | undefined;
};

const OURS = [DATA_NAME, "secrets.json", "blobs"];

/**
 * Puts a backup in place and lets PostgreSQL recover it, up to a moment if there is an archive.
 * Nothing is ever deleted: what was there is renamed. Returns the names of what was moved aside.
 * Throws when the backup is damaged, when something runs on the folder, when something is there.
 */
export async function restoreBackup(options: RestoreOptions): Promise<string[]> {
  const { from, dataDir, archiveDir, until, replace = false, fsync = true } = options;
  if (until !== undefined && archiveDir === undefined) {
    throw new Error("A moment to go back to needs the archived log (WAL_ARCHIVE_DIR).");
  }
  await checkBackup(from);
  await mkdir(dataDir, { recursive: true });
  const lock = await takeLock(dataDir);
  try {
    const aside = await moveAside(dataDir, replace);
    await placeData(from, dataDir, archiveDir !== undefined);
    await copyFile(join(from, "secrets.json"), join(dataDir, "secrets.json"));
    await chmod(join(dataDir, "secrets.json"), 0o600);
    await unlessGone(cp(join(from, "blobs"), join(dataDir, "blobs"), { recursive: true }));
    await recover({ dataDir, lock, archiveDir, until, fsync });
    return aside;
  } finally {
    await lock.release();
  }
}

async function checkBackup(from: string): Promise<void> {
  const { files } = await readManifest(from);
  const damaged = await findDamaged(from, files);
  if (damaged.length === 0) return;
  throw new Error(
    `${from} is damaged: ${damaged.slice(0, 5).join(", ")} (${damaged.length} files).`,
  );
}

async function moveAside(dataDir: string, replace: boolean): Promise<string[]> {
  const found: string[] = [];
  for (const name of OURS) {
    if ((await unlessGone(lstat(join(dataDir, name)))) !== undefined) found.push(name);
  }
  if (found.length === 0) return [];
  if (!replace) {
    throw new Error(
      `${dataDir} has ${found.join(", ")} already. Give an empty folder, or --replace to have ` +
        "that moved aside.",
    );
  }
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const names: string[] = [];
  for (const name of found) {
    names.push(`${name}.replaced-${stamp}`);
    await rename(join(dataDir, name), join(dataDir, `${name}.replaced-${stamp}`));
  }
  return names;
}

/** Under another name first, as initdb's: a data folder is complete or not there. */
async function placeData(from: string, dataDir: string, hasArchive: boolean): Promise<void> {
  const place = await findPlace(dataDir);
  const draft = join(place.parent, place.draftPrefix + randomBytes(4).toString("hex"));
  try {
    await cp(join(from, DATA_NAME), draft, { recursive: true });
    // Without an archive the log that is in the backup is all there is.
    if (hasArchive) await writeFile(join(draft, "recovery.signal"), "");
    await giveTo(draft, place.user);
    const final = join(place.parent, place.name);
    await rename(draft, final);
    if (place.parent !== dataDir) await symlink(final, join(dataDir, DATA_NAME));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function giveTo(folder: string, user: User | undefined): Promise<void> {
  await chmod(folder, 0o700);
  if (user === undefined) return;
  await chown(folder, user.uid, user.gid);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await chown(join(entry.parentPath, entry.name), user.uid, user.gid);
  }
}

/** Starts the server until it has recovered and takes writes, then stops it in order. */
async function recover(options: {
  dataDir: string;
  lock: Lock;
  archiveDir: string | undefined;
  until: Date | undefined;
  fsync: boolean;
}): Promise<void> {
  const { dataDir, lock, archiveDir, until, fsync } = options;
  const settings = {
    ...(archiveDir && { restore_command: `cp "${archiveDir}/%f" "%p"` }),
    ...(until && {
      // A number: names of zones, Z too, are not known so early.
      recovery_target_time: until.toISOString().replace("Z", "+00"),
      recovery_target_action: "promote",
    }),
  };
  const cluster = await startCluster({ dir: dataDir, lock, archiveDir, fsync, settings });
  try {
    const sql = postgres(cluster.url, { max: 1, onnotice: () => {} });
    const read = async () => {
      const [row] = await sql<{ isDone: boolean; at: string | null }[]>`
        SELECT NOT pg_is_in_recovery() AS "isDone", pg_last_wal_replay_lsn()::text AS at`;
      return row ?? { isDone: false, at: null };
    };
    const done = await awaitRecovery(read).finally(() => sql.end({ timeout: 5 }));
    // Only this run knows where the log is: a plain start could not go on.
    if (!done) {
      throw new Error("PostgreSQL does not get on: see postgres.log, then again with --replace.");
    }
  } finally {
    await cluster.stop();
  }
}
