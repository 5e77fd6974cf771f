import type { Db } from "./connect.ts";
import { withAccount } from "./with-account.ts";

export type Pass = {
  id: string;
  product_id: string;
  subject: string | null;
  starts_at: Date;
  ends_at: Date;
  payment_id: string;
  revoked_at: Date | null;
};

/**
 * The account's passes that run or will run, by its own clock, soonest end first, 200 at most.
 * Those whose payment was given back are left out.
 */
export function listPasses(db: Db, accountId: string): Promise<Pass[]> {
  return withAccount(
    db,
    accountId,
    (sql) => sql<Pass[]>`
      SELECT p.id, p.product_id, p.subject, p.starts_at, p.ends_at, p.payment_id, p.revoked_at
      FROM ducat.passes p JOIN ducat.credit_accounts a USING (account_id)
      WHERE p.account_id = ${accountId} AND p.revoked_at IS NULL
        AND p.ends_at > clock_timestamp() + a.clock_offset
      ORDER BY p.ends_at, p.id LIMIT 200`,
  );
}
