import {
  forgetAnswers,
  forgetAuditLines,
  forgetClockRuns,
  forgetCodes,
  forgetDeliveries,
  forgetEndpoints,
  forgetEvents,
  forgetLimits,
  forgetMessages,
  forgetProgress,
  forgetReconciliations,
  forgetSandboxDocuments,
  forgetSessions,
} from "@ducat/db/purges";
import { removeOldUsage } from "@ducat/db/usage";
import { clearWebhookBodies } from "@ducat/db/webhook-events";
import { runPurge, runWalk } from "./run-purge.ts";
import type { Task } from "./task.ts";

const rows = 1_000;
/** Providers send an event again for 30 days at most; its ids stay, so that it is known again. */
const keepBodiesDays = 30;

/**
 * Forgetting what is old. Ages are in packages/db/sql/purges.sql; how often is of no weight, but
 * that what comes in an hour fits into a few batches.
 */
export function listPurges({ purgeMs, walkMs }: { purgeMs: number; walkMs: number }): Task[] {
  const purge = (name: string, about: string, run: Task["run"]): Task => ({
    ...{ name, about, everyMs: purgeMs, run },
  });
  const walk = (name: string, about: string, run: Task["run"]): Task => ({
    ...{ name, about, everyMs: walkMs, run },
  });
  return [
    purge(
      "forget-codes",
      "Log-in codes, links and challenges that are over.",
      runPurge(forgetCodes),
    ),
    purge("forget-limits", "Counters of requests whose window is over.", runPurge(forgetLimits)),
    purge(
      "forget-answers",
      "First answers of requests with an Idempotency-Key, after 30 days.",
      runPurge(forgetAnswers),
    ),
    purge("forget-usage", "Reported usage and its counters, after 400 days.", async ({ db }) => {
      const { events, counters } = await removeOldUsage(db, rows);
      return { done: events + counters, more: Math.max(events, counters) >= rows };
    }),
    purge("clear-webhook-bodies", "Bodies of settled webhooks, after 30 days.", async ({ db }) => {
      const done = await clearWebhookBodies(db, { days: keepBodiesDays, limit: rows });
      return { done, more: done >= rows };
    }),
    purge(
      "forget-reconciliations",
      "Runs of reconciliation, after 90 days.",
      runPurge(forgetReconciliations),
    ),
    purge(
      "forget-sandbox",
      "What the sandbox provider is done with, after 400 days.",
      runPurge(forgetSandboxDocuments),
    ),
    purge(
      "forget-audit",
      "Audit lines, after as many days as the setting audit_retention_days says.",
      runPurge(forgetAuditLines),
    ),
    purge(
      "forget-progress",
      "How far work was that nobody reports on any more, after an hour.",
      runPurge(forgetProgress),
    ),
    purge(
      "forget-endpoints",
      "Webhooks' endpoints that were deleted or idle for 31 days, and what waited for them.",
      runPurge(forgetEndpoints),
    ),
    walk("forget-sessions", "Sessions that ended 30 days ago.", runWalk(forgetSessions)),
    walk("forget-events", "Events of the outbox, after 31 days.", runWalk(forgetEvents)),
    walk(
      "forget-deliveries",
      "Deliveries of webhooks that ended, after 30 days.",
      runWalk(forgetDeliveries),
    ),
    walk("forget-messages", "Messages that ended 90 days ago.", runWalk(forgetMessages)),
    walk("forget-clock-runs", "Moves of test clocks, after 30 days.", runWalk(forgetClockRuns)),
  ];
}
