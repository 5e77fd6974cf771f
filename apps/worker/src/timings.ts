import type { GateTimings } from "./generators/provider-gate.ts";
import type { RelayDeps } from "./relay-events.ts";
import type { UpkeepTimings } from "./upkeep/start-upkeep.ts";
import type { DeliveringTimings } from "./webhooks/start-delivering.ts";

/** Every duration of a worker, so that a test can be as patient as it likes. */
export type Timings = {
  /** How long an item stays with a worker that shows no sign of life. */
  leaseSeconds: number;
  /** A third of the lease, so that two lost beats cost nothing. */
  heartbeatMs: number;
  /** What an item with a known provider request has beyond its deadline; the database's own. */
  graceMs: number;
  /** Loading that took longer asks once more whether the item is still wanted. */
  recheckAfterMs: number;
  /** How long a write is tried again while the database is away. */
  databaseWaitMs: number;
  /** First delay of a retry; it grows fourfold. */
  retryMs: number;
  /** How long a job stays with a worker that the queue hears nothing of. */
  jobLockMs: number;
  sweepMs: number;
  /** First delay until an item that was swept is looked at again. */
  sweepRetrySeconds: number;
  expireMs: number;
  /** Between two looks for uploads that have expired. */
  filesMs: number;
  /** Between two looks through everything that is stored. */
  filesRoundMs: number;
  /** Between two rounds over the messages that are due. */
  messagesMs: number;
  /** How long a message stays with a worker; longer than an attempt and its record take. */
  messageLeaseSeconds: number;
  /** Between two rounds over the webhooks that are due. */
  webhooksMs: number;
  /** How long a webhook stays with a worker; longer than the slowest takes. */
  webhookLeaseSeconds: number;
  /** Between two looks for accounts whose paid credits have run low. */
  reloadMs: number;
  /** … for charges and refunds that nobody has finished. */
  resolveMs: number;
  /** … for refills, renewals and reminders. */
  renewMs: number;
  /** … for accounts that are to be told that something runs out. */
  alertsMs: number;
  /** … for use and statistics, which are summed up. */
  rollUpMs: number;
  /** … for what is so old that it may be forgotten, where an index leads to it. */
  purgeMs: number;
  /** … and where a whole table is gone through. */
  walkMs: number;
  /** … for what the sandbox does by itself: webhooks, delayed payments, renewals. */
  sandboxMs: number;
  /** … for a reconciliation that was asked for or is due. */
  reconcilePollMs: number;
  /** Between two runs for a provider that has webhooks, and for one that has none. */
  reconcileMs: number;
  reconcileUntoldMs: number;
  /** Files without a row are left alone for this long. */
  orphanGraceMs: number;
  /** Between two attempts to reach the database or the queue when the process starts. */
  bootRetryMs: number;
  watch: { everyMs: number; waitingMs: number; idleMs: number };
  relay: RelayDeps["timings"];
  deliver: DeliveringTimings;
  upkeep: UpkeepTimings;
  models: GateTimings & {
    /** Between two rounds that give back what of the caps is not needed. */
    flushMs: number;
  };
};

export const defaultTimings: Timings = {
  leaseSeconds: 60,
  heartbeatMs: 20_000,
  graceMs: 60_000,
  recheckAfterMs: 250,
  databaseWaitMs: 30_000,
  retryMs: 2_000,
  jobLockMs: 30_000,
  sweepMs: 5_000,
  sweepRetrySeconds: 30,
  expireMs: 60_000,
  filesMs: 3_600_000,
  filesRoundMs: 6 * 3_600_000,
  messagesMs: 5_000,
  messageLeaseSeconds: 180,
  webhooksMs: 5_000,
  webhookLeaseSeconds: 180,
  reloadMs: 2_000,
  resolveMs: 30_000,
  renewMs: 60_000,
  alertsMs: 15_000,
  rollUpMs: 5 * 60_000,
  purgeMs: 3_600_000,
  walkMs: 24 * 3_600_000,
  sandboxMs: 1_000,
  reconcilePollMs: 15_000,
  reconcileMs: 15 * 60_000,
  reconcileUntoldMs: 2 * 60_000,
  orphanGraceMs: 24 * 3_600_000,
  bootRetryMs: 2_000,
  watch: { everyMs: 10_000, waitingMs: 60_000, idleMs: 60_000 },
  relay: { pollMs: 1_000, gatherMs: 20, busyMs: 100 },
  deliver: { pollMs: 1_000, slowMs: 2_000, leaseSeconds: 60 },
  upkeep: {
    pollMs: 2_000,
    leaseMs: 60_000,
    sliceMs: 10_000,
    noteMs: 15_000,
    registerMs: 3_600_000,
  },
  models: {
    breakerFaults: 5,
    breakerOpenMs: 30_000,
    slotWaitMs: 5_000,
    slotBackMs: 10_000,
    capHoldMs: 60_000,
    capRetryMs: 5_000,
    flushMs: 10_000,
  },
};
