import { findParent } from "./processes.ts";

/** Why everything stops, and the exit code that goes with it. */
export interface Ending {
  reason: string;
  code: number;
}

export interface EndingWatch {
  /** Resolves with the first reason. */
  ended: Promise<Ending>;
  isEnding(): boolean;
  end(ending: Ending): void;
  /** Stops listening. */
  close(): void;
}

// Ctrl-C reaches a process from the terminal and once more from npm, which passes it on.
const SAME_KEYSTROKE_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Turns the first signal into an orderly end; calls `force` at the second. */
export function watchForEnding(force: () => void): EndingWatch {
  let resolveEnded: (ending: Ending) => void = () => {};
  const ended = new Promise<Ending>((resolve) => {
    resolveEnded = resolve;
  });
  let isEnding = false;
  let firstSignalAt: number | undefined;
  const end = (ending: Ending) => {
    isEnding = true;
    resolveEnded(ending);
  };
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstSignalAt === undefined) {
      firstSignalAt = Date.now();
      end({ reason: `Stopping (${signal}; once more to force)`, code: 0 });
    } else if (Date.now() - firstSignalAt > SAME_KEYSTROKE_MS) {
      force();
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const close = () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  return { ended, isEnding: () => isEnding, end, close };
}

const LOOK_MS = 1_000;

/**
 * Calls `onGone` when the npm that runs us is gone: killed, it does not always tell. Returns a
 * function that stops looking. Does nothing without npm, where a start may outlive its shell.
 */
export function watchNpm(source: NodeJS.ProcessEnv, onGone: () => void): () => void {
  if (source.npm_lifecycle_event === undefined) return () => {};
  // npm runs a shell, which runs us.
  const shell = process.ppid;
  const first = findParent(shell);
  const timer = setInterval(async () => {
    if (process.ppid === shell && (await findParent(shell)) === (await first)) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS);
  return () => clearInterval(timer);
}
