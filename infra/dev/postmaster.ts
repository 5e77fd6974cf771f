import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { User } from "./place.ts";
import { findCommand, signalProcess, waitUntil } from "./processes.ts";

export interface Launch {
  native: string;
  dataDir: string;
  logFile: string;
  user: User | undefined;
  settings: Record<string, string | number>;
}

/** The port was free a moment ago and is not now. */
export class PortTakenError extends Error {}

// Crash recovery of a big write-ahead log may take minutes; a stuck start must end at some time.
const READY_LIMIT_MS = 300_000;
const LEFTOVER_LIMIT_MS = 15_000;
const MAX_LOG_BYTES = 10 * 1024 * 1024;

/**
 * Starts PostgreSQL and returns its process once it takes connections. It ends when this process
 * ends, even by SIGKILL. Throws PortTakenError, or an Error with the end of the server's log.
 */
export async function launchPostmaster(launch: Launch): Promise<ChildProcess> {
  const end = Date.now() + LEFTOVER_LIMIT_MS;
  for (;;) {
    const result = await tryLaunch(launch);
    if (typeof result !== "string") return result;
    if (result.includes("could not bind")) throw new PortTakenError(result);
    // After a SIGKILL the sessions of the dead server take a moment to notice.
    const isLeftover = /pre-existing shared memory block|lock file ".*" already exists/.test(
      result,
    );
    if (!isLeftover || Date.now() > end) {
      throw new Error(`PostgreSQL did not start (${launch.logFile}):\n${result}`);
    }
    await sleep(100);
  }
}

async function tryLaunch(launch: Launch): Promise<ChildProcess | string> {
  const { native, dataDir, logFile, user, settings } = launch;
  const logStart = await prepareLog(logFile);
  const log = await open(logFile, "a");
  const child = spawn(
    join(native, "bin", "postgres"),
    ["-D", dataDir, ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
    {
      cwd: dataDir,
      // A group of its own: Ctrl-C in the terminal must not reach it before the API.
      detached: true,
      windowsHide: true,
      env: { LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", log.fd, log.fd],
      ...user,
    },
  );
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  await log.close();
  const isOver = () => failure !== undefined || hasExited(child);
  await waitUntil(async () => isOver() || (await isReady(dataDir, child.pid)), READY_LIMIT_MS);
  if (!isOver() && (await isReady(dataDir, child.pid))) {
    guardAgainstOrphan(child);
    child.unref();
    return child;
  }
  if (!isOver()) await stopProcess(child, "SIGQUIT", 10_000);
  return failure?.message ?? (await readFile(logFile, "utf8")).slice(logStart).trim().slice(-4000);
}

export const hasExited = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null;

/** Signals our own child and waits for its end; SIGKILL after the limit. */
export async function stopProcess(
  child: ChildProcess,
  signal: NodeJS.Signals,
  limitMs: number,
): Promise<void> {
  if (hasExited(child)) return;
  child.ref();
  const exited = once(child, "exit");
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  await exited;
  clearTimeout(timer);
}

/**
 * Stops a server that still runs on the data folder although the process that started it is dead.
 * Call only while holding the folder's lock. Returns its pid if there was one.
 */
export async function stopOrphan(dataDir: string): Promise<number | undefined> {
  const pidFile = join(dataDir, "postmaster.pid");
  const pid = Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]);
  if (!(pid > 0)) return undefined;
  const isRunning = async () => (await findCommand(pid))?.includes(dataDir) ?? false;
  if (!(await isRunning())) {
    // The pid belongs to another program by now; PostgreSQL would take that one for itself.
    // A dead pid stays in the file: PostgreSQL uses it to look for sessions left over.
    if ((await findCommand(pid)) !== undefined) await rm(pidFile, { force: true });
    return undefined;
  }
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    signalProcess(pid, signal);
    if (await waitUntil(async () => !(await isRunning()), 15_000)) return pid;
  }
  throw new Error(`The PostgreSQL server ${pid} on ${dataDir} cannot be stopped.`);
}

// Lines of postmaster.pid: 1 the pid, 8 the state, written last (pidfile.h of PostgreSQL).
async function isReady(dataDir: string, pid: number | undefined): Promise<boolean> {
  const text = await readFile(join(dataDir, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}

// A shell that waits on a pipe from us: the pipe closes when we die in whatever way, and the shell
// then asks PostgreSQL to stop. Without it a killed test run would leave a server behind.
function guardAgainstOrphan(child: ChildProcess): void {
  if (process.platform === "win32") return;
  const guard = spawn("/bin/sh", ["-c", 'read _; kill -INT "$0"', String(child.pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.on("error", () => {});
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  child.once("exit", () => guard.kill("SIGKILL"));
}

async function prepareLog(path: string): Promise<number> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size < MAX_LOG_BYTES) return size;
  await rename(path, `${path}.1`);
  return 0;
}
