import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Whose books are compared. All of these are a worker's questions: row security hides the rest. */
export type Side = { provider: string; mode: string };

/**
 * References of subscriptions that run at the provider and that nobody has asked it about for that
 * long, or since their period ended; the longest unasked first.
 */
export async function listUnaskedSubscriptions(
  db: Db,
  { provider, mode, seconds, limit }: Side & { seconds: number; limit: number },
): Promise<string[]> {
  const rows = await ask(db<{ ref: string }[]>`
    SELECT provider_ref AS ref FROM ducat.subscriptions
    WHERE provider = ${provider} AND mode = ${mode} AND provider_ref IS NOT NULL
      AND ended_at IS NULL AND status <> 'canceled'
      AND (fetched_at IS NULL
        OR fetched_at <= clock_timestamp() - make_interval(secs => ${seconds})
        OR (period_end <= clock_timestamp() AND fetched_at < period_end))
    ORDER BY fetched_at NULLS FIRST LIMIT ${limit}`);
  return rows.map(({ ref }) => ref);
}

/** Whether a card of the customer is kept already. */
export async function hasSavedMethod(
  db: Db,
  { provider, mode, customerRef }: Side & { customerRef: string },
): Promise<boolean> {
  const rows = await ask(db`
    SELECT FROM ducat.provider_customers
    WHERE provider = ${provider} AND mode = ${mode} AND customer_ref = ${customerRef}
      AND method_ref IS NOT NULL LIMIT 1`);
  return rows.length > 0;
}

/** Our payment that the provider's or our own references name; the first that one of them does. */
export async function findPaymentId(
  db: Db,
  { provider, mode, reference, refs }: Side & { reference?: string | undefined; refs: string[] },
): Promise<string | undefined> {
  const [row] = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.payments
    WHERE provider = ${provider} AND mode = ${mode} AND (reference = ${reference ?? null}
      OR provider_ref = ANY (${refs}) OR invoice_ref = ANY (${refs}) OR effect_key = ANY (${refs}))
    ORDER BY (reference IS NOT DISTINCT FROM ${reference ?? null}) DESC, id LIMIT 1`);
  return row?.id;
}

/** Whether a person has dealt with all that was odd about the charge under this effect key. */
export async function isDealtWith(db: Db, effectKey: string): Promise<boolean> {
  const [row] = await ask(db<{ is_done: boolean | null }[]>`
    SELECT bool_and(a.resolved_at IS NOT NULL) AS is_done
    FROM ducat.payments p JOIN ducat.payment_anomalies a ON a.payment_id = p.id
    WHERE p.effect_key = ${effectKey}`);
  return row?.is_done ?? false;
}
