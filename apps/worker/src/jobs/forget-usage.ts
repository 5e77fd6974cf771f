import type { Db } from "@ducat/db/connect";
import { removeOldUsage } from "@ducat/db/usage";

const batch = 1_000;
const mostBatches = 1_000;

/**
 * Forgets usage that is over for 400 days, batch by batch, each in its own transaction. Several
 * workers may do it at once: each takes what the others have not locked. Returns how many rows.
 */
export async function removeOldUsageDue(db: Db, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for (let n = 0; n < mostBatches && !signal.aborted; n += 1) {
    const { events, counters } = await removeOldUsage(db, batch);
    removed += events + counters;
    if (Math.max(events, counters) < batch) break;
  }
  return removed;
}
