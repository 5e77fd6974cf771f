import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { findProcessStart, waitUntil } from "../processes.ts";

/** An empty folder that is deleted when the test ends. */
export async function makeScratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-dev-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs a script of this folder and returns its process and its first line, read as JSON. */
export async function runScript(
  name: string,
  ...args: string[]
): Promise<{ child: ChildProcess; said: Record<string, number> }> {
  const path = new URL(name, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  const said = JSON.parse(line) as Record<string, number>;
  onTestFinished(async () => {
    child.kill("SIGKILL");
    // What it started follows it, and may be writing until then.
    await waitUntil(async () => !(await isRunning(said.pid ?? 0)), 10_000);
  });
  return { child, said };
}

/** SIGKILL, and back when the process is gone. */
export async function killHard(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

export const isRunning = async (pid: number) => (await findProcessStart(pid)) !== undefined;
