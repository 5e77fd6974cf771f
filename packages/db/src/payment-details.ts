import type { Db } from "./connect.ts";
import { withAccount } from "./with-account.ts";

/** What a payment's own row doesn't say about it. */
export type PaymentDetails = {
  id: string;
  product: { key: string; name: Record<string, string> } | null;
  /** A dispute about it has not been decided yet. */
  is_disputed: boolean;
};

/** The details of an account's payments, by id; 100 at most. */
export async function findPaymentDetails(
  db: Db,
  accountId: string,
  ids: readonly string[],
): Promise<Map<string, PaymentDetails>> {
  if (ids.length === 0) return new Map();
  const rows = await withAccount(
    db,
    accountId,
    (sql) => sql<PaymentDetails[]>`
      SELECT p.id,
        CASE WHEN d.id IS NOT NULL THEN json_build_object('key', d.key, 'name', d.name) END
          AS product,
        EXISTS (SELECT FROM ducat.payment_disputes x
                WHERE x.payment_id = p.id AND x.status = 'opened') AS is_disputed
      FROM ducat.payments p LEFT JOIN ducat.products d ON d.id = p.product_id
      WHERE p.account_id = ${accountId} AND p.id = ANY (${ids.slice(0, 100)}::uuid[])`,
  );
  return new Map(rows.map((row) => [row.id, row]));
}
