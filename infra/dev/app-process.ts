import { type ChildProcess, spawn } from "node:child_process";
import { prefixLines } from "./output.ts";
import { hasExited, stopProcess } from "./postmaster.ts";

/**
 * glibc keeps what a decoded picture freed, in an arena for each thread; with these an API that
 * took many large ones gives the memory back. Other allocators don't read them.
 */
const allocator = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "1048576" };

/** A running app of ours. */
export interface AppProcess {
  name: string;
  readonly pid: number;
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
    env: { ...allocator, ...env },
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

const RESTART_WINDOW_MS = 60_000;
const MOST_RESTARTS = 5;

/**
 * Runs an app and starts it again when it ends by itself: a worker that is stuck leaves to be
 * started anew, and in test mode it may be asked to crash. One that ends before everything was up,
 * or six times within a minute, is given up: `ended` resolves with how it ended last.
 */
export function keepApp(
  start: () => AppProcess,
  { isUp, write }: { isUp: () => boolean; write: (line: string) => void },
): AppProcess {
  const restarts: number[] = [];
  let app = start();
  let isStopping = false;
  const watch = async (): Promise<string> => {
    for (;;) {
      const end = await app.ended;
      const now = Date.now();
      const recent = restarts.filter((at) => at > now - RESTART_WINDOW_MS);
      if (isStopping || !isUp() || recent.length >= MOST_RESTARTS) return end;
      restarts.push(now);
      write(`${app.name.padEnd(6)} | ended (${end}), starting it again`);
      app = start();
    }
  };
  return {
    name: app.name,
    get pid() {
      return app.pid;
    },
    ended: watch(),
    stop: (limitMs) => {
      isStopping = true;
      return app.stop(limitMs);
    },
    kill: () => {
      isStopping = true;
      app.kill();
    },
  };
}

function describeEnd(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    // "close" and not "exit": its last lines, which say why, are out by then.
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}
