import { noMeter as noUpkeepMeter, type UpkeepMeter } from "./upkeep/meter.ts";

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

export type WorkerMeter = ItemMeter &
  UpkeepMeter & {
    /** What the watchdog saw: how long work has waited, how long we have looked stuck. */
    watched(seen: { waitingMs: number; stuckMs: number }): void;
  };

export const noMeter: WorkerMeter = {
  ...noUpkeepMeter,
  claimed() {},
  settled() {},
  generated() {},
  watched() {},
};
