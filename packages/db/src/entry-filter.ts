import type { AccountSql } from "./with-account.ts";

/** Which ledger lines are meant; `from` is included, `to` is not. */
export type EntryFilter = {
  type?: string | readonly string[] | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Signed: what was taken is negative. */
  minAmount?: number | undefined;
  maxAmount?: number | undefined;
  generationId?: string | undefined;
  paymentId?: string | undefined;
  /** A part of the description, whatever its case. */
  text?: string | undefined;
};

/** Lines before `beforeSeq` and from `floorSeq` on, `limit` of them. */
export type EntrySlice = {
  beforeSeq?: number | undefined;
  floorSeq?: number | undefined;
  limit: number;
};

/** What follows FROM ducat.credit_entries WHERE. */
export function matchEntries(sql: AccountSql, accountId: string, filter: EntryFilter) {
  const { from, to, minAmount, maxAmount, generationId, paymentId, text } = filter;
  const types = filter.type === undefined ? undefined : [filter.type].flat();
  return sql`account_id = ${accountId} AND amount <> 0
    ${types ? sql`AND type::text = ANY (${types}::text[])` : sql``}
    ${from ? sql`AND created_at >= ${from}` : sql``}
    ${to ? sql`AND created_at < ${to}` : sql``}
    ${minAmount !== undefined ? sql`AND amount >= ${minAmount}` : sql``}
    ${maxAmount !== undefined ? sql`AND amount <= ${maxAmount}` : sql``}
    ${generationId ? sql`AND generation_id = ${generationId}` : sql``}
    ${paymentId ? sql`AND payment_id = ${paymentId}` : sql``}
    ${text ? sql`AND strpos(lower(description), lower(${text})) > 0` : sql``}`;
}
