import { noMeter as noUpkeepMeter, type UpkeepMeter } from "./upkeep/meter.ts";
import { type DeliveryMeter, noMeter as noDeliveryMeter } from "./webhooks/meter.ts";

/** How an attempt at an item ended here; `broken` when nothing could be written of it. */
export type Settled =
  | "completed"
  | "failed"
  | "canceled"
  | "retry"
  | "deferred"
  | "lost"
  | "broken";

/** Who counts what this worker does with items. */
export type ItemMeter = {
  /** An item was claimed; its lease is held until it is settled. */
  claimed(): void;
  settled(attempt: { outcome: Settled; generator: string; number: number; ms: number }): void;
  /** How long a generator was at work, and whether it answered. */
  generated(generator: string, result: { ms: number; isError: boolean }): void;
};

/** Who counts what this worker has with the providers of models. */
export type ProviderMeter = {
  /** A provider was asked; `result` is completed, unknown, broken or a failure's code. */
  asked(provider: string, answer: { result: string; ms: number }): void;
  /** It was not asked: its breaker, its limit, its spend cap, too much at it already. */
  turnedAway(provider: string, reason: string): void;
  /** Another model is asked in its place. */
  fellBack(provider: string, code: string): void;
  breaker(provider: string, state: "closed" | "half-open" | "open"): void;
  /** In millionths of a US dollar. */
  spent(provider: string, micros: number): void;
};

/** Who counts events on their way to those who hear them. */
export type RelayMeter = {
  /** So many got their numbers by one round. */
  relayed(count: number): void;
};

export type WorkerMeter = ItemMeter &
  ProviderMeter &
  RelayMeter &
  UpkeepMeter &
  DeliveryMeter & {
    /** What the watchdog saw: how long work has waited, how long we have looked stuck. */
    watched(seen: { waitingMs: number; stuckMs: number }): void;
  };

export const noMeter: WorkerMeter = {
  ...noUpkeepMeter,
  ...noDeliveryMeter,
  asked() {},
  turnedAway() {},
  fellBack() {},
  breaker() {},
  spent() {},
  claimed() {},
  settled() {},
  generated() {},
  watched() {},
  relayed() {},
};
