import { deleteExpiredUploads, findOrphanKeys } from "@ducat/db/blobs";
import { isBlobKey } from "@ducat/storage/blob-key";
import type { BlobEntry, Blobs } from "@ducat/storage/blobs";
import { z } from "zod";
import type { Task } from "../upkeep/task.ts";
import { removeBlobs } from "./remove-blobs.ts";

const removedAtOnce = 500;
/** Of them most belong to a row; a store lists a thousand in a tenth of a second. */
const listedAtOnce = 2_000;

/**
 * Removes uploads that have expired, the row first: a file that is left over by a crash between the
 * two is an orphan and goes later.
 */
export function createRemoveUploads(blobs: Blobs): Task["run"] {
  return async ({ db }) => {
    const keys = await deleteExpiredUploads(db, removedAtOnce);
    await removeBlobs(blobs, keys);
    return { done: keys.length, more: keys.length === removedAtOnce };
  };
}

/** The last key that was looked at; what another release may have left begins at the beginning. */
const Place = z.string().refine(isBlobKey).optional().catch(undefined);

/**
 * Removes files that no row refers to: of crashed attempts, of workers that lost their item. Files
 * come before their rows, so only those older than `graceMs` are judged. Goes through all files in
 * their order, and in the end removes what was half-written.
 */
export function createCollectOrphans(
  blobs: Blobs,
  { graceMs, limit = listedAtOnce }: { graceMs: number; limit?: number },
): Task["run"] {
  return async ({ db, cursor, saveCursor }) => {
    const before = new Date(Date.now() - graceMs);
    const listed = await takeFirst(blobs.list(Place.parse(cursor)), limit);
    const old = listed.filter(({ modifiedAt }) => modifiedAt < before);
    const orphans = await findOrphanKeys(
      db,
      old.map(({ key }) => key),
    );
    await removeBlobs(blobs, orphans);
    const more = listed.length === limit;
    if (more) await saveCursor(listed.at(-1)?.key);
    else await blobs.removeLeftovers(before);
    return { done: orphans.length, more };
  };
}

async function takeFirst(entries: AsyncIterable<BlobEntry>, limit: number): Promise<BlobEntry[]> {
  const taken: BlobEntry[] = [];
  for await (const entry of entries) {
    taken.push(entry);
    if (taken.length === limit) break;
  }
  return taken;
}
