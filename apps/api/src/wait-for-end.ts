import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "@ducat/db/connect";
import { findStatus } from "@ducat/db/generations";

const firstPauseMs = 50;
const longestPauseMs = 500;
const longestWaitS = 60;
const mostPerAccount = 20;

/** The seconds of `Prefer: wait=N` (RFC 7240), 60 at most; 0 when nothing of that kind is asked. */
export function readPreferredWait(prefer: string | undefined): number {
  const [, seconds] =
    /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(prefer ?? "") ?? [];
  return Math.min(Number(seconds ?? 0), longestWaitS);
}

export type Wait = { accountId: string; id: string; seconds: number; signal: AbortSignal };

/**
 * Returns a function that waits until a generation has ended and tells whether it has. It gives up
 * after the time, when the client is gone, when the process stops, and at once when the account
 * has 20 waits here already: the caller then gets the answer it would get without waiting.
 */
export function createWaiter({ db, closing }: { db: Db; closing: AbortSignal }) {
  const waiting = new Map<string, number>();
  return async function waitForEnd({ accountId, id, seconds, signal }: Wait): Promise<boolean> {
    const before = waiting.get(accountId) ?? 0;
    if (before >= mostPerAccount) return false;
    waiting.set(accountId, before + 1);
    try {
      return await poll(() => hasEnded(db, accountId, id), {
        until: performance.now() + seconds * 1000,
        signal: AbortSignal.any([signal, closing]),
      });
    } finally {
      const now = (waiting.get(accountId) ?? 1) - 1;
      if (now === 0) waiting.delete(accountId);
      else waiting.set(accountId, now);
    }
  };
}

async function hasEnded(db: Db, accountId: string, id: string): Promise<boolean> {
  const status = await findStatus(db, accountId, id);
  return status !== "pending" && status !== "processing";
}

async function poll(
  check: () => Promise<boolean>,
  { until, signal }: { until: number; signal: AbortSignal },
): Promise<boolean> {
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 1.5, longestPauseMs)) {
    const left = until - performance.now();
    if (left <= 0 || signal.aborted) return false;
    await sleep(Math.min(pause, left), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return false;
    if (await check()) return true;
  }
}
