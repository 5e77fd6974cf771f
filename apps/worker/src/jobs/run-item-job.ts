import type { NewJob } from "@ducat/queue/queue";
import { findTurn } from "@ducat/queue/turns";

type Ref = { accountId: string; generationId: string; itemId: string; attempt: number };

/**
 * The job that wakes a worker for an item. Its id holds the number of claims so far, so that
 * however often it is added, there is one job per attempt. A second one would claim nothing.
 * `ahead` items of its generation have their turn before it: none, when it had its turn already.
 */
export function toJob(
  item: Ref,
  { delayMs = 0, ahead = 0 }: { delayMs?: number; ahead?: number } = {},
): NewJob<"run-item"> {
  const { accountId, generationId, itemId, attempt } = item;
  return {
    id: `${itemId}-${attempt}`,
    data: { accountId, generationId, itemId, attempt },
    delayMs,
    turn: findTurn(ahead),
  };
}

/** The jobs of many items, those of one generation behind each other. */
export function toJobs(items: Ref[]): NewJob<"run-item">[] {
  const added = new Map<string, number>();
  return items.map((item) => {
    const ahead = added.get(item.generationId) ?? 0;
    added.set(item.generationId, ahead + 1);
    return toJob(item, { ahead });
  });
}
