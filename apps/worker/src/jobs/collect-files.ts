import { deleteExpiredUploads, findOrphanKeys } from "@ducat/db/blobs";
import type { Db } from "@ducat/db/connect";
import type { Blobs } from "@ducat/storage/blobs";
import { removeBlobs } from "./remove-blobs.ts";

const batch = 500;

type FileDeps = { db: Db; blobs: Blobs };

/**
 * Removes uploads that have expired, the row first: a file that is left over by a crash between the
 * two is an orphan and goes later. Returns how many.
 */
export async function removeExpiredUploads(
  { db, blobs }: FileDeps,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for (let full = true; full && !signal.aborted; ) {
    const keys = await deleteExpiredUploads(db, batch);
    await removeBlobs(blobs, keys);
    removed += keys.length;
    full = keys.length === batch;
  }
  return removed;
}

/**
 * Removes files that no row refers to: of crashed attempts, of workers that lost their item. Files
 * come before their rows, so only those older than `graceMs` are judged. Returns how many.
 */
export async function removeOrphans(
  { db, blobs }: FileDeps,
  options: { graceMs: number; signal: AbortSignal },
): Promise<number> {
  const before = new Date(Date.now() - options.graceMs);
  let removed = 0;
  const judge = async (keys: string[]) => {
    const orphans = await findOrphanKeys(db, keys);
    await removeBlobs(blobs, orphans);
    removed += orphans.length;
  };
  const keys: string[] = [];
  for await (const { key } of blobs.listOlderThan(before)) {
    if (options.signal.aborted) return removed;
    keys.push(key);
    if (keys.length === batch) await judge(keys.splice(0));
  }
  await judge(keys);
  await blobs.removeLeftovers(before);
  return removed;
}
