import { findDueAttempts, findDueReloads } from "@ducat/db/auto-reload";
import { findDueRefunds } from "@ducat/db/refunds";
import { chargeReload, resolveAttempt } from "@ducat/payments/charge-reload";
import type { PaymentDeps } from "@ducat/payments/providers";
import { resolveRefund } from "@ducat/payments/refund-payment";
import { createForEach } from "./for-each.ts";

const batch = 20;

/**
 * Buys for the accounts whose paid credits have run low; the database lets one worker do it.
 * Returns for how many it was due.
 */
export async function reloadDue(payments: PaymentDeps, signal: AbortSignal): Promise<number> {
  const forEach = createForEach(payments.log, signal);
  const due = await findDueReloads(payments.db, batch);
  await forEach(due, (id) => chargeReload(payments, id));
  return due.length;
}

/**
 * Finds out what became of charges and refunds whose sender is gone or got no answer. Returns of
 * how many.
 */
export async function resolveDue(payments: PaymentDeps, signal: AbortSignal): Promise<number> {
  const { db, log } = payments;
  const forEach = createForEach(log, signal);
  const charges = await findDueAttempts(db, batch);
  await forEach(charges, (charge) => resolveAttempt(payments, charge));
  const refunds = await findDueRefunds(db, batch);
  await forEach(refunds, (refund) => resolveRefund(payments, refund));
  return charges.length + refunds.length;
}
