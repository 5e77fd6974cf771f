import type { NewJob } from "@ducat/queue/queue";

type Ref = { accountId: string; generationId: string; itemId: string; attempt: number };

/**
 * The job that wakes a worker for an item. Its id holds the number of claims so far, so that
 * however often it is added, there is one job per attempt. A second one would claim nothing.
 */
export function toJob(item: Ref, delayMs = 0): NewJob<"run-item"> {
  const { accountId, generationId, itemId, attempt } = item;
  return {
    id: `${itemId}-${attempt}`,
    data: { accountId, generationId, itemId, attempt },
    delayMs,
  };
}
