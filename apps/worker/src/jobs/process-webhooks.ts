import { clearWebhookBodies, findDueWebhookEvents } from "@ducat/db/webhook-events";
import { findReach, processWebhook, type WebhookDeps } from "@ducat/payments/process-webhook";
import type { Handler } from "@ducat/queue/work";
import { type Repeating, repeat } from "../repeat.ts";
import { safeError } from "../safe-error.ts";
import type { Timings } from "../timings.ts";

const batch = 100;
/** Events at a time in one round; most of their time is spent waiting for a provider. */
const atOnce = 4;
/** Providers send an event again for 30 days at most; a replay by hand has as long thrice. */
const keepBodiesDays = 90;

/** Events of one process at a time that come by the queue. */
export const webhookConcurrency = 4;

type ProcessDeps = { payments: WebhookDeps; timings: Timings };

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
 * left. Needs no queue. Several workers may sweep at once; each event is claimed by one.
 */
function createSweep(deps: ProcessDeps): (signal: AbortSignal) => Promise<void> {
  const { payments, timings } = deps;
  return async (signal) => {
    for (let full = true; full && !signal.aborted; ) {
      const ids = await findDueWebhookEvents(payments.db, { ...findReach(payments), limit: batch });
      full = ids.length >= batch;
      const next = ids.values();
      const work = async () => {
        for (const id of next) {
          if (signal.aborted) return;
          await processWebhook(payments, id, timings.webhookLeaseSeconds);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
    }
  };
}

/** Empties the bodies of settled events that nobody will ask for again. */
async function clearOldBodies({ payments }: ProcessDeps, signal: AbortSignal): Promise<void> {
  for (let round = 0; round < 100 && !signal.aborted; round++) {
    const cleared = await clearWebhookBodies(payments.db, { days: keepBodiesDays, limit: 1_000 });
    if (cleared < 1_000) return;
  }
}

/** What happens to webhooks by the clock. */
export function startWebhookRounds(deps: ProcessDeps): Repeating[] {
  const { log } = deps.payments;
  const { webhooksMs, filesMs } = deps.timings;
  return [
    repeat({ name: "webhooks", everyMs: webhooksMs, soon: true, log }, createSweep(deps)),
    repeat({ name: "webhook bodies", everyMs: filesMs, log }, (s) => clearOldBodies(deps, s)),
  ];
}
