import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DATA_NAME } from "../dev/place.ts";
import { addFiles, makeBackup } from "./make-backup.ts";
import { restoreBackup } from "./restore-backup.ts";
import { type Shop, startShop } from "./start-shop.ts";

const root = resolve(import.meta.dirname, "../..");
const DOCTOR_LIMIT_MS = 120_000;

export type Drill = {
  /** An empty folder for all of it. */
  dir: string;
  log: (line: string) => void;
};

/** Throws an Error that says what did not hold; nothing runs on when it returns or throws. */
export async function runDrill({ dir, log }: Drill): Promise<void> {
  const [dataDir, to, archiveDir] = ["data", "backups", "wal"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  const startedAt = Date.now();
  const say = (what: string) => log(`${((Date.now() - startedAt) / 1000).toFixed(1)} s  ${what}`);
  let shop: Shop | undefined;
  // Started by root, PostgreSQL runs as another user, who comes through here.
  await chmod(dir, 0o711);
  try {
    shop = await startShop({ dataDir, archiveDir });
    say("a deployment runs");
    await shop.openAccount("ada");
    await shop.generate("ada", "before-backup");
    const backup = await makeBackup({ dataDir, to });
    say("backed up while it works");
    await shop.generate("ada", "after-backup");
    await addFiles({ dataDir, to });
    const expected = await shop.read("ada");
    const until = await shop.readTime();
    // Commits of the same millisecond would be on either side of the moment.
    await sleep(20);
    await shop.openAccount("mistake");
    await shop.archiveLog();
    say("went on, then made a mistake");
    await shop.crash();
    await destroy(dataDir);
    say("killed everything and destroyed the data");
    await restoreBackup({ from: backup, dataDir, archiveDir, until });
    say("restored to the moment before the mistake");
    shop = await startShop({ dataDir, archiveDir });
    await compare(shop, expected);
    await shop.generate("ada", "after-restore");
    say("the book is as it was, its files can be read, and a generation completed");
    await examine(shop.adminUrl, dataDir);
    say("the doctor found nothing");
  } finally {
    await shop?.stop();
  }
}

/** What a lost disk takes: the database, also where a link leads to it, secrets and files. */
async function destroy(dataDir: string): Promise<void> {
  const folder = await realpath(join(dataDir, DATA_NAME));
  await rm(folder, { recursive: true });
  await rm(dataDir, { recursive: true });
  if (existsSync(folder) || existsSync(dataDir)) throw new Error("The data is still there.");
}

async function compare(shop: Shop, expected: unknown): Promise<void> {
  const [before, after] = [JSON.stringify(expected), JSON.stringify(await shop.read("ada"))];
  if (before !== after) throw new Error(`The book was ${before} and is ${after}.`);
  if (await shop.hasAccount("mistake")) throw new Error("The mistake came back.");
}

function examine(adminUrl: string, dataDir: string): Promise<void> {
  const script = join(root, "infra/doctor/main.ts");
  const env = { PATH: process.env.PATH, DATABASE_URL: adminUrl, DATA_DIR: dataDir };
  const options = { cwd: root, env, timeout: DOCTOR_LIMIT_MS };
  return new Promise((settle, reject) => {
    execFile(process.execPath, ["--import", "tsx", script], options, (error, out, err) => {
      if (error === null) settle();
      else reject(new Error(`The doctor found something wrong:\n${out}${err}`));
    });
  });
}
