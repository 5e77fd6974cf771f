import type { Db } from "@ducat/db/connect";
import { type ClaimedItem, extendLease, saveProviderRequest } from "@ducat/db/items";
import { isPlace } from "../generators/chain.ts";
import type { Log } from "../log.ts";
import type { At } from "../points.ts";
import { safeError } from "../safe-error.ts";
import type { Timings } from "../timings.ts";
import { waitForDatabase } from "../wait-for-database.ts";

/**
 * Why the work on an item ends before its outcome: another worker owns it (`lost`), its end was
 * asked for (`canceled`), this process ends (`closing`), or the time is over (`deadline`).
 */
export type StopReason = "lost" | "canceled" | "closing" | "deadline";

export class Stopped extends Error {
  readonly why: StopReason;

  constructor(why: StopReason) {
    super(`The work on an item was stopped: ${why}.`);
    this.name = "Stopped";
    this.why = why;
  }
}

export type OwnDeps = {
  db: Db;
  log: Log;
  at: At;
  timings: Timings;
  /** Aborted when this process can wait for its items no longer. */
  closing: AbortSignal;
};

export type OwnedItem = {
  item: ClaimedItem;
  /** Aborted with a Stopped. */
  signal: AbortSignal;
  /** The provider's id of the work, as stored. */
  requestId(): string | null;
  saveRequestId(id: string): Promise<void>;
  /** Renews the lease now; throws Stopped when the item is not ours or not wanted any more. */
  check(): Promise<void>;
  /** Whether the deadline had passed when the item was claimed. */
  isOverdue: boolean;
  /** Milliseconds until the deadline, 0 after it. */
  leftMs(): number;
  /** Ends the heartbeat. */
  release(): void;
};

/**
 * Keeps a claimed item for this worker: renews its lease, and aborts `signal` as soon as there is
 * no use in going on. What the queue thinks of the job does not matter any more.
 */
export function ownItem(deps: OwnDeps, item: ClaimedItem): OwnedItem {
  const { db, log, at, timings, closing } = deps;
  const controller = new AbortController();
  const { signal } = controller;
  let requestId = item.provider_request_id;
  const stop = (why: StopReason) => controller.abort(new Stopped(why));

  const onClosing = () => stop("closing");
  closing.addEventListener("abort", onClosing);
  if (closing.aborted) onClosing();

  const renew = async () => {
    const state = await extendLease(db, item, timings.leaseSeconds);
    if (state === "lost") stop("lost");
    // Once a provider works on it, what that says in the end decides: late cancels aren't free.
    const isAtWork = requestId !== null && !isPlace(requestId);
    if (state === "cancel" && !isAtWork) stop("canceled");
  };
  const beat = async () => {
    // A beat that fails costs nothing: the next one comes well before the lease lapses.
    await renew().catch((error) => log.warn({ err: safeError(error) }, "a lease was not renewed"));
    if (!signal.aborted && !released) timer = setTimeout(beat, timings.heartbeatMs);
  };
  let released = false;
  let timer = setTimeout(beat, timings.heartbeatMs);

  const remaining = remainingMs(item, timings);
  const isOverdue = remaining <= 0;
  const deadlineAt = performance.now() + remaining;
  const limitMs = isOverdue ? remaining + timings.graceMs : remaining;
  const deadline = setTimeout(stop, limitMs, "deadline");

  return {
    item,
    signal,
    isOverdue,
    leftMs: () => Math.max(0, deadlineAt - performance.now()),
    requestId: () => requestId,
    async saveRequestId(id) {
      signal.throwIfAborted();
      requestId = id;
      await at("after-submit", item.item_id);
      const save = () => saveProviderRequest(db, item, id);
      if (!(await waitForDatabase(timings.databaseWaitMs, save))) stop("lost");
      signal.throwIfAborted();
      await at("after-request-saved", item.item_id);
    },
    async check() {
      await waitForDatabase(timings.databaseWaitMs, renew);
      signal.throwIfAborted();
    },
    release() {
      released = true;
      clearTimeout(timer);
      clearTimeout(deadline);
      closing.removeEventListener("abort", onClosing);
    },
  };
}

/** Milliseconds from the claim to the deadline by the database's clock; ours may be off. */
function remainingMs(item: ClaimedItem, { leaseSeconds }: Timings): number {
  const claimedAt = item.lease_until.getTime() - leaseSeconds * 1_000;
  return item.deadline_at.getTime() - claimedAt;
}
