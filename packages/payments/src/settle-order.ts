import type { OpenOrder } from "@ducat/billing/provider";
import { type FoundOrder, findOrder, type OrderRow, type Payment } from "@ducat/db/payments";
import { applyFacts } from "./apply-facts.ts";
import type { PaymentDeps } from "./providers.ts";

/** A customer waits for it. */
const timeoutMs = 10_000;

/**
 * Asks the provider what an order's page came to and writes that into the books, as its webhooks
 * would: whoever is first, it is done once. Nothing is asked where the page is known to be paid or
 * the provider can't be asked. Returns the order as it is then.
 * Errors: provider_unavailable (the outcome isn't known), those of applyFacts.
 */
export async function settleOrder(deps: PaymentDeps, order: FoundOrder): Promise<FoundOrder> {
  const { payment, attempt } = order;
  const provider = deps.providers.get(payment.provider);
  const isOpen = attempt?.kind === "checkout" && attempt.status !== "succeeded";
  if (!provider?.settle || !isOpen || attempt.ref === null) return order;
  const facts = await provider.settle(toOpenOrder(attempt), { timeoutMs });
  await applyFacts(deps, provider, facts);
  const { provider: name, mode } = payment;
  return (await findOrder(deps.db, { provider: name, mode, ref: attempt.ref })) ?? order;
}

/** The same where a customer is sent on whatever comes of it: reconciliation will ask again. */
export async function trySettleOrder(deps: PaymentDeps, order: FoundOrder): Promise<Payment> {
  try {
    return (await settleOrder(deps, order)).payment;
  } catch (error) {
    const { id, provider } = order.payment;
    deps.log.warn({ err: error, payment_id: id, provider }, "an order could not be settled yet");
    return order.payment;
  }
}

/** An order's page as a provider is asked about it. */
export function toOpenOrder(row: OrderRow): OpenOrder {
  return {
    ref: row.ref ?? "",
    orderRef: row.reference,
    kind: row.purpose === "subscription" ? "subscription" : "pack",
    sent: row.sent,
    createdAt: row.created_at,
    accountRef: row.account_id,
    ...(row.price_ref !== null && { priceRef: row.price_ref }),
    ...(row.email !== null && { email: row.email }),
  };
}
