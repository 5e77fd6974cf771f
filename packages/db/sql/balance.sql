-- What an account has, as the API tells it. What is due to expire is left out without writing.
-- Null when there is no such account. Takes no lock; one snapshot.
CREATE OR REPLACE FUNCTION ducat.get_credit_balance(p_account_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH account AS (
    SELECT *, clock_timestamp() + clock_offset AS at FROM credit_accounts
    WHERE account_id = p_account_id
  ), live AS (
    SELECT g.*,
           CASE WHEN g.id = a.head_grant_id THEN a.head_remaining ELSE g.remaining END AS rest
    FROM credit_grants g JOIN account a USING (account_id)
    WHERE g.closed_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > a.at)
  ), due_holds AS (
    SELECT h.* FROM credit_holds h JOIN account a USING (account_id)
    WHERE h.status = 'open' AND h.expires_at <= a.at
  ), back AS (
    SELECT g.id, g.source, g.subject, g.amount, g.expires_at, s.n
    FROM due_holds h
    CROSS JOIN LATERAL slice_allocations(h.allocations, 0, h.amount) s
    JOIN credit_grants g ON g.account_id = h.account_id AND g.id = s.grant_id
    JOIN account a ON a.account_id = g.account_id
    WHERE g.expires_at IS NULL OR g.expires_at > a.at
  ), grants AS (
    SELECT id, source, subject, amount, expires_at, priority, sum(rest)::bigint AS remaining
    FROM (
      SELECT id, source, subject, amount, expires_at, priority, rest FROM live
      UNION ALL
      SELECT id, source, subject, amount, expires_at,
             CASE source WHEN 'trial' THEN 0 ELSE 100 END::smallint, n FROM back
    ) AS parts
    GROUP BY id, source, subject, amount, expires_at, priority HAVING sum(rest) > 0
  ), sums AS (
    SELECT coalesce(sum(remaining) FILTER (WHERE subject IS NULL), 0)::bigint AS available,
           coalesce(sum(remaining) FILTER (WHERE source = 'trial'), 0)::bigint AS trial
    FROM grants
  )
  SELECT jsonb_build_object(
    'available', s.available, 'trial_credits', s.trial, 'token_balance', s.available - s.trial,
    'bound', coalesce((SELECT jsonb_agg(jsonb_build_object('subject', subject,
        'remaining', remaining, 'expires_at', expires_at) ORDER BY subject, expires_at, id)
      FROM (SELECT * FROM grants WHERE subject IS NOT NULL ORDER BY id LIMIT 200) b), '[]'),
    'held', a.held - coalesce((SELECT sum(amount) FROM due_holds), 0), 'debt', a.debt,
    'frozen', a.frozen <> '{}',
    'lifetime', jsonb_build_object('granted', a.lifetime_granted, 'used', a.lifetime_used,
      'expired', a.lifetime_expired),
    'grants', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'source', source,
        'amount', amount, 'remaining', remaining, 'subject', subject, 'expires_at', expires_at)
        ORDER BY priority, expires_at NULLS LAST, id)
      FROM (SELECT * FROM grants ORDER BY priority, expires_at NULLS LAST, id LIMIT 200) g),
      '[]'))
  FROM account a CROSS JOIN sums s
$$;
GRANT EXECUTE ON FUNCTION ducat.get_credit_balance TO ducat_app, ducat_worker;
