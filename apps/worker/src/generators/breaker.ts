import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
} from "cockatiel";

export type BreakerState = "closed" | "half-open" | "open";

export type Breaker = {
  state(): BreakerState;
  /** Milliseconds until the next one is let through; 0 when one is let through now. */
  waitMs(): number;
  /** Runs it, unless the breaker is open or tries somebody else's: then undefined. */
  run<T>(work: () => Promise<Judged<T>>): Promise<T | undefined>;
};

/** `isFault`: the provider's, so that the next may fare the same. */
export type Judged<T> = { value: T; isFault: boolean };

const states: Record<CircuitState, BreakerState> = {
  [CircuitState.Closed]: "closed",
  [CircuitState.HalfOpen]: "half-open",
  [CircuitState.Open]: "open",
  [CircuitState.Isolated]: "open",
};

/**
 * Opens after `faults` faults in a row, and `openMs` later lets one through to see: its success
 * closes it, its fault keeps it open for as long again. It counts for this process only.
 */
export function createBreaker(options: {
  faults: number;
  openMs: number;
  onChange?(state: BreakerState): void;
}): Breaker {
  const { faults, openMs, onChange } = options;
  const policy = circuitBreaker(
    handleWhenResult((result) => (result as Judged<unknown>).isFault),
    { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(faults) },
  );
  let openedAt = 0;
  policy.onBreak(() => {
    openedAt = Date.now();
  });
  policy.onStateChange((state) => onChange?.(states[state]));
  const waitMs = () => {
    if (policy.state === CircuitState.Closed) return 0;
    if (policy.state === CircuitState.HalfOpen) return openMs;
    return Math.max(0, openedAt + openMs - Date.now());
  };
  return {
    state: () => states[policy.state],
    waitMs,
    async run(work) {
      // The library would wait for the one that was let through; that may take minutes.
      if (policy.state === CircuitState.HalfOpen) return undefined;
      try {
        return (await policy.execute(work)).value;
      } catch (error) {
        if (error instanceof BrokenCircuitError) return undefined;
        throw error;
      }
    },
  };
}
