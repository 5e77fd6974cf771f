-- What an account has, as the API tells it: what it would be if everything that is due had been
-- booked by now (expired holds come back, expired grants end, the debt takes its part of what came
-- back), without writing. Null when there is no such account. Takes no lock; one snapshot.
-- period is that of the subscription that runs: null without one. So is next_refill_at, else it is
-- the default plan's.
CREATE OR REPLACE FUNCTION ducat.get_credit_balance(p_account_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH account AS (
    SELECT *, clock_timestamp() + clock_offset AS at FROM credit_accounts
    WHERE account_id = p_account_id
  ), due_holds AS (
    SELECT h.* FROM credit_holds h JOIN account a USING (account_id)
    WHERE h.status = 'open' AND h.expires_at <= a.at
  ), back AS (
    SELECT s.grant_id, s.n, coalesce(g.expires_at <= a.at, false) AS is_gone,
           row_number() OVER (ORDER BY h.expires_at, h.id, s.ordinal) AS nth
    FROM due_holds h
    CROSS JOIN LATERAL slice_allocations(h.allocations, 0, h.amount) s
    JOIN credit_grants g ON g.account_id = h.account_id AND g.id = s.grant_id
    JOIN account a ON a.account_id = h.account_id
  ), paid AS (
    SELECT grant_id, least(n, greatest(0, a.debt - (sum(n) OVER (ORDER BY nth) - n))) AS n
    FROM back CROSS JOIN account a WHERE NOT is_gone
  ), parts AS (
    SELECT g.id, CASE WHEN g.id = a.head_grant_id THEN a.head_remaining ELSE g.remaining END AS n
    FROM credit_grants g JOIN account a USING (account_id) WHERE g.closed_at IS NULL
    UNION ALL
    SELECT grant_id, n FROM back
    UNION ALL
    SELECT grant_id, -n FROM paid
  ), live AS (
    SELECT g.id, g.source, g.subject, g.amount, g.expires_at, g.priority,
           p.n AS remaining, coalesce(g.expires_at <= a.at, false) AS is_gone
    FROM (SELECT id, sum(n)::bigint AS n FROM parts GROUP BY id HAVING sum(n) > 0) p
    JOIN credit_grants g ON g.account_id = p_account_id AND g.id = p.id
    CROSS JOIN account a
  ), grants AS (
    SELECT * FROM live WHERE NOT is_gone
  ), sums AS (
    SELECT coalesce(sum(remaining) FILTER (WHERE NOT is_gone AND subject IS NULL), 0)::bigint
             AS available,
           coalesce(sum(remaining) FILTER (WHERE NOT is_gone AND source = 'trial'), 0)::bigint
             AS trial,
           coalesce(sum(remaining) FILTER (WHERE is_gone), 0)::bigint AS gone
    FROM live
  ), subscription AS (
    SELECT s.* FROM subscriptions s
    WHERE s.account_id = p_account_id AND s.period_start IS NOT NULL
      AND s.status NOT IN ('incomplete', 'canceled')
    ORDER BY s.id DESC LIMIT 1
  ), period AS (
    -- What the debt takes of what comes back counts as clawed, not as used: with it or without,
    -- amount - clawed - remaining is the same.
    SELECT coalesce(sum(g.amount), 0) AS granted,
           coalesce(sum(g.amount - g.expired - g.clawed - CASE WHEN g.id = a.head_grant_id
             THEN a.head_remaining ELSE g.remaining END
             - coalesce((SELECT sum(n) FROM back b WHERE b.grant_id = g.id), 0)), 0) AS used
    FROM subscription s JOIN account a USING (account_id)
    JOIN credit_grants g ON g.account_id = s.account_id AND g.subscription_id = s.id
      AND g.starts_at >= s.period_start AND g.starts_at < s.period_end
  )
  SELECT jsonb_build_object(
    'available', s.available, 'trial_credits', s.trial, 'token_balance', s.available - s.trial,
    'bound', coalesce((SELECT jsonb_agg(jsonb_build_object('subject', subject,
        'remaining', remaining, 'expires_at', expires_at) ORDER BY subject, expires_at, id)
      FROM (SELECT * FROM grants WHERE subject IS NOT NULL ORDER BY id LIMIT 200) b), '[]'),
    'held', a.held - coalesce((SELECT sum(amount) FROM due_holds), 0),
    'debt', a.debt - coalesce((SELECT sum(n) FROM paid), 0),
    'frozen', a.frozen <> '{}',
    'period', (SELECT jsonb_build_object('start', u.period_start, 'end', u.period_end,
      'granted', p.granted, 'used', p.used) FROM subscription u CROSS JOIN period p),
    'next_refill_at', CASE WHEN EXISTS (SELECT FROM subscription)
      THEN (SELECT coalesce(next_refill_at, CASE
        WHEN status IN ('trialing', 'active') AND coalesce(cancel_at > period_end, true)
          THEN period_end END) FROM subscription)
      ELSE (SELECT next_at FROM base_refills
            WHERE account_id = p_account_id AND next_at > a.at AND next_at < 'infinity') END,
    'lifetime', jsonb_build_object('granted', a.lifetime_granted, 'used', a.lifetime_used,
      'expired', a.lifetime_expired + s.gone),
    'grants', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'source', source,
        'amount', amount, 'remaining', remaining, 'subject', subject, 'expires_at', expires_at)
        ORDER BY priority, expires_at NULLS LAST, id)
      FROM (SELECT * FROM grants ORDER BY priority, expires_at NULLS LAST, id LIMIT 200) g),
      '[]'))
  FROM account a CROSS JOIN sums s
$$;
GRANT EXECUTE ON FUNCTION ducat.get_credit_balance TO ducat_app, ducat_worker;
