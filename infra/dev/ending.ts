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
  /** Stops listening for signals. */
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
