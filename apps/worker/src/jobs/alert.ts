import { raiseDueAlerts } from "@ducat/db/alerts";
import type { Db } from "@ducat/db/connect";

const batch = 100;
const mostRounds = 100;

/**
 * Tells accounts what runs out: quotas and balances whose spender is gone before it could, grants
 * that are about to expire. Several workers may do it at once; each crossing is told once.
 */
export async function alertDue(db: Db, signal: AbortSignal): Promise<void> {
  for (let round = 0; round < mostRounds && !signal.aborted; round += 1) {
    if ((await raiseDueAlerts(db, batch)) < batch) return;
  }
}
