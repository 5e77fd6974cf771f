-- The log of deliveries, for their owners and for administrators; what is forgotten of it.

-- What a person may see of a delivery; p_url is its endpoint's. Internal.
CREATE OR REPLACE FUNCTION ducat.show_delivery(p_delivery ducat.webhook_deliveries, p_url text)
RETURNS jsonb LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', p_delivery.id, 'endpoint_id', p_delivery.endpoint_id,
    'event_id', p_delivery.event_id, 'event_type', p_delivery.event_type,
    'account_id', p_delivery.event_account_id, 'url', coalesce(p_delivery.url, p_url),
    'status', p_delivery.status, 'attempts', p_delivery.attempts,
    'next_try_at', CASE p_delivery.status WHEN 'pending' THEN p_delivery.due_at END,
    'tries', p_delivery.log, 'created_at', p_delivery.created_at,
    'ended_at', p_delivery.ended_at)
$$;

-- A delivery of an owner's endpoint, with its event {id, type, created_at, account_id, data}, null
-- when that is no longer kept; null when there is none. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.find_webhook_delivery(
  p_account_id uuid, p_endpoint_id uuid, p_id uuid)
RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT show_delivery(d, n.url) || jsonb_build_object('event', (
    SELECT jsonb_build_object('id', o.id, 'type', o.type, 'created_at', o.created_at,
      'account_id', o.account_id, 'data', o.data)
    FROM outbox o WHERE o.account_id = d.event_account_id AND o.id = d.event_id))
  FROM webhook_deliveries d
  JOIN webhook_endpoints n ON n.account_id = d.account_id AND n.id = d.endpoint_id
    AND n.kind = 'endpoint' AND n.status <> 'deleted'
  WHERE d.account_id = p_account_id AND d.endpoint_id = p_endpoint_id AND d.id = p_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_webhook_delivery TO ducat_app;

-- Deliveries of an owner's endpoint, newest first, before p_before (an id), p_limit (101 at most);
-- nothing when the owner has no such endpoint. Null: whatever. Times are those of the deliveries,
-- whose ids begin with them.
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_webhook_deliveries(
  p_account_id uuid, p_endpoint_id uuid, p_limit int, p_before uuid DEFAULT NULL,
  p_status text DEFAULT NULL, p_type text DEFAULT NULL, p_from timestamptz DEFAULT NULL,
  p_to timestamptz DEFAULT NULL)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  RETURN QUERY EXECUTE $query$
    SELECT show_delivery(d, n.url) FROM webhook_endpoints n
    JOIN webhook_deliveries d ON d.account_id = n.account_id AND d.endpoint_id = n.id
    WHERE n.account_id = $1 AND n.id = $2 AND n.kind = 'endpoint' AND n.status <> 'deleted'
      AND d.id < least($3, first_id_at($7 + interval '1 min'))
      AND ($6 IS NULL OR d.id >= first_id_at($6 - interval '1 min'))
      AND ($4 IS NULL OR d.status = $4) AND ($5 IS NULL OR d.event_type = $5)
      -- As the index of open ones has it: where a million has ended they may be few or none.
      AND (coalesce($4, '') NOT IN ('pending', 'sending') OR d.due_at IS NOT NULL)
      AND ($6 IS NULL OR d.created_at >= $6) AND ($7 IS NULL OR d.created_at < $7)
    ORDER BY d.id DESC LIMIT least($8, 101)$query$
  USING p_account_id, p_endpoint_id, coalesce(p_before, last_id()), p_status, p_type, p_from,
    p_to, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.list_webhook_deliveries TO ducat_app;

-- Deliveries of anybody, newest first, before p_before and not before p_floor (ids), p_limit (1001
-- at most), with owner_id (null: the deployment's own endpoint) and kind. Null: whatever;
-- p_account_id is whose events. For administrators: sees every account. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.search_webhook_deliveries(
  p_limit int, p_before uuid DEFAULT NULL, p_floor uuid DEFAULT NULL, p_status text DEFAULT NULL,
  p_type text DEFAULT NULL, p_endpoint_id uuid DEFAULT NULL, p_account_id uuid DEFAULT NULL,
  p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE $query$
    SELECT show_delivery(d, n.url) || jsonb_build_object('kind', n.kind,
      'owner_id', nullif(d.account_id, deployment_id()))
    FROM webhook_deliveries d
    JOIN webhook_endpoints n ON n.account_id = d.account_id AND n.id = d.endpoint_id
    WHERE d.id < $1 AND d.id >= $2 AND ($3 IS NULL OR d.status = $3)
      AND ($4 IS NULL OR d.event_type = $4) AND ($5 IS NULL OR d.endpoint_id = $5)
      AND ($6 IS NULL OR d.event_account_id = $6) AND ($7 IS NULL OR d.created_at >= $7)
      AND ($8 IS NULL OR d.created_at < $8)
    ORDER BY d.id DESC LIMIT least($9, 1001)$query$
  USING coalesce(p_before, last_id()), coalesce(p_floor, first_id()), p_status, p_type,
    p_endpoint_id, p_account_id, p_from, p_to, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.search_webhook_deliveries TO ducat_app;

-- What waits: open deliveries (counted up to 100,000), endpoints that fail or were disabled after
-- failing, and for how many seconds the first in line that doesn't fail has had something due.
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_delivery_backlog(
  OUT waiting int, OUT failing int, OUT disabled int, OUT oldest_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT
    (SELECT count(*)::int FROM (
      SELECT FROM webhook_deliveries WHERE due_at IS NOT NULL LIMIT 100000) AS open),
    (SELECT count(*)::int FROM webhook_endpoints
      WHERE due_at IS NOT NULL AND failing_since IS NOT NULL),
    (SELECT count(*)::int FROM webhook_endpoints
      WHERE (kind = 'origin' OR status <> 'enabled') AND disabled_reason IN ('gone', 'failing')),
    coalesce((SELECT extract(epoch FROM clock_timestamp() - min(due_at))::double precision
      FROM webhook_endpoints WHERE due_at <= clock_timestamp() AND failing_since IS NULL), 0)
$$;
GRANT EXECUTE ON FUNCTION ducat.read_delivery_backlog TO ducat_app, ducat_worker;

-- Deliveries that ended, 30 days after they were planned; see purges.sql. Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_deliveries(
  p_after uuid, p_limit int, OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  SELECT f.last_id, f.removed INTO last_id, removed
  FROM forget_by_account('webhook_deliveries', 'due_at IS NULL',
    clock_timestamp() - interval '30 days', p_after, p_limit) f;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_deliveries TO ducat_worker;

-- Give up what still waits for endpoints that are disabled or deleted, p_limit (1,000) at most, and
-- remove those that are deleted, and hosts of webhook_url, when nothing was sent there for 31 days
-- and no delivery is kept; first what an account has got that was erased just then, one account at
-- a time. Returns how many rows that were. Locks those endpoints, passing over what others hold
-- (but for the erased account), and their deliveries. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.forget_endpoints(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := least(p_limit, 1000);
  v_left int := v_limit;
  v_endpoint record;
  v_removed int;
BEGIN
  PERFORM erase_webhooks(late.id) FROM (
    SELECT a.id FROM accounts a
    WHERE a.erased_at > clock_timestamp() - interval '2 days'
      AND EXISTS (SELECT FROM webhook_endpoints n WHERE n.account_id = a.id)
    LIMIT 1) AS late;
  FOR v_endpoint IN
    SELECT n.account_id, n.id FROM webhook_endpoints n
    WHERE (n.kind = 'origin' OR n.status <> 'enabled') AND n.status <> 'enabled'
      AND EXISTS (SELECT FROM webhook_deliveries d
        WHERE d.account_id = n.account_id AND d.endpoint_id = n.id AND d.due_at IS NOT NULL
          AND (d.status = 'pending' OR d.due_at <= clock_timestamp()))
    ORDER BY n.served_at LIMIT v_limit FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    v_left := v_left - give_up_deliveries(v_endpoint.account_id, v_endpoint.id, v_left);
    EXIT WHEN v_left <= 0;
  END LOOP;
  DELETE FROM webhook_endpoints WHERE (account_id, id) IN (
    SELECT n.account_id, n.id FROM webhook_endpoints n
    WHERE (n.kind = 'origin' OR n.status <> 'enabled') AND n.status <> 'disabled'
      AND n.due_at IS NULL AND n.served_at < clock_timestamp() - interval '31 days'
      AND n.updated_at < clock_timestamp() - interval '1 day'
      AND NOT EXISTS (SELECT FROM webhook_deliveries d
        WHERE d.account_id = n.account_id AND d.endpoint_id = n.id)
    ORDER BY n.served_at LIMIT v_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_removed = ROW_COUNT;
  RETURN greatest(v_limit - v_left, v_removed);
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_endpoints TO ducat_worker;
