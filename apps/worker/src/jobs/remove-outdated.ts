import { findOutdatedAccounts, removeOutdatedResults } from "@ducat/db/retention";
import type { Blobs } from "@ducat/storage/blobs";
import { z } from "zod";
import { safeError } from "../safe-error.ts";
import type { Task, TaskContext } from "../upkeep/task.ts";
import { removeBlobs } from "./remove-blobs.ts";

const accountsAtOnce = 500;
const resultsAtOnce = 200;
/** What one batch removes at most, but for the rest of 200; what is left has its next turn. */
const resultsABatch = 1_000;

/** The last account that is done with; what another release may have left begins anew. */
const Place = z.uuid().optional().catch(undefined);

/**
 * Removes results that are older than their account's plan keeps them, the rows of a batch first:
 * files that are left over by a crash between the two, or by a store that is away, are orphans and
 * go later. Goes through all accounts in their order. One whose rows can't be changed keeps no
 * other from its turn; a store that is away ends the run.
 */
export function createRemoveOutdated(blobs: Blobs, { limit = resultsABatch } = {}): Task["run"] {
  return async (context) => {
    const after = Place.parse(context.cursor);
    const { lastId, due } = await findOutdatedAccounts(context.db, {
      ...{ after, limit: accountsAtOnce },
    });
    let done = 0;
    for (const accountId of due) {
      done += await clearAccount(context, { blobs, accountId, limit: limit - done });
      // The account is not done with: what was looked at is looked at again.
      if (done >= limit || context.signal.aborted) return { done, more: true };
    }
    if (lastId !== null) await context.saveCursor(lastId);
    return { done, more: lastId !== null };
  };
}

/** Removes an account's results until none is due, or `limit` are gone. Returns how many. */
async function clearAccount(
  context: TaskContext,
  { blobs, accountId, limit }: { blobs: Blobs; accountId: string; limit: number },
): Promise<number> {
  let removed = 0;
  for (let full = true; full && removed < limit && !context.signal.aborted; ) {
    const { items, keys } = await forget(context, accountId);
    removed += items;
    await removeBlobs(blobs, keys);
    full = items === resultsAtOnce;
  }
  return removed;
}

async function forget({ db, log }: TaskContext, accountId: string) {
  try {
    return await removeOutdatedResults(db, accountId, resultsAtOnce);
  } catch (error) {
    log.warn({ account: accountId, err: safeError(error) }, "old results could not be removed");
    return { items: 0, keys: [] };
  }
}
