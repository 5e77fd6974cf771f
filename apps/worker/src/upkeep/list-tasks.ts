import type { PaymentDeps } from "@ducat/payments/providers";
import type { Blobs } from "@ducat/storage/blobs";
import { createSweepWebhooks } from "../jobs/process-webhooks.ts";
import { createSendMessages, type SendMessagesDeps } from "../jobs/send-messages.ts";
import { createSweep, type SweepDeps } from "../jobs/sweep.ts";
import type { Timings } from "../timings.ts";
import { listAccountTasks } from "./account-tasks.ts";
import { listFileTasks } from "./file-tasks.ts";
import { makeRound } from "./make-round.ts";
import { listPaymentTasks } from "./payment-tasks.ts";
import { listPurges } from "./purge-tasks.ts";
import { createRollUp } from "./roll-up.ts";
import type { Task } from "./task.ts";

export type TaskDeps = Omit<SweepDeps, "retrySeconds"> & {
  blobs: Blobs;
  payments: PaymentDeps;
  messages: Pick<SendMessagesDeps, "senders" | "seal" | "brand" | "loginPageUrl">;
  timings: Timings;
};

/**
 * All that a worker does by the clock but for reconciliation, which has runs of its own.
 *
 * What only asks the database is done by one worker at a time: more of them would not be faster,
 * and operators see one run. What waits for somebody else (a provider, a mail server), or must go
 * on within seconds when a worker dies (items that lost their job), is done by all of them.
 */
export function listTasks(deps: TaskDeps): Task[] {
  const { timings } = deps;
  return [
    ...listRounds(deps),
    ...listPaymentTasks(deps.payments, timings),
    ...listAccountTasks(timings),
    ...listFileTasks(deps.blobs, timings),
    createRollUp({ everyMs: timings.rollUpMs }),
    ...listPurges(timings),
  ];
}

function listRounds(deps: TaskDeps): Task[] {
  const { db, log, payments, timings } = deps;
  const sendMessages = createSendMessages({
    ...{ db, log, ...deps.messages, publicUrl: payments.publicUrl },
    ...{ leaseSeconds: timings.messageLeaseSeconds, databaseWaitMs: timings.databaseWaitMs },
  });
  return [
    makeRound(
      {
        name: "sweep-items",
        about: "Adds the jobs of items that lost theirs, and pays back what can't be saved.",
        everyMs: timings.sweepMs,
      },
      createSweep({ ...deps, retrySeconds: timings.sweepRetrySeconds }),
    ),
    makeRound(
      {
        name: "process-webhooks",
        about: "Works on webhooks that are due: retries, and what the queue lost.",
        everyMs: timings.webhooksMs,
      },
      createSweepWebhooks(deps),
    ),
    makeRound(
      { name: "send-messages", about: "Sends mails and texts.", everyMs: timings.messagesMs },
      sendMessages,
    ),
  ];
}
