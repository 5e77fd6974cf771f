import { setTimeout as sleep } from "node:timers/promises";
import type { PaymentProvider } from "@ducat/billing/provider";
import {
  extendReconciliation,
  finishReconciliation,
  type Reconciliation,
  startReconciliation,
} from "@ducat/db/reconciliations";
import { comparePayments, compareSubscriptions } from "./compare-books.ts";
import { describeError } from "./describe-error.ts";
import { closeOldPages, listPages, settleUnknown } from "./open-orders.ts";
import type { PaymentDeps } from "./providers.ts";
import { openRun, type Run } from "./run-reconciliation.ts";
import { toOpenOrder } from "./settle-order.ts";

/** A run is its process's for this long after the last sign of life. */
const leaseSeconds = 120;
const beatMs = 30_000;
/** A run that takes longer is given up; what it wrote stays. */
const longestMs = 30 * 60_000;

export type ReconcileRequest = {
  /** The shortest time between two scheduled runs; 0 begins one now. */
  everySeconds: number;
  /** Look at everything since this date, and not since the last run. */
  since?: Date | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * Compares our books with a provider's and repairs ours by the same path that webhooks take:
 * everything that the provider tells since the last good run, our open orders, subscriptions and
 * payments. Returns the run as it was written down; undefined when none is due, or another process
 * is at it. A provider that can't be asked makes a run that has failed, and nothing is lost: the
 * next one looks at the same time again.
 * Errors: validation_failed (a date in the future), unavailable.
 */
export async function reconcile(
  deps: PaymentDeps,
  provider: PaymentProvider,
  { everySeconds, since, signal }: ReconcileRequest,
): Promise<Reconciliation | undefined> {
  const side = { provider: provider.name, mode: provider.mode };
  const started = await startReconciliation(deps.db, {
    ...side,
    everySeconds,
    leaseSeconds,
    since,
  });
  if (!started) return undefined;
  const ending = new AbortController();
  const signals = [ending.signal, AbortSignal.timeout(longestMs), ...(signal ? [signal] : [])];
  const run = openRun(deps, provider, { ...started, signal: AbortSignal.any(signals) });
  const beating = beat(run, started.id, ending);
  let failure: unknown;
  try {
    await compare(run);
    failure = run.failures[0];
  } catch (error) {
    failure = run.failures[0] ?? error;
  }
  ending.abort();
  await beating;
  return finish(run, started.id, failure);
}

async function compare(run: Run): Promise<void> {
  const { provider, since } = run;
  const open = (await listPages(run)).map(toOpenOrder);
  for await (const fact of untilAborted(run.signal, provider.reconcile({ since, open }))) {
    for (const one of await settleUnknown(run, fact)) await run.take(one);
  }
  await compareSubscriptions(run);
  await comparePayments(run);
  await closeOldPages(run);
}

/** A provider may tell nothing for minutes while it is asked; the end of a run doesn't wait. */
async function* untilAborted<T>(signal: AbortSignal, told: AsyncIterable<T>): AsyncGenerator<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  const iterator = told[Symbol.asyncIterator]();
  for (;;) {
    signal.throwIfAborted();
    const next = await Promise.race([iterator.next(), aborted]);
    if (next.done) return;
    yield next.value;
  }
}

/** Says that the run goes on; ends it when it is ours no more. */
async function beat(run: Run, id: string, ending: AbortController): Promise<void> {
  const { signal } = ending;
  while (!signal.aborted) {
    await sleep(beatMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const { facts } = run;
    const isOurs = await extendReconciliation(run.deps.db, id, { facts, leaseSeconds })
      // The lease outlives three lost beats.
      .catch(() => true);
    if (!isOurs) ending.abort();
  }
}

async function finish(
  { deps, provider, facts, differences }: Run,
  id: string,
  failure: unknown,
): Promise<Reconciliation | undefined> {
  const isFailed = failure !== undefined;
  const done = differences.length === 0 ? "clean" : "differs";
  const status = isFailed ? "failed" : done;
  const error = isFailed ? describeError(failure) : null;
  const row = await finishReconciliation(deps.db, id, { status, facts, differences, error });
  const counts = { facts, differences: differences.length };
  const detail = { provider: provider.name, status, ...counts, ...(error && { error }) };
  if (status === "clean") deps.log.info(detail, "reconciled");
  else deps.log.warn(detail, "reconciled, and not clean");
  return row;
}
