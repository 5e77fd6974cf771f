import type { Db } from "@ducat/db/connect";

/** All that an account has which a payment provider's word may change. */
export type State = {
  available: number;
  plan: {
    status: string;
    credits: number;
    cancels: boolean;
    late: boolean;
    /** When the period ends, in milliseconds since 1970. */
    period: number;
  } | null;
  payments: {
    purpose: string;
    status: string;
    reason: string | null;
    charged: number | null;
    granted: number;
    ofPlan: boolean;
  }[];
  /** The saved card that may be charged. */
  card: string | null;
  /** Failures of auto-reload in a row. */
  failures: number | null;
  messages: string[];
  events: string[];
  frozen: boolean;
};

/** Reads it; lists of payments, messages and events are in the order of their making. */
export async function readState(admin: Db, accountId: string): Promise<State> {
  const [row] = await admin<State[]>`
    SELECT c.available, cardinality(c.frozen) > 0 AS frozen,
      (SELECT jsonb_build_object('status', s.status, 'credits', d.credits,
         'cancels', s.cancel_at IS NOT NULL, 'late', s.past_due_at IS NOT NULL,
         'period', round(extract(epoch FROM s.period_end) * 1000))
       FROM ducat.subscriptions s JOIN ducat.products d ON d.id = s.product_id
       WHERE s.account_id = c.account_id) AS plan,
      coalesce((SELECT jsonb_agg(jsonb_build_object('purpose', purpose, 'status', status,
         'reason', reason, 'charged', charged, 'granted', credits_granted,
         'ofPlan', subscription_id IS NOT NULL) ORDER BY id)
       FROM ducat.payments WHERE account_id = c.account_id), '[]') AS payments,
      (SELECT method_ref FROM ducat.provider_customers
       WHERE account_id = c.account_id) AS card,
      (SELECT failures FROM ducat.auto_reloads WHERE account_id = c.account_id) AS failures,
      ARRAY(SELECT kind FROM ducat.messages WHERE account_id = c.account_id
            ORDER BY id) AS messages,
      ARRAY(SELECT type FROM ducat.outbox WHERE account_id = c.account_id ORDER BY id) AS events
    FROM ducat.credit_accounts c WHERE c.account_id = ${accountId}`;
  if (!row) throw new Error("there is no such account");
  return row;
}
