import type { Queue } from "@ducat/queue/queue";
import type { Logger } from "pino";

export type NewItems = { accountId: string; generationId: string; itemIds: string[] };

export type Enqueue = {
  /** Hands new items to the workers. Never rejects. */
  add(items: NewItems): Promise<void>;
  /** Waits for what is on its way, 2 s or so when the queue is down. */
  drain(): Promise<void>;
};

/** Beyond this many adds on their way a request waits for its own: that is the back pressure. */
const mostOnTheWay = 64;

/**
 * Adds jobs after the commit, best effort: the rows are the outbox, and what the queue misses now
 * the sweeper adds half a minute later. So a slow or dead queue delays no answer.
 */
export function createEnqueue({ queue, log }: { queue: Queue; log: Logger }): Enqueue {
  const running = new Set<Promise<void>>();
  return {
    async add({ accountId, generationId, itemIds }) {
      const jobs = itemIds.map((itemId) => ({
        id: `${itemId}-0`,
        data: { accountId, generationId, itemId, attempt: 0 },
      }));
      const adding = queue.add("run-item", jobs).catch((err: unknown) => {
        log.warn({ err, generation_id: generationId }, "not enqueued: the sweeper will do it");
      });
      running.add(adding);
      const added = adding.finally(() => running.delete(adding));
      if (running.size > mostOnTheWay) await added;
    },
    async drain() {
      await Promise.all(running);
    },
  };
}
