import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "@ducat/db/connect";
import { relayEvents } from "@ducat/db/events";
import { createBell } from "./bell.ts";
import type { Log } from "./log.ts";
import type { RelayMeter } from "./meter.ts";
import type { Repeating } from "./repeat.ts";
import { safeError } from "./safe-error.ts";

/** What one statement numbers at most; the database's own limit. */
const batch = 500;
/** Whoever stops leaves a longer backlog to others. */
const lastRounds = 20;

export type Relay = Repeating & {
  /** There may be something to number: it is looked for at once, not at the next poll. */
  wake(): void;
};

export type RelayDeps = {
  db: Db;
  log: Log;
  meter: RelayMeter;
  /** Hears whose events are there to be read now. Must not throw, and is not waited for. */
  relayed(accountIds: string[]): void;
  timings: {
    /** How long events wait of which nobody here knows. */
    pollMs: number;
    /** Between two rounds, so that what comes close together goes together. */
    gatherMs: number;
    /** Until it is looked again after another process was at it. */
    busyMs: number;
  };
};

/**
 * Gives committed events their numbers, so that streams and webhooks hear of them: when it is woken
 * and every `pollMs`. Every worker does, one of them at a time; a round that finds another at it
 * looks again, because that one may have looked before our events were there. While the database is
 * away events wait, and nothing is lost.
 */
export function startRelay({ db, log, meter, relayed, timings }: RelayDeps): Relay {
  const stopping = new AbortController();
  const { signal } = stopping;
  const bell = createBell();
  let isFailing = false;

  const relay = async (): Promise<"more" | "busy" | "none"> => {
    try {
      const done = await relayEvents(db, { limit: batch });
      isFailing = false;
      meter.relayed(done.relayed);
      if (done.accounts.length > 0) relayed(done.accounts);
      if (done.isBusy) return "busy";
      return done.relayed < batch ? "none" : "more";
    } catch (error) {
      if (!isFailing) log.warn({ err: safeError(error) }, "events wait to be told");
      isFailing = true;
      return "none";
    }
  };
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  const loop = async () => {
    while (!signal.aborted) {
      const left = await relay();
      if (left === "more") continue;
      await pause(left === "busy" ? timings.busyMs : timings.gatherMs);
      if (left === "none" && !signal.aborted) await bell.wait(timings.pollMs);
    }
    // What ended just now is told by us, where nobody else is there to do it.
    for (let n = 0; n < lastRounds && (await relay()) === "more"; n++);
  };
  const ended = loop();
  return {
    wake: bell.ring,
    stop() {
      stopping.abort();
      bell.ring();
      return ended;
    },
  };
}
