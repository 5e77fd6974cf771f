import type { Logger } from "pino";
import type { LimitStore, RequestLimit, Verdict } from "./limit.ts";
import type { MemoryLimits } from "./memory-limits.ts";

export type InsuredLimits = {
  /** Takes one from each of these limits or from none. Never rejects. */
  take(limits: readonly RequestLimit[]): Promise<Verdict>;
  /** False while each process counts for itself. */
  isShared(): boolean;
  close(): void;
};

const probeMs = 1_000;
/** Shows that the store counts again, and is nobody's. */
const probe = { name: "probe", key: "probe", limit: 1_000_000_000, windowSeconds: 1 };

/**
 * A store whose failure costs nothing but exactness: this process counts for itself until the store
 * answers again. One request at most waits for a store that says nothing: it then tells all others
 * that wait, and a probe in the background, no request, finds out when it is back. What the store
 * said last stays known here, so its failure gives nobody a fresh window.
 */
export function createInsuredLimits({
  store,
  memory,
  log,
  retryMs = probeMs,
}: {
  store: LimitStore;
  memory: MemoryLimits;
  log: Pick<Logger, "warn" | "info">;
  retryMs?: number;
}): InsuredLimits {
  let isAway = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  /** Those that wait for the store. A promise of its failure would keep all that ever raced it. */
  const waiting = new Set<(verdict: undefined) => void>();

  const fail = (err: unknown) => {
    if (isAway || isClosed) return;
    isAway = true;
    log.warn({ err }, "each process counts requests for itself: the store of limits is away");
    for (const goOn of waiting) goOn(undefined);
    waiting.clear();
    plan();
  };
  const plan = () => {
    timer = setTimeout(() => void look(), retryMs).unref();
  };
  const look = async () => {
    try {
      await store.take([probe]);
    } catch {
      if (!isClosed) plan();
      return;
    }
    isAway = false;
    log.info("requests are counted together again");
  };
  const ask = (limits: readonly RequestLimit[]) =>
    new Promise<Verdict | undefined>((resolve) => {
      waiting.add(resolve);
      const settle = (verdict: Verdict) => {
        waiting.delete(resolve);
        // While this process counts, what it knows is more than what the store knew then.
        if (!isAway) memory.note(limits, verdict);
        resolve(verdict);
      };
      store.take(limits).then(settle, (err: unknown) => {
        waiting.delete(resolve);
        fail(err);
        resolve(undefined);
      });
    });

  return {
    async take(limits) {
      if (limits.length === 0) return { isTaken: true, standings: [] };
      const refusal = memory.findRefusal(limits);
      if (refusal) return refusal;
      const verdict = isAway ? undefined : await ask(limits);
      return verdict ?? memory.take(limits);
    },
    isShared: () => !isAway,
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
