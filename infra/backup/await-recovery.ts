import { setTimeout as sleep } from "node:timers/promises";

/** How far a server's recovery is: `at` is the place in the log that it has replayed up to. */
export type Recovery = { isDone: boolean; at: string | null };

const STALL_LIMIT_MS = 120_000;
const PAUSE_MS = 50;

/**
 * Waits until recovery has ended, however much of the log there is to replay: a week of it takes
 * longer than anybody would have guessed. False when it has not moved for `stallMs`.
 */
export async function awaitRecovery(
  read: () => Promise<Recovery>,
  { stallMs = STALL_LIMIT_MS, pauseMs = PAUSE_MS } = {},
): Promise<boolean> {
  let at: string | null | undefined;
  let movedAt = performance.now();
  for (;;) {
    const seen = await read();
    if (seen.isDone) return true;
    const now = performance.now();
    if (seen.at !== at) movedAt = now;
    else if (now - movedAt > stallMs) return false;
    at = seen.at;
    await sleep(pauseMs);
  }
}
