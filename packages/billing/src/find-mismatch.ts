import type { AnomalyDetail } from "./facts.ts";
import { isSameMoney, type Money } from "./money.ts";

/** Why a charge is not what was asked for; undefined when it is, and more than nothing. */
export function findMismatch(
  charged: Money | undefined,
  price: Money | undefined,
): AnomalyDetail | undefined {
  if (charged === undefined) return "unreadable";
  if (price === undefined) return "unknown_order";
  if (charged.currency !== price.currency) return "currency_mismatch";
  return charged.amount > 0 && isSameMoney(charged, price) ? undefined : "amount_mismatch";
}
