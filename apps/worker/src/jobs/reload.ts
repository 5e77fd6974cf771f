import { findDueAttempts, findDueReloads } from "@ducat/db/auto-reload";
import { findDueRefunds } from "@ducat/db/refunds";
import { chargeReload, resolveAttempt } from "@ducat/payments/charge-reload";
import type { PaymentDeps } from "@ducat/payments/providers";
import { resolveRefund } from "@ducat/payments/refund-payment";
import { createForEach } from "./for-each.ts";

const batch = 20;

/** Buys for the accounts whose paid credits have run low; the database lets one worker do it. */
export async function reloadDue(payments: PaymentDeps, signal: AbortSignal): Promise<void> {
  const forEach = createForEach(payments.log, signal);
  await forEach(await findDueReloads(payments.db, batch), (id) => chargeReload(payments, id));
}

/** Finds out what became of charges and refunds whose sender is gone or got no answer. */
export async function resolveDue(payments: PaymentDeps, signal: AbortSignal): Promise<void> {
  const { db, log } = payments;
  const forEach = createForEach(log, signal);
  await forEach(await findDueAttempts(db, batch), (charge) => resolveAttempt(payments, charge));
  await forEach(await findDueRefunds(db, batch), (refund) => resolveRefund(payments, refund));
}
