import type { PaymentDeps } from "@ducat/payments/providers";
import { createReconcile } from "./jobs/reconcile.ts";
import { type Repeating, repeat } from "./repeat.ts";
import type { Timings } from "./timings.ts";

/**
 * Reconciliation with each provider. Its runs have rows of their own (/v1/admin/reconciliation):
 * every worker looks, and the database lets one of them begin.
 */
export function startReconciling(payments: PaymentDeps, timings: Timings): Repeating[] {
  const { log, providers } = payments;
  return [...providers.values()].map((provider) => {
    const { reconcileMs, reconcileUntoldMs } = timings;
    const everyMs = provider.caps.webhooks ? reconcileMs : reconcileUntoldMs;
    const run = createReconcile(payments, provider, everyMs / 1_000);
    const task = { name: `reconcile ${provider.name}`, everyMs: timings.reconcilePollMs, log };
    return repeat(task, run);
  });
}
