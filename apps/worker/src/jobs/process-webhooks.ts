import { findDueWebhookEvents } from "@ducat/db/webhook-events";
import { findReach, processWebhook, type WebhookDeps } from "@ducat/payments/process-webhook";
import type { Handler } from "@ducat/queue/work";
import { safeError } from "../safe-error.ts";
import type { Timings } from "../timings.ts";

const batch = 100;
/** Events at a time in one round; most of their time is spent waiting for a provider. */
const atOnce = 4;

/** Events of one process at a time that come by the queue. */
export const webhookConcurrency = 4;

export type ProcessDeps = { payments: WebhookDeps; timings: Timings };

/** Works on the event that a job names. The job is only a wake-up: the row decides. */
export function createProcessWebhook(deps: ProcessDeps): Handler<"process-webhook"> {
  const { payments, timings } = deps;
  return async ({ eventId }) => {
    try {
      await processWebhook(payments, eventId, timings.webhookLeaseSeconds);
    } catch (error) {
      // The sweeper brings the event back when its lease has lapsed.
      payments.log.warn({ event: eventId, err: safeError(error) }, "a webhook event was left");
    }
  };
}

/**
 * Makes one round over the events that are due: retries, what the queue lost, what a dead worker
 * left. Needs no queue. Several workers may sweep at once; each event is claimed by one. Returns
 * how many were due.
 */
export function createSweepWebhooks(deps: ProcessDeps): (signal: AbortSignal) => Promise<number> {
  const { payments, timings } = deps;
  return async (signal) => {
    let swept = 0;
    for (let full = true; full && !signal.aborted; ) {
      const ids = await findDueWebhookEvents(payments.db, { ...findReach(payments), limit: batch });
      full = ids.length >= batch;
      swept += ids.length;
      const next = ids.values();
      const work = async () => {
        for (const id of next) {
          if (signal.aborted) return;
          await processWebhook(payments, id, timings.webhookLeaseSeconds);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
    }
    return swept;
  };
}
