import type { Db } from "@ducat/db/connect";
import { findOutdatedAccounts, removeOutdatedResults } from "@ducat/db/retention";
import type { Blobs } from "@ducat/storage/blobs";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { removeBlobs } from "./remove-blobs.ts";

const accountsAtOnce = 500;
const resultsAtOnce = 200;

/**
 * Removes results that are older than their account's plan keeps them, the rows of a batch first:
 * files that are left over by a crash between the two, or by a store that is away, are orphans and
 * go later. What is removed is not found again, so a round that was cut short goes on where it
 * ended. An account whose rows can't be changed keeps no other from its turn; a store that is away
 * ends the round. Returns how many results.
 */
export async function removeOutdated(
  { db, blobs, log }: { db: Db; blobs: Blobs; log: Log },
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  const forget = async (accountId: string) => {
    try {
      return await removeOutdatedResults(db, accountId, resultsAtOnce);
    } catch (error) {
      log.warn({ account: accountId, err: safeError(error) }, "old results could not be removed");
      return { items: 0, keys: [] };
    }
  };
  const clear = async (accountId: string) => {
    for (let full = true; full && !signal.aborted; ) {
      const { items, keys } = await forget(accountId);
      removed += items;
      await removeBlobs(blobs, keys);
      full = items === resultsAtOnce;
    }
  };
  let after: string | undefined;
  do {
    const { lastId, due } = await findOutdatedAccounts(db, { after, limit: accountsAtOnce });
    for (const accountId of due) await clear(accountId);
    after = lastId ?? undefined;
  } while (after !== undefined && !signal.aborted);
  return removed;
}
