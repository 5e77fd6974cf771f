import type { NewJob, Queue } from "@ducat/queue/queue";
import { createBursts, findTurn } from "@ducat/queue/turns";
import type { Logger } from "pino";

export type NewItems = { accountId: string; generationId: string; itemIds: string[] };
/** Items of an account that waited for a slot of it. */
export type WokenItems = {
  accountId: string;
  items: { generationId: string; itemId: string; attempt: number }[];
  /** What made room for them, in a job's id: the job that was refused may not have ended yet. */
  by: string;
};

export type Enqueue = {
  /**
   * Hands new items to the workers, in the order of their turns: accounts take turns, and the rows
   * of a batch stand behind each other. Never rejects.
   */
  add(items: NewItems): Promise<void>;
  /** Wakes workers for items that may go on now. Its answer waits for nothing. */
  wake(woken: WokenItems): void;
  /** Wakes workers for stored webhooks. Its answer waits for nothing. */
  addWebhook(...eventIds: string[]): void;
  /** Waits for what is on its way, 2 s or so when the queue is down. */
  drain(): Promise<void>;
};

const mostPerCall = 500;
/** With this many jobs waiting before its own a request waits too: that is the back pressure. */
const mostWaiting = 1_000;

/**
 * Adds jobs after the commit, best effort: the rows are the outbox, and what the queue misses now
 * the sweeper adds half a minute later. So a slow or dead queue delays no answer. While one call to
 * the queue is under way, what comes meanwhile gathers for the next.
 */
export function createEnqueue({ queue, log }: { queue: Queue; log: Logger }): Enqueue {
  const waiting: NewJob<"run-item">[] = [];
  let flushing: Promise<void> | undefined;
  const waking = new Set<Promise<void>>();
  const findBurst = createBursts();

  const flush = async () => {
    while (waiting.length > 0) {
      // What stands in line here goes by turns as well: a batch must not keep single requests back.
      waiting.sort((a, b) => turnOf(a) - turnOf(b));
      const jobs = waiting.splice(0, mostPerCall);
      await queue.add("run-item", jobs).catch((err: unknown) => {
        log.warn({ err, jobs: jobs.length }, "not enqueued: the sweeper will do it");
      });
    }
    flushing = undefined;
  };

  return {
    wake({ accountId, items, by }) {
      for (const { itemId, attempt, ...item } of items) {
        const id = `${itemId}-${attempt}-${by}`;
        waiting.push({ id, data: { accountId, ...item, itemId, attempt }, turn: findTurn() });
      }
      if (items.length > 0) flushing ??= flush();
    },
    async add({ accountId, generationId, itemIds }) {
      const burst = findBurst(accountId);
      for (const [place, itemId] of itemIds.entries()) {
        const data = { accountId, generationId, itemId, attempt: 0 };
        waiting.push({ id: `${itemId}-0`, data, turn: findTurn(burst + place) });
      }
      flushing ??= flush();
      if (waiting.length <= mostWaiting) return;
      const last = findTurn(burst + itemIds.length - 1);
      if (waiting.filter((job) => turnOf(job) <= last).length > mostWaiting) await flushing;
    },
    addWebhook(...eventIds) {
      const jobs = eventIds.map((eventId) => ({ id: eventId, data: { eventId } }));
      const wake = queue.add("process-webhook", jobs).catch((err: unknown) => {
        log.warn({ err, events: eventIds.slice(0, 10) }, "not enqueued: the sweeper will do it");
      });
      waking.add(wake);
      void wake.then(() => waking.delete(wake));
    },
    async drain() {
      await Promise.all([flushing, ...waking]);
    },
  };
}

const turnOf = ({ turn = 0 }: NewJob<"run-item">) => turn;
