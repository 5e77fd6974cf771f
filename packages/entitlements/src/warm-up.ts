import type { Cache } from "@ducat/cache/cache";
import { listActiveAccounts, noteActiveAccounts } from "@ducat/db/active-accounts";
import type { Db } from "@ducat/db/connect";
import type { Logger } from "pino";
import type { Entitlements } from "./entitlements.ts";

type WarmUpDeps = {
  db: Db;
  entitlements: Pick<Entitlements, "warm" | "takeActive">;
  log: Pick<Logger, "info" | "warn">;
};

export type WarmUpLimits = {
  /** How many accounts are read. */
  accounts: number;
  /** How many at the same time: those who are served meanwhile share the pool. */
  together: number;
  /** How long it may take; what is not read by then is read when it is asked for. */
  timeMs: number;
};

const defaultLimits: WarmUpLimits = { accounts: 1_000, together: 2, timeMs: 15_000 };

/**
 * Reads what those may do who were served last, so that a process that has just started doesn't
 * make them wait. In the background of a deployment; never rejects. Returns how many were read.
 */
export async function warmUp(
  { db, entitlements, log }: WarmUpDeps,
  { signal, ...given }: Partial<WarmUpLimits> & { signal: AbortSignal },
): Promise<number> {
  const { accounts, together, timeMs } = { ...defaultLimits, ...given };
  const startedAt = performance.now();
  const ending = AbortSignal.any([signal, AbortSignal.timeout(timeMs)]);
  let read = 0;
  try {
    const ids = await listActiveAccounts(db, accounts);
    const readOn = async () => {
      for (let id = ids.shift(); id !== undefined && !ending.aborted; id = ids.shift()) {
        await entitlements.warm(id);
        read++;
      }
    };
    await Promise.all(Array.from({ length: together }, readOn));
  } catch (err) {
    log.warn({ err, read }, "not everything could be read beforehand");
  }
  const tookMs = Math.round(performance.now() - startedAt);
  log.info({ read, tookMs, cut: ending.aborted }, "read what those may do who were served last");
  return read;
}

export type Noting = {
  /** Notes once more, for the process that comes next. */
  stop(): Promise<void>;
};

/**
 * Begins a process's part in this: reads beforehand, in the background, as soon as it hears the
 * others, for nothing is kept before; and notes who is served until it is stopped.
 */
export function keepWarm(deps: WarmUpDeps & { cache: Cache }, signal: AbortSignal): Noting {
  void deps.cache.ready().then(() => (signal.aborted ? 0 : warmUp(deps, { signal })));
  return startNoting(deps);
}

/** Notes now and then who was served, for processes that start. A round that fails is left out. */
export function startNoting(
  { db, entitlements, log }: WarmUpDeps,
  { everyMs = 60_000 }: { everyMs?: number } = {},
): Noting {
  const note = async () => {
    const ids = entitlements.takeActive();
    if (ids.length === 0) return;
    await noteActiveAccounts(db, ids).catch((err: unknown) => {
      log.warn({ err }, "who was served could not be noted");
    });
  };
  let noting = Promise.resolve();
  const timer = setInterval(() => {
    noting = noting.then(note);
  }, everyMs).unref();
  return {
    async stop() {
      clearInterval(timer);
      await noting.then(note);
    },
  };
}
