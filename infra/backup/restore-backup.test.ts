import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { expect, it, onTestFinished } from "vitest";
import { startCluster } from "../dev/cluster.ts";
import { DATABASE } from "../dev/database.ts";
import { waitUntil } from "../dev/processes.ts";
import { loadSecrets } from "../dev/secrets.ts";
import { makeScratch } from "../dev/test/scratch.ts";
import { addFiles, listBackups, makeBackup } from "./make-backup.ts";
import { type RestoreOptions, restoreBackup } from "./restore-backup.ts";

/** A busy machine's disk takes its time, and no power is cut here. */
const fsync = false;

const connect = (url: string) =>
  postgres(Object.assign(new URL(url), { pathname: `/${DATABASE}` }).href, { max: 2 });

/** A cluster as `npm start` runs one, with a table, secrets and a file. */
async function startData({ archives = false } = {}) {
  const dir = await makeScratch();
  await chmod(dir, 0o711);
  const [dataDir, to] = [join(dir, "data"), join(dir, "backups")];
  const archiveDir = archives ? join(dir, "wal") : undefined;
  const cluster = await startCluster({ dir: dataDir, archiveDir, fsync });
  onTestFinished(() => cluster.stop("immediate"));
  const server = postgres(cluster.url, { max: 1 });
  await server.unsafe(`CREATE DATABASE ${DATABASE}`);
  await server.end();
  const sql = connect(cluster.url);
  onTestFinished(() => sql.end({ timeout: 1 }));
  await sql`CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY, text text)`;
  await loadSecrets(dataDir, { mode: "test" });
  await writeBlob(dataDir, "one");
  return { dir, dataDir, to, archiveDir, cluster, sql };
}

async function writeBlob(dataDir: string, name: string): Promise<void> {
  await mkdir(join(dataDir, "blobs/a"), { recursive: true });
  await writeFile(join(dataDir, "blobs/a", name), name);
}

/** Starts what was restored, reads its notes and stops it. */
async function readNotes(dataDir: string): Promise<string[]> {
  const cluster = await startCluster({ dir: dataDir, fsync });
  const sql = connect(cluster.url);
  const rows = await sql<{ text: string }[]>`SELECT text FROM notes ORDER BY id`;
  await sql.end();
  await cluster.stop();
  return rows.map((row) => row.text);
}

it("goes back to a moment after a backup that was made while others wrote", async () => {
  const { dir, dataDir, to, archiveDir, cluster, sql } = await startData({ archives: true });
  let isWriting = true;
  const writing = (async () => {
    for (let n = 0; isWriting; n++) await sql`INSERT INTO notes (text) VALUES (${`n${n}`})`;
  })();
  const from = await makeBackup({ fsync, dataDir, to });
  isWriting = false;
  await writing;
  await sql`INSERT INTO notes (text) VALUES ('after the backup')`;
  await writeBlob(dataDir, "two");
  expect(await addFiles({ fsync, dataDir, to })).toBe(2);
  const before = await sql<{ text: string }[]>`SELECT text FROM notes ORDER BY id`;
  const [row] = await sql<{ now: Date }[]>`SELECT clock_timestamp() AS now, pg_sleep(0.02)`;
  await sql`INSERT INTO notes (text) VALUES ('a mistake')`;
  await sql`SELECT pg_switch_wal()`;
  const isArchived = async () => (await readdir(join(dir, "wal"))).length > 2;
  expect(await waitUntil(isArchived, 10_000)).toBe(true);
  await expect
    .poll(async () => {
      const [archiver] = await sql`
      SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) AS done
      FROM pg_stat_archiver`;
      return archiver?.done;
    })
    .toBe(true);
  const secrets = await readFile(join(dataDir, "secrets.json"), "utf8");
  await cluster.kill();

  const target = join(dir, "restored");
  await restoreBackup({ fsync, from, dataDir: target, archiveDir, until: row?.now });
  expect(await readNotes(target)).toEqual(before.map(({ text }) => text));
  expect(before.at(-1)?.text).toBe("after the backup");
  expect(await readFile(join(target, "secrets.json"), "utf8")).toBe(secrets);
  expect((await stat(join(target, "secrets.json"))).mode & 0o777).toBe(0o600);
  expect(await readdir(join(target, "blobs/a"))).toEqual(["one", "two"]);
});

it("restores a backup by itself, moves aside what is there, and refuses a damaged one", async () => {
  const { dir, dataDir, to, cluster, sql } = await startData();
  await sql`INSERT INTO notes (text) VALUES ('first')`;
  await mkdir(join(to, ".draft-left"), { recursive: true });
  const first = await makeBackup({ fsync, dataDir, to });
  await sql`INSERT INTO notes (text) VALUES ('second')`;
  const second = await makeBackup({ fsync, dataDir, to, keep: 2 });
  expect(await readdir(to)).toHaveLength(2);
  const inode = async (backup: string) => (await stat(join(backup, "blobs/a/one"))).ino;
  expect(await inode(second), "files that never change are kept once").toBe(await inode(first));

  const restore = (options: Partial<RestoreOptions> = {}) =>
    restoreBackup({ fsync, from: first, dataDir, ...options });
  await expect(restore(), "while it runs").rejects.toThrow("in use by process");
  await cluster.stop();
  await expect(restore()).rejects.toThrow("has postgres, secrets.json, blobs already");
  await expect(restore({ from: to })).rejects.toThrow("is no backup");
  await expect(restore({ until: new Date() })).rejects.toThrow("WAL_ARCHIVE_DIR");
  const aside = await restore({ replace: true });
  expect(aside.map((name) => name.replace(/\.replaced-.*/, ""))).toEqual([
    "postgres",
    "secrets.json",
    "blobs",
  ]);
  expect(await readNotes(dataDir)).toEqual(["first"]);
  expect(await readdir(dataDir)).toEqual(expect.arrayContaining(aside));

  await appendFile(join(second, "postgres/global/pg_control"), "x");
  const target = join(dir, "other");
  await expect(restore({ from: second, dataDir: target })).rejects.toThrow(
    "is damaged: postgres/global/pg_control (1 files)",
  );
  await rm(join(first, "manifest.json"));
  await expect(restore({ from: first, dataDir: target })).rejects.toThrow("no backup");
  await expect(readdir(target)).rejects.toThrow("ENOENT");
});

it("keeps as many as it is told, also while the archive is full, if something runs", async () => {
  const { dir, dataDir, to, cluster, sql } = await startData({ archives: true });
  await sql`INSERT INTO notes (text) VALUES ('not archived')`;
  await rm(join(dir, "wal"), { recursive: true });
  await expect(addFiles({ fsync, dataDir, to: dataDir })).rejects.toThrow("has no backup");
  await makeBackup({ fsync, dataDir, to });
  const last = await makeBackup({ fsync, dataDir, to, keep: 1 });
  expect((await listBackups(to)).map((name) => join(to, name))).toEqual([last]);
  await cluster.stop();
  await expect(makeBackup({ fsync, dataDir, to })).rejects.toThrow("No database runs on");
});
