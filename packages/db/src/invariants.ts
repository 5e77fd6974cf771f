/** A rule of the book that always holds, as a query for the rows that break it (20 at most). */
export type Invariant = { id: string; title: string; violations: string };

/**
 * The invariants that the database alone can tell. Read-only. Those about files, keys and other
 * accounts' eyes are held by the tests that ARCHITECTURE.md names.
 */
export const invariants: Invariant[] = [
  {
    id: "I1",
    title: "entries, grants and the balance agree; held is what is set aside",
    violations: `
      SELECT a.account_id, a.available, a.held, a.trial, a.bound, a.debt, e.entries, e.debts,
             g.remaining, g.trials, g.bounds, h.holds, n.generations
      FROM ducat.credit_accounts a
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS entries, coalesce(sum(debt_change), 0) AS debts
        FROM ducat.credit_entries WHERE account_id = a.account_id) e
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(remaining), 0) AS remaining,
               coalesce(sum(remaining) FILTER (WHERE source = 'trial'), 0) AS trials,
               coalesce(sum(remaining) FILTER (WHERE subject IS NOT NULL), 0) AS bounds
        FROM ducat.credit_grant_balances WHERE account_id = a.account_id) g
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount - captured - released), 0) AS holds
        FROM ducat.credit_holds WHERE account_id = a.account_id) h
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(cost - captured - refunded), 0) AS generations
        FROM ducat.generations WHERE account_id = a.account_id) n
      WHERE a.available <> e.entries OR a.available <> g.remaining OR a.trial <> g.trials
         OR a.bound <> g.bounds OR a.debt <> e.debts OR a.held <> h.holds + n.generations
      LIMIT 20`,
  },
  {
    id: "I2",
    title: "nothing is negative and no grant gives more than it had",
    violations: `
      SELECT account_id, id, amount, remaining, expired, clawed
      FROM ducat.credit_grant_balances
      WHERE remaining < 0 OR expired < 0 OR clawed < 0 OR remaining + expired + clawed > amount
         OR (remaining > 0 AND closed_at IS NOT NULL)
      UNION ALL
      SELECT account_id, head_grant_id, available, held, debt, seq FROM ducat.credit_accounts
      WHERE least(available, held, debt, seq, trial, bound) < 0
      LIMIT 20`,
  },
  {
    id: "I3",
    title: "entries are numbered without a gap and available_after chains",
    violations: `
      SELECT account_id, seq, amount, available_after FROM (
        SELECT account_id, seq, amount, available_after,
               lag(seq, 1, 0::bigint) OVER w AS previous_seq,
               lag(available_after, 1, 0::bigint) OVER w AS previous
        FROM ducat.credit_entries WINDOW w AS (PARTITION BY account_id ORDER BY seq)) e
      WHERE seq <> previous_seq + 1 OR available_after <> previous + amount
      UNION ALL
      SELECT a.account_id, a.seq, a.available, NULL FROM ducat.credit_accounts a
      WHERE a.seq <> (SELECT count(*) FROM ducat.credit_entries e
                      WHERE e.account_id = a.account_id)
      LIMIT 20`,
  },
  {
    id: "I4",
    title: "every generation has ended by its deadline and the grace",
    violations: `
      SELECT account_id, id, status, deadline_at FROM ducat.generations
      WHERE open_items > 0 AND deadline_at + interval '10 minutes' < clock_timestamp()
      LIMIT 20`,
  },
  {
    id: "I5",
    title: "a completed item was captured once and has an output",
    violations: `
      SELECT i.account_id, i.id, i.cost, i.captured, i.refunded FROM ducat.generation_items i
      JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
      WHERE i.status = 'completed' AND (i.captured + i.refunded <> i.cost
        OR (i.output IS NULL AND i.output_removed_at IS NULL AND g.deleted_at IS NULL))
      LIMIT 20`,
  },
  {
    id: "I6",
    title: "a failed or canceled item has exactly one refund, of its price",
    violations: `
      SELECT i.account_id, i.id, i.status, i.cost, r.refunds, r.total
      FROM ducat.generation_items i
      CROSS JOIN LATERAL (
        SELECT count(*) AS refunds, coalesce(sum(amount), 0) AS total FROM ducat.credit_entries e
        WHERE e.account_id = i.account_id AND e.item_id = i.id AND e.type = 'refund') r
      WHERE CASE
        WHEN i.status IN ('failed', 'canceled')
          THEN r.total <> i.cost OR r.refunds <> (i.cost > 0)::int
        WHEN i.status = 'completed' THEN r.total <> i.refunded
        ELSE r.refunds <> 0 END
      LIMIT 20`,
  },
  {
    id: "I7",
    title: "nothing is held for a generation that has ended, and its counts are its items'",
    violations: `
      SELECT g.account_id, g.id, g.status, g.open_items, g.failed_items, g.canceled_items,
             i.open, i.failed, i.canceled
      FROM ducat.generations g
      CROSS JOIN LATERAL (
        SELECT count(*) AS items,
               count(*) FILTER (WHERE status IN ('pending', 'processing')) AS open,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               count(*) FILTER (WHERE status = 'canceled') AS canceled,
               sum(cost) AS cost, sum(captured) AS captured, sum(refunded) AS refunded
        FROM ducat.generation_items i
        WHERE i.account_id = g.account_id AND i.generation_id = g.id) i
      WHERE (g.item_count, g.open_items, g.failed_items, g.canceled_items, g.cost, g.captured,
             g.refunded)
         IS DISTINCT FROM
            (i.items, i.open, i.failed, i.canceled, i.cost, i.captured, i.refunded)
         OR (g.open_items = 0 AND g.captured + g.refunded <> g.cost)
      LIMIT 20`,
  },
  {
    id: "I9",
    title: "a payment's credits are those of its money that has not been given back",
    violations: `
      SELECT p.account_id, p.id, p.status, p.charged, p.reversed, p.credits_granted, g.granted,
             g.wrong
      FROM ducat.payments p
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS granted, count(*) FILTER (
          WHERE reversed <> CASE WHEN p.reversed = 0 THEN 0
            ELSE ceil(amount::numeric * p.reversed / p.charged) END) AS wrong
        FROM ducat.credit_grants
        WHERE account_id = p.account_id AND payment_id = p.id AND restores IS NULL) g
      WHERE g.granted <> p.credits_granted OR g.wrong > 0
      LIMIT 20`,
  },
  {
    id: "I9",
    title: "only a payment that succeeded has given anything, and it says what made it so",
    violations: `
      SELECT p.account_id, p.id, p.status, p.effect_key, p.paid_at FROM ducat.payments p
      WHERE CASE WHEN p.status = 'succeeded'
        THEN p.effect_key IS NULL OR p.paid_at IS NULL OR p.charged IS NULL
        ELSE p.credits_granted <> 0
          OR EXISTS (SELECT FROM ducat.credit_grants g
                     WHERE g.account_id = p.account_id AND g.payment_id = p.id)
          OR EXISTS (SELECT FROM ducat.allowance_grants g
                     WHERE g.account_id = p.account_id AND g.payment_id = p.id)
          OR EXISTS (SELECT FROM ducat.passes s
                     WHERE s.account_id = p.account_id AND s.payment_id = p.id) END
      LIMIT 20`,
  },
  {
    id: "I10",
    title: "what was started has a token, and nothing has a lease but what is processing",
    violations: `
      SELECT account_id, id, status, attempt FROM ducat.generation_items
      WHERE (attempt > 0) <> (attempt_token IS NOT NULL)
         OR (status = 'processing') <> (lease_until IS NOT NULL)
         OR (status = 'completed' AND attempt = 0)
      LIMIT 20`,
  },
  {
    id: "I12",
    title: "every generation that ended in the last 30 days has its event",
    violations: `
      SELECT g.account_id, g.id, g.status FROM ducat.generations g
      WHERE g.open_items = 0 AND g.completed_at > clock_timestamp() - interval '30 days'
        AND (SELECT count(*) FROM ducat.outbox o WHERE o.account_id = g.account_id
             AND o.type = 'generation.' || g.status
             AND o.data ->> 'generation_id' = g.id::text) <> 1
      LIMIT 20`,
  },
  {
    id: "I14",
    title: "an account in debt has nothing but bound credits",
    violations: `
      SELECT account_id, debt, available, bound FROM ducat.credit_accounts
      WHERE debt > 0 AND available <> bound LIMIT 20`,
  },
];
