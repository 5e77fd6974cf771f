import type { Db } from "./connect.ts";
import type { Payment, PaymentStatus, ProviderName, Purpose } from "./payments.ts";
import type { SlicedList } from "./slices.ts";
import { type AccountSql, withAccount } from "./with-account.ts";

/** Which payments are meant; `from` (included) and `to` are when they were ordered. */
export type PaymentFilter = {
  status?: PaymentStatus | undefined;
  purpose?: Purpose | undefined;
  provider?: ProviderName | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Of what was charged, else of what is asked for; in minor units. */
  minAmount?: number | undefined;
  maxAmount?: number | undefined;
  currency?: string | undefined;
  /** A part of the reference or of the receipt's number, whatever its case. */
  text?: string | undefined;
};

const matchPayments = (sql: AccountSql, accountId: string, filter: PaymentFilter) => {
  const { status, purpose, provider, from, to, minAmount, maxAmount, currency, text } = filter;
  return sql`account_id = ${accountId}
    ${status ? sql`AND status = ${status}` : sql``}
    ${purpose ? sql`AND purpose = ${purpose}` : sql``}
    ${provider ? sql`AND provider = ${provider}` : sql``}
    ${from ? sql`AND created_at >= ${from}` : sql``}
    ${to ? sql`AND created_at < ${to}` : sql``}
    ${minAmount !== undefined ? sql`AND coalesce(charged, amount) >= ${minAmount}` : sql``}
    ${maxAmount !== undefined ? sql`AND coalesce(charged, amount) <= ${maxAmount}` : sql``}
    ${currency ? sql`AND currency = ${currency}` : sql``}
    ${
      text
        ? sql`AND (strpos(lower(reference), lower(${text})) > 0
            OR strpos(lower(receipt_ref), lower(${text})) > 0)`
        : sql``
    }`;
};

type Page = {
  /** Only those made before this one (an id: ids sort by creation). */
  beforeId?: string | undefined;
  limit: number;
};

/** The account's payments, newest first, `limit` at most. */
export function listPayments(
  db: Db,
  accountId: string,
  { beforeId, limit, ...filter }: PaymentFilter & Page,
): Promise<Payment[]> {
  return withAccount(
    db,
    accountId,
    (sql) => sql<Payment[]>`
      SELECT * FROM ducat.payments WHERE ${matchPayments(sql, accountId, filter)}
        ${beforeId ? sql`AND id < ${beforeId}` : sql``}
      ORDER BY id DESC LIMIT ${limit}`,
  );
}

/** The account's payments, for pages and exports. */
export const listBilling = (db: Db, accountId: string, filter: PaymentFilter) =>
  ({
    read: ({ before, limit }) =>
      listPayments(db, accountId, { ...filter, beforeId: before, limit }),
    positionOf: ({ id }) => id,
  }) satisfies SlicedList<Payment>;

/** How many of the account's payments a filter matches. */
export async function countPayments(
  db: Db,
  accountId: string,
  filter: PaymentFilter,
): Promise<number> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ total: number }[]>`
      SELECT count(*) AS total FROM ducat.payments
      WHERE ${matchPayments(sql, accountId, filter)}`,
  );
  return row?.total ?? 0;
}
