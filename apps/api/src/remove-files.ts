import type { Deps } from "./deps.ts";

const atOnce = 16;
/** More than this nobody waits for: their rows are gone, so that workers collect them. */
const most = 1_000;

/**
 * Removes files whose rows are gone. One that stays behind is an orphan now, and those are
 * collected; so nothing here fails the request.
 */
export async function removeFiles(
  { blobs, log }: Pick<Deps, "blobs" | "log">,
  keys: readonly string[],
  requestId: string,
): Promise<void> {
  for (let from = 0; from < Math.min(keys.length, most); from += atOnce) {
    const some = keys.slice(from, from + atOnce);
    const removed = await Promise.allSettled(some.map((key) => blobs.remove(key)));
    const failed = removed.filter((one) => one.status === "rejected");
    for (const { reason } of failed) {
      log.warn({ err: reason, req_id: requestId }, "a file was not removed");
    }
    // A store that is away makes nobody wait once more for each of the others.
    if (failed.length === some.length) return;
  }
}
