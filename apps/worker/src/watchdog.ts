import type { Log } from "./log.ts";
import { type Repeating, repeat } from "./repeat.ts";

export type WatchdogDeps = {
  log: Log;
  /** For how long the first piece of work has waited, in ms; rejects when nobody can tell. */
  readWaitingMs(): Promise<number>;
  /** Whether nothing runs here. */
  isIdle(): boolean;
  /** Changes whenever a job starts or ends here. */
  progress(): number;
  timings: { everyMs: number; waitingMs: number; idleMs: number };
  /** Called at each look. */
  watched?(seen: { waitingMs: number; stuckMs: number }): void;
  /** Called once, with words for the log. */
  onStuck(reason: string): void;
};

/**
 * Liveness as progress: a consumer can die in silence while its process and its connections look
 * healthy. When work has waited for longer than `waitingMs` while this worker had nothing to do for
 * `idleMs`, it is stuck and better started anew. An unreachable database or queue proves nothing.
 */
export function startWatchdog(deps: WatchdogDeps): Repeating {
  const { log, timings, onStuck } = deps;
  // Measured while watching and by the monotonic clock: a machine that slept is not stuck.
  let stuckSince: number | undefined;
  let seen = deps.progress();
  let told = false;

  const look = async () => {
    const progress = deps.progress();
    if (!deps.isIdle() || progress !== seen) {
      seen = progress;
      stuckSince = undefined;
      return 0;
    }
    const waitingMs = await deps.readWaitingMs().catch(() => 0);
    if (waitingMs <= timings.waitingMs) stuckSince = undefined;
    else stuckSince ??= performance.now();
    return waitingMs;
  };

  return repeat({ name: "watchdog", everyMs: timings.everyMs, log }, async () => {
    const waitingMs = await look();
    const stuckMs = stuckSince === undefined ? 0 : performance.now() - stuckSince;
    deps.watched?.({ waitingMs, stuckMs });
    if (stuckSince === undefined || stuckMs < timings.idleMs || told) return;
    told = true;
    const [waited, idled] = [waitingMs, stuckMs].map((ms) => Math.round(ms / 1_000));
    onStuck(`work has waited for ${waited} s while this worker was idle for ${idled} s`);
  });
}
