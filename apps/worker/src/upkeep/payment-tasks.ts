import { runDue } from "@ducat/billing/sandbox-due";
import type { PaymentDeps } from "@ducat/payments/providers";
import { reloadDue, resolveDue } from "../jobs/reload.ts";
import type { Timings } from "../timings.ts";
import { makeRound } from "./make-round.ts";
import type { Task } from "./task.ts";

/** Where money waits for somebody else's answer. */
export function listPaymentTasks(payments: PaymentDeps, timings: Timings): Task[] {
  const { sandbox } = payments;
  return [
    makeRound(
      {
        name: "reload-credits",
        about: "Buys credits for accounts that have asked for it and run low.",
        everyMs: timings.reloadMs,
      },
      (signal) => reloadDue(payments, signal),
    ),
    makeRound(
      {
        name: "resolve-charges",
        about: "Finds out what became of charges and refunds that got no answer.",
        everyMs: timings.resolveMs,
      },
      (signal) => resolveDue(payments, signal),
    ),
    ...(sandbox
      ? [
          makeRound(
            {
              name: "sandbox",
              about: "What the sandbox provider does by itself: webhooks, payments, renewals.",
              everyMs: timings.sandboxMs,
            },
            () => runDue(sandbox),
          ),
        ]
      : []),
  ];
}
