-- Events on their way to endpoints: planned when they get their number, claimed, settled. A
-- delivery is pending -> sending -> delivered | failed, and back by a replay. While it is open its
-- due_at says when it is looked at (again); of one that is being sent that is when its lease ends.
--
-- The line: an endpoint's due_at is its place among those that have something due, and nothing of
-- it is sooner than its last turn (served_at). So endpoints take turns, however long their queues.
-- Lock order: endpoint, then delivery. All times are the machine's.

-- The deployment: owner of the endpoints that hear of all accounts. Internal.
CREATE OR REPLACE FUNCTION ducat.deployment_id() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT '00000000-0000-0000-0000-000000000000'::uuid $$;

-- Plan the deliveries of committed events, once each: to the enabled endpoints of their account
-- and of the deployment that want the type, and the ends of generations to their webhook_url. The
-- arrays are of equal length; each event is to be planned in the transaction that numbers it.
-- Items go to those only who ask for them by name, and a test only to the endpoint it was made for.
-- Locks those endpoints. Safe to retry: an event goes to an endpoint once.
CREATE OR REPLACE FUNCTION ducat.plan_deliveries(p_account_ids uuid[], p_event_ids uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  PERFORM plan_origins(p_account_ids, p_event_ids);
  -- Locked first: who is disabled meanwhile gets nothing new.
  PERFORM FROM webhook_endpoints n
  WHERE n.kind = 'endpoint' AND n.status = 'enabled'
    AND (n.account_id = ANY (p_account_ids) OR n.account_id = deployment_id())
  ORDER BY n.account_id, n.id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  WITH given AS (
    SELECT o.account_id, o.id, o.type
    FROM unnest(p_account_ids, p_event_ids) AS g (account_id, id)
    JOIN outbox o ON o.account_id = g.account_id AND o.id = g.id
    WHERE o.type <> 'webhook.test'
  ), planned AS (
    INSERT INTO webhook_deliveries
      (account_id, endpoint_id, event_account_id, event_id, event_type, due_at)
    SELECT n.account_id, n.id, g.account_id, g.id, g.type, v_now
    FROM given g JOIN webhook_endpoints n
      ON n.account_id IN (g.account_id, deployment_id()) AND n.kind = 'endpoint'
        AND n.status = 'enabled' AND wants_event(n.events, g.type)
    ORDER BY n.account_id, n.id, g.id
    ON CONFLICT (account_id, endpoint_id, event_id) DO NOTHING
    RETURNING account_id, endpoint_id
  )
  UPDATE webhook_endpoints n SET due_at = greatest(v_now, n.retry_at)
  FROM (SELECT DISTINCT account_id, endpoint_id FROM planned) AS p
  WHERE n.account_id = p.account_id AND n.id = p.endpoint_id
    AND (n.due_at IS NULL OR n.due_at > v_now);
END $$;

-- Whether an endpoint's filter lets a type through. Internal.
CREATE OR REPLACE FUNCTION ducat.wants_event(p_events text[], p_type text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_events IS NULL THEN p_type NOT LIKE 'item.%' ELSE p_type = ANY (p_events) END
$$;

-- The part of plan_deliveries about webhook_url: one endpoint for each host of an account, so that
-- each waits in a line of its own. Internal.
CREATE OR REPLACE FUNCTION ducat.plan_origins(p_account_ids uuid[], p_event_ids uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  WITH given AS (
    SELECT o.account_id, o.id, o.type, g.webhook_url,
      lower(substring(g.webhook_url FROM '^https?://[^/?#]{1,300}')) AS origin
    FROM unnest(p_account_ids, p_event_ids) AS e (account_id, id)
    JOIN outbox o ON o.account_id = e.account_id AND o.id = e.id
      AND o.type IN ('generation.completed', 'generation.failed', 'generation.canceled')
    JOIN generations g ON g.account_id = o.account_id
      AND g.id = (o.data ->> 'generation_id')::uuid AND g.webhook_url IS NOT NULL
  ), origins AS (
    -- The update locks the row too: one that is idle may be on its way out.
    INSERT INTO webhook_endpoints AS n (account_id, kind, url, due_at)
    SELECT DISTINCT account_id, 'origin', origin, v_now FROM given WHERE origin IS NOT NULL
    ORDER BY account_id, origin
    ON CONFLICT (account_id, url) WHERE kind = 'origin'
      DO UPDATE SET due_at = least(n.due_at, greatest(v_now, n.retry_at))
    RETURNING account_id, id, url
  )
  INSERT INTO webhook_deliveries
    (account_id, endpoint_id, event_account_id, event_id, event_type, url, due_at)
  SELECT g.account_id, n.id, g.account_id, g.id, g.type, g.webhook_url, v_now
  FROM given g JOIN origins n ON n.account_id = g.account_id AND n.url = g.origin
  ON CONFLICT (account_id, endpoint_id, event_id) DO NOTHING;
END $$;
