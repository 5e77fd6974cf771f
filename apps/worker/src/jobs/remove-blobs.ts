import type { Blobs } from "@ducat/storage/blobs";

const atOnce = 16;

/**
 * Removes files whose rows are gone. The first that can't be removed ends it with an error: the
 * rest, and it, are orphans now and are collected when the store is back.
 */
export async function removeBlobs(blobs: Blobs, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += atOnce) {
    const some = keys.slice(from, from + atOnce);
    const ended = await Promise.allSettled(some.map((key) => blobs.remove(key)));
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }
}
