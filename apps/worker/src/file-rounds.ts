import type { Db } from "@ducat/db/connect";
import { claimRound } from "@ducat/db/retention";
import type { Blobs } from "@ducat/storage/blobs";
import { removeExpiredUploads, removeOrphans } from "./jobs/collect-files.ts";
import { removeOutdated } from "./jobs/remove-outdated.ts";
import type { Log } from "./log.ts";
import { type Repeating, repeat } from "./repeat.ts";
import type { Timings } from "./timings.ts";

/**
 * Everything about files that happens by the clock. What looks through all files or all accounts
 * is made by one worker for all, so that more workers don't ask the store more often.
 */
export function startFileRounds(
  { db, blobs, log }: { db: Db; blobs: Blobs; log: Log },
  timings: Pick<Timings, "filesMs" | "filesRoundMs" | "orphanGraceMs">,
): Repeating[] {
  const everySeconds = timings.filesRoundMs / 1_000;
  const collectFiles = async (signal: AbortSignal) => {
    const uploads = await removeExpiredUploads({ db, blobs }, signal);
    if (uploads > 0) log.info({ uploads }, "removed expired uploads");
    if (await claimRound(db, "results", everySeconds)) {
      const results = await removeOutdated({ db, blobs, log }, signal);
      if (results > 0) log.info({ results }, "removed results that are kept no longer");
    }
    if (await claimRound(db, "orphans", everySeconds)) {
      const graceMs = timings.orphanGraceMs;
      const orphans = await removeOrphans({ db, blobs }, { graceMs, signal });
      if (orphans > 0) log.info({ orphans }, "removed files without a row");
    }
  };
  return [repeat({ name: "files", everyMs: timings.filesMs, log }, collectFiles)];
}
