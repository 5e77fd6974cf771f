import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "@ducat/db/connect";
import { findStatus } from "@ducat/db/generations";
import type { Bus } from "@ducat/events/bus";

/** Between two looks, however often there is news of the generation. */
const leastPauseMs = 50;
/** Between two looks when nobody says anything: signals may be lost. */
const usualPauseMs = 1_000;
const longestWaitS = 60;
const mostPerAccount = 20;

/** The seconds of `Prefer: wait=N` (RFC 7240), 60 at most; 0 when nothing of that kind is asked. */
export function readPreferredWait(prefer: string | undefined): number {
  const [, seconds] =
    /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(prefer ?? "") ?? [];
  return Math.min(Number(seconds ?? 0), longestWaitS);
}

export type Wait = { accountId: string; id: string; seconds: number; signal: AbortSignal };

type WaiterDeps = {
  db: Db;
  bus: Pick<Bus, "subscribe">;
  closing: AbortSignal;
  /** Between two looks without news. */
  pauseMs?: number;
};

/**
 * Returns a function that waits until a generation has ended and tells whether it has. It looks
 * when the bus has news of it, and every second. It gives up after the time, when the client is
 * gone, when the process stops, and at once when the account has 20 waits here already: the caller
 * then gets the answer it would get without waiting.
 */
export function createWaiter({ db, bus, closing, pauseMs = usualPauseMs }: WaiterDeps) {
  const waiting = new Map<string, number>();
  const news = createNews(bus, closing);
  return async function waitForEnd({ accountId, id, seconds, signal }: Wait): Promise<boolean> {
    const before = waiting.get(accountId) ?? 0;
    if (before >= mostPerAccount) return false;
    waiting.set(accountId, before + 1);
    const bell = news.listen(id);
    try {
      return await look(() => hasEnded(db, accountId, id), {
        ...{ bell, pauseMs, signal, closing },
        until: performance.now() + seconds * 1000,
      });
    } finally {
      bell.stop();
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

type Bell = {
  /** Resolves when it has rung since the last call, or after `ms`, or when the signal aborts. */
  rung(ms: number, signal: AbortSignal): Promise<void>;
  stop(): void;
};

type Looking = {
  bell: Bell;
  pauseMs: number;
  until: number;
  signal: AbortSignal;
  /** Rings all bells. Joined with the other signal it would remember each wait until then. */
  closing: AbortSignal;
};

async function look(
  check: () => Promise<boolean>,
  { bell, pauseMs, until, signal, closing }: Looking,
): Promise<boolean> {
  const left = () => until - performance.now();
  for (;;) {
    if (await check()) return true;
    await sleep(clamp(leastPauseMs, left()), undefined, { signal }).catch(() => undefined);
    if (!closing.aborted) await bell.rung(clamp(pauseMs, left()), signal);
    if (left() <= 0 || signal.aborted || closing.aborted) return false;
  }
}

const clamp = (ms: number, most: number) => Math.max(0, Math.min(ms, most));

/** Bells that ring when there is news of a generation. Hears the bus from the first one on. */
function createNews(bus: Pick<Bus, "subscribe">, closing: AbortSignal) {
  const bells = new Map<string, Set<() => void>>();
  const ring = (id: string) => {
    for (const one of bells.get(id) ?? []) one();
  };
  let isHearing = false;
  const hear = () => {
    if (isHearing || closing.aborted) return;
    isHearing = true;
    const ringAll = () => [...bells.keys()].forEach(ring);
    const stop = bus.subscribe({
      signals(all) {
        for (const { generationId } of all) if (generationId !== undefined) ring(generationId);
      },
      back: ringAll,
    });
    const close = () => {
      stop();
      ringAll();
    };
    closing.addEventListener("abort", close, { once: true });
  };

  return {
    listen(id: string): Bell {
      hear();
      let hasRung = false;
      let wake = () => {};
      const ringThis = () => {
        hasRung = true;
        wake();
      };
      const all = bells.get(id) ?? new Set();
      bells.set(id, all.add(ringThis));
      return {
        async rung(ms, signal) {
          if (!hasRung && !signal.aborted && ms > 0) {
            await new Promise<void>((resolve) => {
              const done = () => {
                clearTimeout(timer);
                signal.removeEventListener("abort", done);
                resolve();
              };
              const timer = setTimeout(done, ms);
              signal.addEventListener("abort", done, { once: true });
              wake = done;
            });
          }
          hasRung = false;
        },
        stop() {
          all.delete(ringThis);
          if (all.size === 0) bells.delete(id);
        },
      };
    },
  };
}
