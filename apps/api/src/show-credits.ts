import type { Balance as BalanceRow, CreditResult, Entry } from "@ducat/db/credits";
import type { Balance, Transaction } from "@ducat/types/credits";
import { TransactionType } from "@ducat/types/credits";
import { toTime } from "./show-generation.ts";

/** What every answer to a change of credits ends with. */
export function showResult(accountId: string, { seq, available, held, debt }: CreditResult) {
  return { transaction_id: `${accountId}.${seq}`, available, held, debt };
}

/** The balance; `period` and `next_refill_at` are those of the subscription that runs. */
export function showBalance(row: BalanceRow): Balance {
  const { available, trial_credits, token_balance, held, debt, frozen, lifetime } = row;
  const { period, next_refill_at } = row;
  return {
    available,
    trial_credits,
    token_balance,
    bound: row.bound.map(showExpiry),
    held,
    debt,
    frozen,
    period: period && { ...period, start: toTime(period.start), end: toTime(period.end) },
    next_refill_at: next_refill_at && toTime(next_refill_at),
    lifetime,
    grants: row.grants.map(showExpiry),
  };
}

const showExpiry = <T extends { expires_at: string | null }>(grant: T): T => ({
  ...grant,
  expires_at: grant.expires_at && toTime(grant.expires_at),
});

export function showEntry(accountId: string, row: Entry): Transaction {
  return {
    id: `${accountId}.${row.seq}`,
    type: TransactionType.parse(row.type),
    amount: row.amount,
    balance_after: row.available_after,
    ...(row.generation_id && { generation_id: row.generation_id }),
    ...(row.payment_id && { payment_id: row.payment_id }),
    description: row.description,
    created_at: toTime(row.created_at),
  };
}
