import { bySql } from "./by-sql.ts";
import type { PlaceCheck } from "./check.ts";

const now = "clock_timestamp()";

/**
 * What a round should have done long ago. Each is given several times as long as its round takes,
 * so that what is told here doesn't go away by itself. All of them go by an index on when it is
 * due; an account's clock that was moved ahead makes nothing due later than the machine's does.
 */
export const stuckChecks: PlaceCheck[] = [
  bySql({
    check: "stuck-items",
    title: "no item has been due for a quarter of an hour",
    sql: `
      SELECT account_id, generation_id, id, status, attempt, due_at FROM ducat.generation_items
      WHERE status IN ('pending', 'processing') AND due_at < ${now} - interval '15 minutes'
      ORDER BY due_at`,
  }),
  bySql({
    check: "stuck-expiries",
    title: "no hold and no grant has been past its end for an hour",
    sql: `
      SELECT account_id, next_expiry_at FROM ducat.credit_accounts
      WHERE next_expiry_at < 'infinity' AND next_expiry_at < ${now} - interval '1 hour'
      ORDER BY next_expiry_at`,
  }),
  bySql({
    check: "stuck-events",
    title: "no event has waited for ten minutes to be told to streams and webhooks",
    sql: `
      SELECT account_id, id, type, created_at FROM ducat.outbox
      WHERE seq IS NULL AND created_at < ${now} - interval '10 minutes' ORDER BY id`,
  }),
  bySql({
    check: "stuck-webhooks",
    title: "no webhook has been waiting for a quarter of an hour",
    sql: `
      SELECT id, provider, mode, event_type, retry_count, last_error, due_at
      FROM ducat.webhook_events
      WHERE due_at < ${now} - interval '15 minutes' AND status = 'received' ORDER BY due_at`,
  }),
  bySql({
    check: "dead-webhooks",
    title: "no webhook was given up without a person's word on it",
    sql: `
      SELECT id, provider, mode, event_type, last_error, created_at FROM ducat.webhook_events
      WHERE status = 'dead' AND resolved_at IS NULL ORDER BY id`,
  }),
  bySql({
    check: "anomalies",
    title: "no money that could not be placed has waited for a person for a day",
    sql: `
      SELECT id, provider, mode, kind, payment_id, created_at FROM ducat.payment_anomalies
      WHERE resolved_at IS NULL AND created_at < ${now} - interval '1 day' ORDER BY created_at`,
  }),
  bySql({
    check: "stuck-payments",
    title: "no charge, refund, order, reload or reconciliation was left unfinished",
    sql: `
      SELECT account_id, 'payment_attempts' AS "table", id, status, due_at
      FROM ducat.payment_attempts WHERE due_at < ${now} - interval '2 hours'
      UNION ALL
      SELECT account_id, 'payment_refunds', id, status, due_at
      FROM ducat.payment_refunds WHERE due_at < ${now} - interval '2 hours'
      UNION ALL
      SELECT account_id, 'payments', id, status, expires_at FROM ducat.payments p
      WHERE status IN ('created', 'pending')
        AND coalesce(expires_at, created_at + interval '30 days') < ${now} - interval '1 day'
          - CASE status WHEN 'created' THEN interval '1 hour' ELSE interval '14 days' END
        AND NOT EXISTS (
          SELECT FROM ducat.payment_attempts a WHERE a.payment_id = p.id AND a.kind = 'charge'
            AND a.status IN ('reserved', 'sent', 'processing', 'unknown'))
      UNION ALL
      SELECT account_id, 'credit_accounts', NULL, 'reload due', reload_due_at
      FROM ducat.credit_accounts WHERE reload_due_at < ${now} - interval '1 hour'
      UNION ALL
      SELECT NULL, 'reconciliations', id, status, lease_until FROM ducat.reconciliations
      WHERE status = 'running' AND lease_until < ${now} - interval '1 hour'`,
  }),
  bySql({
    check: "stuck-plans",
    title: "no refill has been due for a day",
    sql: `
      SELECT account_id, id AS subscription_id, next_refill_at AS due_at FROM ducat.subscriptions
      WHERE next_refill_at < ${now} - interval '1 day'
      UNION ALL
      SELECT account_id, NULL, next_at FROM ducat.base_refills
      WHERE next_at < ${now} - interval '1 day'`,
  }),
  bySql({
    check: "stuck-messages",
    title: "no mail, text message or alert has been due for an hour",
    sql: `
      SELECT channel, count(*) AS waiting, min(due_at) AS due_at FROM ducat.messages
      WHERE due_at < ${now} - interval '1 hour' GROUP BY channel
      UNION ALL
      SELECT 'alerts', count(*), min(created_at) FROM ducat.alert_dues
      WHERE created_at < ${now} - interval '1 hour' HAVING count(*) > 0`,
  }),
  bySql({
    check: "tasks",
    title: "every task of upkeep has done its work lately",
    sql: `
      SELECT name, error, failures_in_row, ok_at, lease_until, next_due_at, started_at
      FROM ducat.upkeep_tasks
      WHERE (failures_in_row >= 3 OR interval '30 minutes' + make_interval(secs => 2 * every_s)
          < ${now} - CASE WHEN is_parallel THEN coalesce(ok_at, seen_at) ELSE next_due_at END
          -- It is always at it, and comes to no end.
          OR is_open AND interval '1 day' + make_interval(secs => 2 * every_s)
            < ${now} - started_at)
        -- Those of a former release nobody does any more; after a week they are gone.
        AND seen_at > (SELECT max(seen_at) FROM ducat.upkeep_tasks) - interval '3 hours'
      ORDER BY name`,
  }),
];
