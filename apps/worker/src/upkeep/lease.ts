import type { Db } from "@ducat/db/connect";
import { extendUpkeepTask, type UpkeepClaim } from "@ducat/db/upkeep";

/** The run is another worker's by now, or may be. */
export class LeaseLost extends Error {
  constructor() {
    super("The lease of this run is over.");
    this.name = "LeaseLost";
  }
}

export type Lease = {
  /** Aborted with a LeaseLost when the lease is over, and when the worker closes. */
  signal: AbortSignal;
  /** Whether it was lost, and not only the worker closed. */
  isLost(): boolean;
  /** Renews it; throws LeaseLost when it is another's. */
  extend(more: { done: number; cursor?: unknown }): Promise<void>;
  release(): void;
};

/**
 * The lease of a claimed run, renewed by what is done and never by a timer: a batch that hangs
 * loses its run to whoever does better. Ours ends a little before the database's does.
 */
export function holdLease(
  db: Db,
  claim: UpkeepClaim,
  { leaseMs, closing }: { leaseMs: number; closing: AbortSignal },
): Lease {
  const controller = new AbortController();
  let lost = false;
  const lose = () => {
    lost = true;
    controller.abort(new LeaseLost());
  };
  const startTimer = () => setTimeout(lose, leaseMs * 0.9);
  let timer = startTimer();
  return {
    signal: AbortSignal.any([controller.signal, closing]),
    isLost: () => lost,
    async extend(more) {
      if (lost) throw new LeaseLost();
      const isOurs = await extendUpkeepTask(db, claim, { leaseSeconds: leaseMs / 1_000, ...more });
      if (!isOurs) lose();
      if (lost) throw new LeaseLost();
      clearTimeout(timer);
      timer = startTimer();
    },
    release: () => clearTimeout(timer),
  };
}
