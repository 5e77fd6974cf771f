import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findProcessStart } from "./processes.ts";

/** Proof that this process alone works in `dir`. */
export interface Lock {
  dir: string;
  release(): Promise<void>;
}

interface Holder {
  pid: number;
  started: string;
}

/** Another live process holds the lock. */
export class LockedError extends Error {
  readonly pid: number;

  constructor(dir: string, pid: number) {
    super(
      `${dir} is in use by process ${pid}. Stop it first (kill ${pid}), ` +
        "or give this one another folder: DATA_DIR=.data2",
    );
    this.pid = pid;
  }
}

const MAX_TRIES = 5;

/**
 * Makes this process the only one in `dir` (created if missing). A lock left by a dead process is
 * taken over. Throws LockedError while another process lives that holds it.
 */
export async function takeLock(dir: string): Promise<Lock> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, "ducat.lock");
  const started = await findProcessStart(process.pid);
  const mine = JSON.stringify({ pid: process.pid, started });
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (await publish(path, mine)) {
      return { dir, release: () => removeIfSame(path, mine) };
    }
    const theirs = await readFile(path, "utf8").catch(() => "");
    const holder = parseHolder(theirs);
    if (holder && (await findProcessStart(holder.pid)) === holder.started) {
      throw new LockedError(dir, holder.pid);
    }
    await removeIfSame(path, theirs);
  }
  throw new Error(`${path} keeps changing hands: other processes are starting in ${dir}.`);
}

// A link appears with its whole content or not at all, so nobody ever reads half a lock.
async function publish(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, text, { mode: 0o644 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

// Between judging a lock and removing it another process may have taken it over: move it aside,
// look again, and give back what was not meant.
async function removeIfSame(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await readFile(aside, "utf8")) !== text) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" && typeof started === "string" ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}
