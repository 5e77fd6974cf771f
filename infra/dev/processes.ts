import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * When the process began, as text that only serves for comparing; undefined when there is no such
 * process. A pid alone proves nothing, since systems use them again.
 */
export async function findProcessStart(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  if (process.platform === "win32") return "unknown";
  if (process.platform !== "linux") return findByPs(pid, "lstart=");
  const fields = await readStat(pid);
  const isGone = fields === undefined || fields[0] === "Z" || fields[0] === "X";
  if (isGone) return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}/${fields[19]}`;
}

/** The pid of a process's parent, on Linux; undefined elsewhere. */
export async function findParent(pid: number): Promise<string | undefined> {
  return (await readStat(pid))?.[1];
}

/** The command line of a live process; undefined when it is gone or cannot be read. */
export async function findCommand(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  if (process.platform !== "linux") return findByPs(pid, "command=");
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command === "" ? undefined : command.replaceAll("\0", " ").trim();
}

/** Polls until the condition holds; false when it did not within `limitMs`. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) return false;
    await sleep(20);
  }
  return true;
}

/** Sends a signal; false when the process is gone already. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // EPERM means that it lives but belongs to someone else.
    if ((error as NodeJS.ErrnoException).code === "EPERM" && signal === 0) return true;
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

// From the state on, which is field 3 of proc_pid_stat(5); the start time is field 22. Field 2 is
// the command in brackets and may hold blanks and brackets, so count from its end.
async function readStat(pid: number): Promise<string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

const isAlive = (pid: number) => Number.isInteger(pid) && pid > 0 && signalProcess(pid, 0);

async function findByPs(pid: number, column: string): Promise<string | undefined> {
  const found = await run("ps", ["-o", column, "-p", String(pid)]).catch(() => undefined);
  return found?.stdout.trim() || undefined;
}
