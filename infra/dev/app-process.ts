import { type ChildProcess, spawn } from "node:child_process";
import { prefixLines } from "./output.ts";
import { hasExited, stopProcess } from "./postmaster.ts";

/** A running app of ours. */
export interface AppProcess {
  name: string;
  pid: number;
  /** Resolves when it ended, to words that say how. */
  ended: Promise<string>;
  /** SIGTERM, then SIGKILL after the limit. */
  stop(limitMs: number): Promise<void>;
  kill(): void;
}

/**
 * Runs a TypeScript entry file. The child ends when this process does, even by SIGKILL; its lines
 * of output go to `write` under its name.
 */
export function startApp(options: {
  name: string;
  entry: string;
  env: NodeJS.ProcessEnv;
  write: (line: string) => void;
}): AppProcess {
  const { name, entry, env, write } = options;
  const follow = new URL("./follow-parent.ts", import.meta.url).href;
  const child = spawn(process.execPath, ["--import", "tsx", "--import", follow, entry], {
    env,
    // A group of its own: Ctrl-C reaches only us, and we stop the parts in order.
    detached: true,
    windowsHide: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) prefixLines(name, stream, write);
  }
  return {
    name,
    pid: child.pid ?? 0,
    ended: describeEnd(child),
    stop: (limitMs) => stopProcess(child, "SIGTERM", limitMs),
    kill: () => void (hasExited(child) || child.kill("SIGKILL")),
  };
}

function describeEnd(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    // "close" and not "exit": its last lines, which say why, are out by then.
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}
