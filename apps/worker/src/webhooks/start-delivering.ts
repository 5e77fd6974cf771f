import { setTimeout as sleep } from "node:timers/promises";
import { claimDeliveries } from "@ducat/db/webhook-deliveries";
import { createBell } from "../bell.ts";
import type { Repeating } from "../repeat.ts";
import { safeError } from "../safe-error.ts";
import { type DeliverDeps, deliver } from "./deliver.ts";

/** Attempts at once that are not slow. */
const quickAtOnce = 32;
/** With those that are: a socket that waits costs little, a place that a slow one holds a lot. */
const allAtOnce = 256;
/** Between two claims, so that what ends meanwhile is filled up by one of them. */
const gatherMs = 20;
const longestPauseMs = 30_000;

export type DeliveringTimings = {
  /** Between two looks for what is due, if nobody wakes it. */
  pollMs: number;
  /** An attempt that takes longer is slow. */
  slowMs: number;
  /** How long a delivery stays with a worker; longer than an attempt and its record take. */
  leaseSeconds: number;
};

export type Delivering = Repeating & {
  /** There may be something to deliver. */
  wake(): void;
};

/**
 * Delivers what is due, until it is stopped. Takes only what it can begin with at once: a delivery
 * that waits here could be another worker's. `givingBack` aborts those that are on their way when
 * it is stopped; without it `stop` waits for their ends.
 */
export function startDelivering(
  deps: DeliverDeps & { timings: DeliveringTimings },
  givingBack: AbortSignal,
): Delivering {
  const { db, log, meter, timings } = deps;
  const closing = new AbortController();
  const bell = createBell();
  const running = new Map<Promise<void>, number>();

  const countRoom = () => {
    const now = performance.now();
    const begun = [...running.values()];
    const quick = begun.filter((startedAt) => now - startedAt < timings.slowMs).length;
    return Math.min(quickAtOnce - quick, allAtOnce - running.size);
  };
  const begin = (claimed: Parameters<typeof deliver>[1]) => {
    const ended = deliver(deps, claimed, givingBack).then(() => {
      running.delete(ended);
      meter.delivering(running.size);
      bell.ring();
    });
    running.set(ended, performance.now());
    meter.delivering(running.size);
  };
  const claim = async () => {
    const limit = countRoom();
    if (limit === 0) return;
    const { leaseSeconds } = timings;
    for (const claimed of await claimDeliveries(db, { limit, leaseSeconds })) begin(claimed);
  };
  const pause = (ms: number) =>
    sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined);
  const loop = async () => {
    let pauseMs = timings.pollMs;
    while (!closing.signal.aborted) {
      try {
        await claim();
        pauseMs = timings.pollMs;
        await bell.wait(timings.pollMs);
        await pause(gatherMs);
      } catch (error) {
        log.warn({ err: safeError(error) }, "no deliveries could be claimed");
        await pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    }
  };
  const ended = loop();
  return {
    wake: () => bell.ring(),
    async stop() {
      closing.abort();
      bell.ring();
      await ended;
      await Promise.all(running.keys());
    },
  };
}
