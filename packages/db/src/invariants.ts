/** Accounts by their ids, both ends included: what one look at an invariant is about. */
export type AccountRange = { from: string; to: string };

/** A range that every row belongs to, also rows of accounts that are not there. */
export const allAccounts: AccountRange = {
  from: "00000000-0000-0000-0000-000000000000",
  to: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/**
 * A rule of the book that always holds, as a query for the rows that break it (20 at most) among
 * the accounts from $1 to $2. Every table is asked for its range by itself, so that each is read by
 * its key, however many accounts there are beside it.
 */
export type Invariant = { id: string; title: string; violations: string };

/** That a row belongs to an account of the range. */
export const inRange = (column = "account_id") => `${column} BETWEEN $1::uuid AND $2::uuid`;

/** What is left of each grant of the range: the row of the head grant lags behind the account. */
export const grantsLeft = `
  SELECT g.account_id, g.id, g.source, g.subject, g.amount, g.expired, g.clawed, g.closed_at,
         g.starts_at, g.expires_at,
         CASE WHEN g.id = a.head_grant_id THEN a.head_remaining ELSE g.remaining END AS remaining
  FROM ducat.credit_grants g
  LEFT JOIN ducat.credit_accounts a
    ON a.account_id = g.account_id AND ${inRange("a.account_id")}
  WHERE ${inRange("g.account_id")}`;

/**
 * The invariants that the database alone can tell; tests assert them after each case. Read-only.
 * What else an operator wants to know is in infra/doctor.
 */
export const invariants: Invariant[] = [
  {
    id: "I1",
    title: "entries, grants and the balance agree; held is what is set aside",
    violations: `
      WITH a AS (SELECT * FROM ducat.credit_accounts WHERE ${inRange()}),
      e AS (
        SELECT account_id, sum(amount) AS entries, sum(debt_change) AS debts
        FROM ducat.credit_entries WHERE ${inRange()} GROUP BY account_id),
      g AS (
        SELECT account_id, sum(remaining) AS remaining,
               sum(remaining) FILTER (WHERE source = 'trial') AS trials,
               sum(remaining) FILTER (WHERE subject IS NOT NULL) AS bounds
        FROM (${grantsLeft}) AS l GROUP BY account_id),
      h AS (
        SELECT account_id, sum(amount - captured - released) AS holds
        FROM ducat.credit_holds WHERE ${inRange()} GROUP BY account_id),
      n AS (
        SELECT account_id, sum(cost - captured - refunded) AS generations
        FROM ducat.generations WHERE ${inRange()} GROUP BY account_id)
      SELECT account_id, a.available, a.held, a.trial, a.bound, a.debt, e.entries, e.debts,
             g.remaining, g.trials, g.bounds, h.holds, n.generations
      FROM a FULL JOIN e USING (account_id) FULL JOIN g USING (account_id)
        FULL JOIN h USING (account_id) FULL JOIN n USING (account_id)
      WHERE (a.available, a.available, a.trial, a.bound, a.debt, a.held)
         IS DISTINCT FROM
            (coalesce(e.entries, 0), coalesce(g.remaining, 0), coalesce(g.trials, 0),
             coalesce(g.bounds, 0), coalesce(e.debts, 0),
             coalesce(h.holds, 0) + coalesce(n.generations, 0))
      LIMIT 20`,
  },
  {
    id: "I1",
    title: "what is left of a grant is what the entries have given it and taken of it",
    violations: `
      WITH moved AS (
        SELECT e.account_id, (s.slice ->> 0)::uuid AS id,
               sum(CASE WHEN e.amount < 0 THEN -1 ELSE 1 END * (s.slice ->> 1)::bigint) AS n
        FROM ducat.credit_entries e CROSS JOIN LATERAL jsonb_array_elements(e.allocations) s (slice)
        WHERE ${inRange("e.account_id")} GROUP BY 1, 2)
      SELECT account_id, id, g.remaining, m.n AS by_entries
      FROM (${grantsLeft}) AS g FULL JOIN moved m USING (account_id, id)
      WHERE g.remaining IS DISTINCT FROM coalesce(m.n, 0)
      LIMIT 20`,
  },
  {
    id: "I2",
    title: "nothing is negative and no grant gives more than it had",
    violations: `
      SELECT account_id, id, amount, remaining, expired, clawed FROM (${grantsLeft}) AS g
      WHERE remaining < 0 OR expired < 0 OR clawed < 0 OR remaining + expired + clawed > amount
         OR (remaining > 0 AND closed_at IS NOT NULL)
      UNION ALL
      SELECT account_id, head_grant_id, available, held, debt, seq FROM ducat.credit_accounts
      WHERE ${inRange()} AND least(available, held, debt, seq, trial, bound) < 0
      LIMIT 20`,
  },
  {
    id: "I3",
    title: "entries are numbered without a gap and available_after chains",
    violations: `
      WITH e AS (
        SELECT account_id, seq, amount, available_after,
               lag(seq, 1, 0::bigint) OVER w AS previous_seq,
               lag(available_after, 1, 0::bigint) OVER w AS previous
        FROM ducat.credit_entries WHERE ${inRange()}
        WINDOW w AS (PARTITION BY account_id ORDER BY seq))
      SELECT account_id, seq, amount, available_after FROM e
      WHERE seq <> previous_seq + 1 OR available_after <> previous + amount
      UNION ALL
      SELECT account_id, a.seq, a.available, NULL
      FROM (SELECT account_id, seq, available FROM ducat.credit_accounts WHERE ${inRange()}) AS a
      LEFT JOIN (SELECT account_id, count(*) AS entries FROM e GROUP BY 1) AS c USING (account_id)
      WHERE a.seq <> coalesce(c.entries, 0)
      LIMIT 20`,
  },
  {
    id: "I4",
    title: "every generation has ended by its deadline and the grace",
    violations: `
      SELECT account_id, id, status, deadline_at FROM ducat.generations
      WHERE ${inRange()} AND open_items > 0
        AND deadline_at + interval '10 minutes' < clock_timestamp()
      LIMIT 20`,
  },
  {
    id: "I5",
    title: "a completed item was captured once, as its lines say, and has an output",
    violations: `
      SELECT i.account_id, i.id, i.cost, i.captured, i.refunded FROM ducat.generation_items i
      JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
      WHERE ${inRange("i.account_id")} AND ${inRange("g.account_id")}
        AND i.status = 'completed' AND (i.captured + i.refunded <> i.cost
          OR (i.output IS NULL AND i.output_removed_at IS NULL AND g.deleted_at IS NULL)
          -- What support has paid back keeps its lines.
          OR (i.charge IS NOT NULL AND i.captured NOT IN (0, (
            SELECT sum((line ->> 'credits')::bigint) FROM jsonb_array_elements(i.charge) AS line))))
      LIMIT 20`,
  },
  {
    id: "I6",
    title: "a failed or canceled item has exactly one refund, of its price",
    violations: `
      WITH r AS (
        SELECT account_id, item_id, count(*) AS refunds, sum(amount) AS total
        FROM ducat.credit_entries
        WHERE ${inRange()} AND type = 'refund' AND item_id IS NOT NULL GROUP BY 1, 2),
      i AS (
        SELECT account_id, id AS item_id, status, cost, refunded
        FROM ducat.generation_items WHERE ${inRange()})
      SELECT account_id, item_id AS id, i.status, i.cost, r.refunds, r.total
      FROM i FULL JOIN r USING (account_id, item_id)
      WHERE CASE
        WHEN i.status IN ('failed', 'canceled')
          THEN coalesce(r.total, 0) <> i.cost OR coalesce(r.refunds, 0) <> (i.cost > 0)::int
        WHEN i.status = 'completed' THEN coalesce(r.total, 0) <> i.refunded
        ELSE r.refunds IS NOT NULL END
      LIMIT 20`,
  },
  {
    id: "I7",
    title: "nothing is held for a generation that has ended, and its counts are its items'",
    violations: `
      WITH i AS (
        SELECT account_id, generation_id AS id, count(*) AS items,
               count(*) FILTER (WHERE status IN ('pending', 'processing')) AS open,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               count(*) FILTER (WHERE status = 'canceled') AS canceled,
               sum(cost) AS cost, sum(captured) AS captured, sum(refunded) AS refunded
        FROM ducat.generation_items WHERE ${inRange()} GROUP BY 1, 2),
      g AS (SELECT * FROM ducat.generations WHERE ${inRange()})
      SELECT account_id, id, g.status, g.open_items, g.failed_items, g.canceled_items,
             i.open, i.failed, i.canceled
      FROM g FULL JOIN i USING (account_id, id)
      WHERE (g.item_count, g.open_items, g.failed_items, g.canceled_items, g.cost, g.captured,
             g.refunded)
         IS DISTINCT FROM
            (i.items, i.open, i.failed, i.canceled, i.cost, i.captured, i.refunded)
         OR (g.open_items = 0 AND g.captured + g.refunded <> g.cost)
      LIMIT 20`,
  },
  {
    id: "I8",
    title: "one idempotency key is one generation, and every key that was kept has its answer",
    violations: `
      SELECT account_id, idempotency_key AS key, count(*) AS generations FROM ducat.generations
      WHERE ${inRange()} GROUP BY 1, 2 HAVING count(*) > 1
      UNION ALL
      SELECT account_id, scope || ' ' || key, 0 FROM ducat.idempotency_keys
      WHERE ${inRange()} AND result IS NULL
      LIMIT 20`,
  },
  {
    id: "I9",
    title: "a payment's credits are those of its money that has not been given back",
    violations: `
      WITH p AS (SELECT * FROM ducat.payments WHERE ${inRange()}),
      g AS (
        SELECT account_id, payment_id AS id, sum(amount) AS granted, sum(taken) AS taken,
               array_agg(amount) AS amounts, array_agg(reversed) AS reversals
        FROM ducat.credit_grants
        WHERE ${inRange()} AND payment_id IS NOT NULL AND restores IS NULL GROUP BY 1, 2)
      SELECT p.account_id, p.id, p.status, p.charged, p.reversed, p.credits_granted, g.granted,
             p.clawed, g.taken
      FROM p LEFT JOIN g USING (account_id, id)
      WHERE p.credits_granted <> coalesce(g.granted, 0) OR p.clawed <> coalesce(g.taken, 0)
         OR EXISTS (
           SELECT FROM unnest(g.amounts, g.reversals) AS u (amount, reversed)
           WHERE u.reversed <> CASE WHEN p.reversed = 0 THEN 0
             ELSE ceil(u.amount::numeric * p.reversed / p.charged) END)
      LIMIT 20`,
  },
  {
    id: "I9",
    title: "only a payment that succeeded has given anything, and it says what made it so",
    violations: `
      SELECT p.account_id, p.id, p.status, p.effect_key, p.paid_at FROM ducat.payments p
      WHERE ${inRange("p.account_id")} AND CASE WHEN p.status = 'succeeded'
        THEN p.effect_key IS NULL OR p.paid_at IS NULL OR p.charged IS NULL
        ELSE p.credits_granted <> 0
          OR EXISTS (SELECT FROM ducat.credit_grants g WHERE ${inRange("g.account_id")}
                     AND g.account_id = p.account_id AND g.payment_id = p.id)
          OR EXISTS (SELECT FROM ducat.allowance_grants g WHERE ${inRange("g.account_id")}
                     AND g.account_id = p.account_id AND g.payment_id = p.id)
          OR EXISTS (SELECT FROM ducat.passes s WHERE ${inRange("s.account_id")}
                     AND s.account_id = p.account_id AND s.payment_id = p.id) END
      LIMIT 20`,
  },
  {
    id: "I10",
    title: "what was started has a token, and nothing has a lease but what is processing",
    violations: `
      SELECT account_id, id, status, attempt FROM ducat.generation_items
      WHERE ${inRange()} AND ((attempt > 0) <> (attempt_token IS NOT NULL)
         OR (status = 'processing') <> (lease_until IS NOT NULL)
         OR (status = 'completed' AND attempt = 0))
      LIMIT 20`,
  },
  {
    id: "I12",
    title: "every generation that ended in the last 30 days has its event",
    violations: `
      WITH o AS (
        SELECT account_id, type, data ->> 'generation_id' AS id, count(*) AS events
        FROM ducat.outbox WHERE ${inRange()} AND type LIKE 'generation.%' GROUP BY 1, 2, 3)
      SELECT g.account_id, g.id, g.status, coalesce(o.events, 0) AS events
      FROM ducat.generations g
      LEFT JOIN o ON o.account_id = g.account_id AND o.id = g.id::text
        AND o.type = 'generation.' || g.status
      WHERE ${inRange("g.account_id")} AND g.open_items = 0
        AND g.completed_at > clock_timestamp() - interval '30 days'
        AND coalesce(o.events, 0) <> 1
      LIMIT 20`,
  },
  {
    id: "I14",
    title: "an account in debt has nothing but bound credits",
    violations: `
      SELECT account_id, debt, available, bound FROM ducat.credit_accounts
      WHERE ${inRange()} AND debt > 0 AND available <> bound LIMIT 20`,
  },
];
