import { runDue } from "@ducat/billing/sandbox-due";
import type { PaymentDeps } from "@ducat/payments/providers";
import { alertDue } from "./jobs/alert.ts";
import { createReconcile } from "./jobs/reconcile.ts";
import { reloadDue, resolveDue } from "./jobs/reload.ts";
import { renewDue } from "./jobs/renew.ts";
import { type Repeating, repeat } from "./repeat.ts";
import type { Timings } from "./timings.ts";

/**
 * Everything about money that happens by the clock. Each round may run in several workers at once:
 * the database decides who does what, and a round that finds nothing is one short query.
 */
export function startPaymentRounds(payments: PaymentDeps, timings: Timings): Repeating[] {
  const { db, log, sandbox, providers } = payments;
  const reconciling = [...providers.values()].map((provider) => {
    const { reconcileMs, reconcileUntoldMs } = timings;
    const everyMs = provider.caps.webhooks ? reconcileMs : reconcileUntoldMs;
    const run = createReconcile(payments, provider, everyMs / 1_000);
    const task = { name: `reconcile ${provider.name}`, everyMs: timings.reconcilePollMs, log };
    return repeat(task, run);
  });
  return [
    repeat({ name: "reload", everyMs: timings.reloadMs, log }, (s) => reloadDue(payments, s)),
    repeat({ name: "resolve", everyMs: timings.resolveMs, log }, (s) => resolveDue(payments, s)),
    repeat({ name: "renew", everyMs: timings.renewMs, soon: true, log }, (s) => renewDue(db, s)),
    repeat({ name: "alerts", everyMs: timings.alertsMs, log }, (s) => alertDue(db, s)),
    ...(sandbox
      ? [
          repeat({ name: "sandbox", everyMs: timings.sandboxMs, log }, async () => {
            await runDue(sandbox);
          }),
        ]
      : []),
    ...reconciling,
  ];
}
