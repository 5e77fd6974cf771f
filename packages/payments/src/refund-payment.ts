import type { ProviderFact } from "@ducat/billing/facts";
import type { PaymentProvider, RefundInput } from "@ducat/billing/provider";
import type { Audit, RequestKey } from "@ducat/db/credits";
import { reportAnomaly } from "@ducat/db/payment-anomalies";
import { type Refund, recordRefund, reserveRefund } from "@ducat/db/refunds";
import { DomainError } from "@ducat/types/errors";
import { applyFacts } from "./apply-facts.ts";
import { describeError } from "./describe-error.ts";
import { isAway, isFinal } from "./is-final.ts";
import type { PaymentDeps } from "./providers.ts";

/** Providers forget a key after a day at the earliest (docs.stripe.com/api/idempotent_requests). */
const keyLifeMs = 23 * 3_600_000;

export type RefundRequest = RequestKey & {
  paymentId: string;
  /** In minor units of the payment's currency; left out: all that is left. */
  amount?: number | undefined;
  reason: string;
  audit: Audit;
};

/**
 * Pays a payment back, in whole or in part, once per key. The refund is in the database before the
 * provider is asked, and its id is the key that the provider hears. Where the provider's answer
 * got lost its status is `unknown`: resolveRefund finds out. A repeat is told how it stands.
 * Errors: not_found, idempotency_conflict, validation_failed, invalid_state (reason: not_paid,
 * refund_open, exceeds; refused, with what the provider said; a repeat of such a key too).
 */
export async function refundPayment(
  deps: PaymentDeps,
  accountId: string,
  request: RefundRequest,
): Promise<{ refund: Refund; replayed: boolean }> {
  const { refund, replayed } = await reserveRefund(deps.db, accountId, request);
  if (refund.status === "failed") throw refuse(refund.error);
  // Whoever reserved it asks, and then the sweep: two at once could pay back twice.
  if (replayed) return { refund, replayed };
  const status = await askRefund(deps, findProvider(deps, refund), refund);
  return { refund: { ...refund, status }, replayed };
}

/**
 * Finds out what became of a refund whose sender is gone or got no answer: the provider's own
 * count of what was paid back decides; where it says less, the same refund is asked for again if
 * that can't pay back twice. A refund that nobody can tell about waits for a person.
 * Errors: unavailable.
 */
export async function resolveRefund(deps: PaymentDeps, refund: Refund): Promise<void> {
  const provider = findProvider(deps, refund);
  if (!provider?.refund) return;
  const isBack = await isPaidBack(deps, provider, refund);
  if (isBack === "unknown") {
    await recordRefund(deps.db, refund.id, { status: "unknown", error: "provider_unavailable" });
  } else if (isBack) {
    await recordRefund(deps.db, refund.id, { status: "succeeded" });
  } else if (mayAskAgain(deps, provider, refund)) {
    await askRefund(deps, provider, refund).catch((error) => {
      if (!isFinal(error)) throw error;
    });
  } else if (provider.caps.refunds.repeatable) {
    await recordRefund(deps.db, refund.id, { status: "failed", error: "It was not carried out." });
  } else {
    await leaveToPerson(deps, provider, refund);
  }
}

const findProvider = ({ providers, mode }: PaymentDeps, { payment }: Refund) =>
  [...providers.values()].find(({ name }) => name === payment.provider && mode === payment.mode);

function mayAskAgain({ now }: PaymentDeps, { caps }: PaymentProvider, refund: Refund): boolean {
  // Where a repeat isn't safe the status leaves `reserved` before anybody is asked.
  if (!caps.refunds.repeatable) return refund.status === "reserved";
  // Without keys the adapter reads what was paid back first, however late it is.
  return !caps.outgoingIdempotency || now() - refund.created_at.getTime() < keyLifeMs;
}

/** Asks the provider and returns the status then. Errors: invalid_state (reason: refused). */
async function askRefund(
  deps: PaymentDeps,
  provider: PaymentProvider | undefined,
  refund: Refund,
): Promise<Refund["status"]> {
  const { db } = deps;
  if (!provider?.refund) {
    const error = "This provider is not set up here, or pays nothing back.";
    await recordRefund(db, refund.id, { status: "failed", error });
    throw refuse(error);
  }
  if (!provider.caps.refunds.repeatable) {
    await recordRefund(db, refund.id, { status: "unknown", error: "asked" });
  }
  let facts: ProviderFact[];
  try {
    facts = await provider.refund(toInput(refund));
  } catch (error) {
    if (!isFinal(error)) {
      if (!isAway(error)) deps.log.error({ err: error, refund: refund.id }, "a refund broke");
      return recordRefund(db, refund.id, { status: "unknown", error: describeError(error) });
    }
    const { message } = error as DomainError;
    const status = await recordRefund(db, refund.id, { status: "failed", error: message });
    if (status === "succeeded") return status;
    throw refuse(message);
  }
  await applyFacts(deps, provider, facts);
  return recordRefund(db, refund.id, { status: "succeeded" });
}

function toInput({ id, amount, currency, reason, payment }: Refund): RefundInput {
  const { ref, charged, reversed_before, paid_at, receipt_ref, reference } = payment;
  return {
    paymentRef: ref,
    money: { amount, currency },
    paid: { amount: charged, currency },
    reversedBefore: { amount: reversed_before, currency },
    paidAt: paid_at,
    orderRef: reference,
    key: id,
    ...(receipt_ref !== null && { receiptRef: receipt_ref }),
    ...(reason !== null && { reason }),
  };
}

/** Whether the provider's books have it, which are written into ours on the way. */
async function isPaidBack(
  deps: PaymentDeps,
  provider: PaymentProvider,
  { amount, payment }: Refund,
): Promise<boolean | "unknown"> {
  try {
    const facts = (await provider.fetchReversals?.(payment.ref)) ?? [];
    await applyFacts(deps, provider, facts);
    const target = payment.reversed_before + amount;
    return facts.some((fact) => fact.kind === "reversal.total" && fact.reversed.amount >= target);
  } catch (error) {
    if (isFinal(error)) return false;
    if (error instanceof DomainError && error.code === "provider_unavailable") return "unknown";
    throw error;
  }
}

async function leaveToPerson(
  deps: PaymentDeps,
  { name: provider, mode }: PaymentProvider,
  refund: Refund,
): Promise<void> {
  const { id, amount, currency, payment_id: paymentId } = refund;
  const data = { refund: id, amount, currency };
  const about = `${refund.payment.ref}:${id}`;
  const error = "Look for it at the provider.";
  // Somebody may just have said how it ended.
  if ((await recordRefund(deps.db, id, { status: "unknown", error })) !== "unknown") return;
  await reportAnomaly(deps.db, { provider, mode, kind: "refund_unknown", about, data, paymentId });
}

const refuse = (detail: string | null) =>
  new DomainError("invalid_state", {
    detail: detail ?? "The payment provider refused this refund.",
    extra: { reason: "refused" },
  });
