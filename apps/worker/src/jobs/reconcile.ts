import type { PaymentProvider } from "@ducat/billing/provider";
import type { PaymentDeps } from "@ducat/payments/providers";
import { reconcile } from "@ducat/payments/reconcile";

/**
 * Compares the books with one provider's when that is due or was asked for. Every worker looks;
 * the row of the run lets one of them do it.
 */
export function createReconcile(
  payments: PaymentDeps,
  provider: PaymentProvider,
  everySeconds: number,
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    await reconcile(payments, provider, { everySeconds, signal });
  };
}
