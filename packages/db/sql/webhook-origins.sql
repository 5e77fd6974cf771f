-- Where the webhook_url of generations leads: one endpoint for each host of an account, so that
-- each waits in a line of its own (webhook-deliveries.sql).

-- The part of plan_deliveries about webhook_url. Hosts that nothing has reached yet are tried eight
-- in a second of an account's: an account can name as many as it likes, and each that hangs takes a
-- worker's time. Locks the hosts, by name. Internal.
CREATE OR REPLACE FUNCTION ducat.plan_origins(p_account_ids uuid[], p_event_ids uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  WITH given AS (
    SELECT o.account_id, o.id, o.type, g.webhook_url,
      lower(substring(g.webhook_url FROM '^https?://[^/?#\\]+')) AS origin
    FROM unnest(p_account_ids, p_event_ids) AS e (account_id, id)
    JOIN outbox o ON o.account_id = e.account_id AND o.id = e.id
      AND o.type IN ('generation.completed', 'generation.failed', 'generation.canceled')
    JOIN generations g ON g.account_id = o.account_id
      AND g.id = (o.data ->> 'generation_id')::uuid AND g.webhook_url IS NOT NULL
  ), hosts AS (
    SELECT d.account_id, d.origin,
      row_number() OVER (PARTITION BY d.account_id, n.id IS NULL ORDER BY d.origin) - 1 AS nth
    FROM (SELECT DISTINCT account_id, origin FROM given WHERE origin IS NOT NULL) AS d
    LEFT JOIN webhook_endpoints n
      ON n.account_id = d.account_id AND n.url = d.origin AND n.kind = 'origin'
  ), strange AS (
    SELECT account_id, count_strange_hosts(account_id) AS count
    FROM (SELECT DISTINCT account_id FROM hosts) AS d
  ), origins AS (
    -- The update locks the row too: one that is idle may be on its way out.
    INSERT INTO webhook_endpoints AS n (account_id, kind, url, due_at)
    SELECT account_id, 'origin', origin, v_now + (s.count + h.nth) / 8 * interval '1 s'
    FROM hosts h JOIN strange s USING (account_id) ORDER BY account_id, origin
    ON CONFLICT (account_id, url) WHERE kind = 'origin' DO UPDATE SET due_at =
      CASE WHEN n.last_success_at IS NULL AND n.due_at IS NOT NULL THEN n.due_at
           ELSE least(n.due_at, greatest(v_now, n.retry_at)) END
    RETURNING account_id, id, url,
      CASE WHEN n.last_success_at IS NULL THEN greatest(v_now, n.due_at) ELSE v_now END AS due_at
  )
  INSERT INTO webhook_deliveries
    (account_id, endpoint_id, event_account_id, event_id, event_type, url, due_at)
  SELECT g.account_id, n.id, g.account_id, g.id, g.type, g.webhook_url, n.due_at
  FROM given g JOIN origins n ON n.account_id = g.account_id AND n.url = g.origin
  ON CONFLICT (account_id, endpoint_id, event_id) DO NOTHING;
END $$;

-- How many hosts of an account have something open and have never been reached; 2,000 of its hosts
-- are looked at. Internal.
CREATE OR REPLACE FUNCTION ducat.count_strange_hosts(p_account_id uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT count(*) FILTER (WHERE due_at IS NOT NULL AND last_success_at IS NULL) FROM (
    SELECT due_at, last_success_at FROM webhook_endpoints
    WHERE account_id = p_account_id AND kind = 'origin' LIMIT 2000) AS hosts
$$;
