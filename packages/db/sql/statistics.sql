-- The numbers of the whole deployment, from the roll-ups: for administrators.

-- Every statistic of the days p_from to p_to (inclusive):
--   flow     what came in these days
--   before   what came before them: of accounts and subscriptions, which are counted by it
--   total    what came until their end: of credits and debt
--   level    what stood at the last moment, until the end of p_to, at which it was looked at
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_statistics(p_from date, p_to date)
RETURNS TABLE (part text, name text, labels jsonb, value numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT 'flow', s.name, s.labels, sum(s.value) FROM stat_rollups s
  WHERE s.day BETWEEN p_from AND p_to AND s.name <> ALL (level_names())
    AND s.name <> 'active_accounts'
  GROUP BY 2, 3
  UNION ALL
  SELECT 'before', s.name, s.labels, sum(s.value) FROM stat_rollups s
  WHERE s.day < p_from AND s.name = ANY (ARRAY['accounts_created', 'accounts_erased',
    'subscriptions_started', 'subscriptions_ended'])
  GROUP BY 2, 3
  UNION ALL
  SELECT 'total', s.name, s.labels, sum(s.value) FROM stat_rollups s
  WHERE s.day <= p_to AND s.name = ANY (ARRAY['credits', 'debt'])
  GROUP BY 2, 3
  UNION ALL
  SELECT 'level', s.name, s.labels, s.value FROM stat_rollups s
  WHERE s.name = ANY (level_names()) AND s.day = (
    SELECT max(l.day) FROM stat_rollups l WHERE l.name = 'levels_read' AND l.day <= p_to);
END $$;
GRANT EXECUTE ON FUNCTION ducat.read_statistics TO ducat_app;

-- How many accounts used something in these days: ended an item, tracked a feature, spent credits.
CREATE OR REPLACE FUNCTION ducat.count_active_accounts(p_from date, p_to date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT count(DISTINCT account_id) FROM usage_rollups WHERE day BETWEEN p_from AND p_to
$$;
GRANT EXECUTE ON FUNCTION ducat.count_active_accounts TO ducat_app;

-- What waits for a person: webhook events and messages that could not be dealt with.
CREATE OR REPLACE FUNCTION ducat.count_dead_letters(OUT webhook_events int, OUT messages int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT (SELECT count(*)::int FROM webhook_events WHERE status = 'dead' AND resolved_at IS NULL),
    (SELECT count(*)::int FROM messages WHERE status = 'failed')
$$;
GRANT EXECUTE ON FUNCTION ducat.count_dead_letters TO ducat_app;
