import type { Cache } from "@ducat/cache/cache";
import type { Db } from "@ducat/db/connect";
import type { StreamCaller } from "@ducat/db/stream-tickets";
import type { Bus, Signal } from "@ducat/events/bus";
import { DomainError } from "@ducat/types/errors";
import type { Logger } from "pino";
import { createSlots } from "../slots.ts";
import type { StreamEnd, StreamMeter } from "./measure-streams.ts";
import { createPace } from "./pace.ts";
import { createSeat, type Seat, type SeatOptions } from "./seat.ts";
import { createWatch } from "./watch.ts";

const mostPerAccount = 100;
const mostOfAll = 5_000;
/** Reads at a time, of all streams together: the others wait, and read more at once then. */
const mostReads = 4;

export type HubDeps = {
  db: Db;
  bus: Pick<Bus, "subscribe">;
  cache: Pick<Cache, "onDrop">;
  closing: AbortSignal;
  log: Logger;
  meter: StreamMeter;
  lookMs?: number;
};

/** Of a stream that is to be opened. */
export type Opening = StreamCaller & SeatOptions;

export type Hub = {
  /**
   * A place for one more stream, which has to be left at its end. Errors: rate_limited (the account
   * has 100 here), unavailable (reason: busy).
   */
  open(stream: Opening): Seat;
  /** Reads for a stream, few at a time. */
  read<T>(work: () => Promise<T>): Promise<T>;
};

/** An open stream. */
export type Open = { seat: Seat; stream: Opening };

/**
 * All streams of a process. It wakes those that a signal is about, looks every 15 seconds at all of
 * them with two queries, whatever their number, and closes those whose caller may not listen any
 * more: at once where this process is told, else with the next look. Without streams it does and
 * hears nothing.
 */
export function createHub(deps: HubDeps): Hub {
  const { bus, cache, closing, meter } = deps;
  const accounts = new Map<string, Set<Open>>();
  const read = createSlots({ slots: mostReads, mostWaiting: mostOfAll }, "Too many streams.");
  const watch = createWatch(deps, accounts);
  const pace = createPace();
  let count = 0;
  let stop: (() => void) | undefined;

  const start = () => {
    const each = (act: (open: Open) => void) => {
      for (const open of accounts.values()) for (const one of open) act(one);
    };
    const end = () => each(({ seat }) => seat.close("stopping"));
    closing.addEventListener("abort", end);
    const stops = [
      bus.subscribe({
        signals: (all) => wakeAll({ accounts, pace }, all),
        back: () => each(({ seat }) => seat.wake()),
      }),
      cache.onDrop(watch.dropped),
      watch.begin(),
      () => closing.removeEventListener("abort", end),
    ];
    stop = () => {
      for (const one of stops) one();
    };
  };

  const enter = (one: Open) => {
    const { accountId, kind } = one.stream;
    const open = accounts.get(accountId) ?? new Set();
    accounts.set(accountId, open.add(one));
    count += 1;
    meter.opened(kind);
    if (count === 1) start();
  };
  const leave = (one: Open, why: StreamEnd) => {
    const { accountId, kind } = one.stream;
    const open = accounts.get(accountId);
    if (!open?.delete(one)) return;
    if (open.size === 0) {
      accounts.delete(accountId);
      pace.forget(accountId);
    }
    count -= 1;
    meter.ended(kind, why);
    if (count > 0) return;
    stop?.();
    stop = undefined;
  };

  return {
    read,
    open(stream) {
      if (closing.aborted || count >= mostOfAll) {
        const detail = "There are too many streams here.";
        throw new DomainError("unavailable", { detail, extra: { reason: "busy" } });
      }
      if ((accounts.get(stream.accountId)?.size ?? 0) >= mostPerAccount) {
        throw new DomainError("rate_limited", { detail: "The account has 100 streams open." });
      }
      const seat = createSeat(stream, (why) => leave(one, why));
      const one = { seat, stream };
      enter(one);
      return seat;
    },
  };
}

type Sleeping = { accounts: Map<string, Set<Open>>; pace: ReturnType<typeof createPace> };

/** An account's stream tells of all its generations, a generation's of nothing else. */
function wakeAll({ accounts, pace }: Sleeping, signals: Signal[]): void {
  for (const { accountId, generationId } of signals) {
    const about = [...(accounts.get(accountId) ?? [])].filter(
      ({ stream }) => stream.generationId === undefined || stream.generationId === generationId,
    );
    pace.wake(
      accountId,
      about.map(({ seat }) => seat),
    );
  }
}
