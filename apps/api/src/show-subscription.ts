import type { PaymentProvider } from "@ducat/billing/provider";
import type { CurrentSubscription } from "@ducat/db/subscriptions";
import type { Subscription } from "@ducat/types/subscriptions";
import { showPeriod, toMoment } from "./show-payment.ts";

const dayMs = 24 * 3_600_000;

/** A subscription as callers see it; `provider` is undefined where it is not set up any more. */
export function showSubscription(
  row: CurrentSubscription,
  provider: PaymentProvider | undefined,
): Subscription {
  const { product, price, next_product, period_start, period_end, past_due_at } = row;
  const graceEnd =
    row.status === "past_due" && past_due_at
      ? new Date(past_due_at.getTime() + product.grace_days * dayMs)
      : null;
  return {
    id: row.id,
    status: row.status,
    plan: { key: product.key, name: product.name },
    price: price && { amount: price.amount, currency: price.currency },
    interval: row.interval,
    provider: row.provider,
    period: period_start && period_end ? showPeriod(period_start, period_end) : null,
    trial_ends_at: toMoment(row.trial_ends_at),
    cancel_at: toMoment(row.cancel_at),
    next_plan: next_product && { key: next_product.key, name: next_product.name },
    access_until: toMoment(graceEnd),
    ended_at: toMoment(row.ended_at),
    can: showAbilities(row, provider),
    created_at: row.created_at.toISOString(),
  };
}

/** What we renew ourselves we can change, from the next period on. */
function showAbilities(row: CurrentSubscription, provider: PaymentProvider | undefined) {
  if (row.provider_ref === null) return { change: true, cancel_now: false, manage: false };
  const { caps } = provider ?? {};
  return {
    change: caps !== undefined && caps.planChange !== "none",
    cancel_now: caps?.cancelNow ?? false,
    manage: caps !== undefined && caps.portal !== "none",
  };
}
