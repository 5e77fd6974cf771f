import type { Db } from "../src/connect.ts";
import {
  type Claimed,
  claimDeliveries,
  type DeliveryResult,
  settleDelivery,
} from "../src/webhook-deliveries.ts";
import { createEndpoint, type Endpoint, type NewEndpoint } from "../src/webhook-endpoints.ts";

const audit = { actor: "test", request_id: "test", ip: null };

/** What stands for a sealed secret where nobody opens it. */
export const sealedSecret = (name = "a secret of the test") => ({ sealed: name });

/** An endpoint that wants all but items. */
export function makeEndpoint(
  db: Db,
  accountId: string,
  more: Partial<NewEndpoint & { secret: { sealed: string } }> = {},
): Promise<Endpoint> {
  return createEndpoint(db, accountId, {
    url: "https://shop.example/hooks",
    description: null,
    events: null,
    secret: sealedSecret(),
    audit,
    ...more,
  });
}

/** Writes events of an account and plans what they go to, as the relay does. Returns their ids. */
export async function planEvents(
  admin: Db,
  accountId: string,
  { type = "credits.low", count = 1, data = {} }: { type?: string; count?: number; data?: object },
): Promise<string[]> {
  const rows = await admin<{ id: string }[]>`
    WITH made AS (
      INSERT INTO ducat.outbox (account_id, type, data, seq)
      SELECT ${accountId}, ${type}, ${JSON.stringify(data)}::text::jsonb, n
      FROM generate_series(1, ${count}::int) AS n RETURNING id
    )
    SELECT id FROM made ORDER BY id`;
  await replan(
    admin,
    accountId,
    rows.map(({ id }) => id),
  );
  return rows.map(({ id }) => id);
}

/** Plans events again. */
export async function replan(admin: Db, accountId: string, ids: string[]): Promise<void> {
  await admin`
    SELECT ducat.plan_deliveries(array_agg(${accountId}::uuid), array_agg(id))
    FROM unnest(${ids}::uuid[]) AS id`;
}

/** Plans all that an account's outbox holds. */
export async function planOutbox(admin: Db, accountId: string): Promise<void> {
  await admin`
    SELECT ducat.plan_deliveries(array_agg(account_id), array_agg(id))
    FROM ducat.outbox WHERE account_id = ${accountId}`;
}

/** Lets the time pass that an account's endpoints and deliveries wait for. */
export async function letDeliveriesBeDue(admin: Db, accountId: string): Promise<void> {
  await admin`
    UPDATE ducat.webhook_deliveries SET due_at = clock_timestamp() - interval '1 s'
    WHERE account_id = ${accountId} AND status = 'pending'`;
  await admin`
    UPDATE ducat.webhook_endpoints
    SET retry_at = NULL, due_at = clock_timestamp() - interval '1 s'
    WHERE account_id = ${accountId} AND due_at IS NOT NULL`;
}

/** What one account's endpoints have due; other accounts' deliveries are given back untried. */
export async function claimOf(worker: Db, accountId: string, limit = 100): Promise<Claimed[]> {
  const all = await claimDeliveries(worker, { limit, leaseSeconds: 60 });
  return all.filter((claimed) => claimed.accountId === accountId);
}

/** Ends a claim, well if nothing else is said. */
export function settle(worker: Db, claimed: Claimed, result: Partial<DeliveryResult> = {}) {
  return settleDelivery(worker, { ...claimed, result: { ok: true, ms: 5, ...result } });
}
