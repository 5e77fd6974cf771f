import { listWaitingItems } from "@ducat/db/items";
import type { Deps } from "./deps.ts";

/**
 * Hands those items of an account to the workers that stand in line for slots that are free after
 * a generation was canceled. Never rejects: what is not woken here the sweeper finds.
 */
export async function wakeWaiting(
  { db, enqueue, log }: Pick<Deps, "db" | "enqueue" | "log">,
  accountId: string,
  generationId: string,
): Promise<void> {
  try {
    const items = await listWaitingItems(db, accountId);
    enqueue.wake({ accountId, items, by: `${generationId}-end` });
  } catch (err) {
    log.warn({ err, account: accountId }, "who waits is left to the sweeper");
  }
}
