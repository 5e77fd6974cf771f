import type { RefundInput } from "./provider.ts";
import { refuseInput } from "./refusals.ts";

/** Whether a refund can be asked for at all; throws validation_failed where not. */
export function checkRefund({ money, paid, reversedBefore }: RefundInput): void {
  const currencies = [reversedBefore.currency, money?.currency ?? paid.currency];
  if (currencies.some((currency) => currency !== paid.currency)) {
    throw refuseInput("#/currency", `This payment was made in ${paid.currency}.`);
  }
  const left = paid.amount - reversedBefore.amount;
  const amount = money?.amount ?? left;
  if (!Number.isSafeInteger(amount) || amount < 1 || amount > left) {
    throw refuseInput("#/amount", `Between 1 and ${left} can be paid back.`);
  }
}
