import type { Blobs } from "@ducat/storage/blobs";
import { createCollectOrphans, createRemoveUploads } from "../jobs/collect-files.ts";
import { createRemoveOutdated } from "../jobs/remove-outdated.ts";
import type { Timings } from "../timings.ts";
import type { Task } from "./task.ts";

/** Everything about files that happens by the clock. */
export function listFileTasks(blobs: Blobs, timings: Timings): Task[] {
  const { filesMs, filesRoundMs, orphanGraceMs } = timings;
  return [
    {
      name: "remove-uploads",
      about: "Removes uploads that have expired.",
      everyMs: filesMs,
      run: createRemoveUploads(blobs),
    },
    {
      name: "remove-results",
      about: "Removes results that are older than their account's plan keeps them.",
      everyMs: filesRoundMs,
      run: createRemoveOutdated(blobs),
    },
    {
      name: "collect-orphans",
      about: "Looks through all files and removes those that no row refers to.",
      everyMs: filesRoundMs,
      run: createCollectOrphans(blobs, { graceMs: orphanGraceMs }),
    },
  ];
}
