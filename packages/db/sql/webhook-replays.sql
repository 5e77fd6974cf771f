-- Sending again, by hand: one delivery, a range of them, what was missed, and a test.

-- Send an event to an endpoint that says only that it works: made for it alone, whatever it asks
-- for. Returns the delivery as show_delivery shows it.
--   DU003 not_found       the owner has no such endpoint
--   DU006 invalid_state   {reason: endpoint_disabled}
-- Locks the endpoint. A repeat sends another.
CREATE OR REPLACE FUNCTION ducat.test_webhook_endpoint(
  p_account_id uuid, p_id uuid, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_enabled_endpoint(p_account_id, p_id);
  v_event uuid;
  v_delivery webhook_deliveries;
BEGIN
  INSERT INTO outbox (account_id, type, data)
  VALUES (p_account_id, 'webhook.test', jsonb_build_object('endpoint_id', p_id))
  RETURNING id INTO v_event;
  INSERT INTO webhook_deliveries
    (account_id, endpoint_id, event_account_id, event_id, event_type, due_at)
  VALUES (p_account_id, p_id, p_account_id, v_event, 'webhook.test', clock_timestamp())
  RETURNING * INTO v_delivery;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_account_id AND n.id = p_id;
  PERFORM audit_endpoint(v_endpoint, 'test', p_audit, '{}');
  RETURN show_delivery(v_delivery, v_endpoint.url);
END $$;
GRANT EXECUTE ON FUNCTION ducat.test_webhook_endpoint TO ducat_app;

-- Send a delivery again, with all its tries before it; one that is on its way is left to go on,
-- one that waits is due now. Returns it as show_delivery shows it.
--   DU003 not_found       the owner's endpoint has no such delivery
--   DU006 invalid_state   {reason: endpoint_disabled | event_removed}
-- Locks the endpoint, then the delivery. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.replay_webhook_delivery(
  p_account_id uuid, p_endpoint_id uuid, p_id uuid, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_enabled_endpoint(p_account_id, p_endpoint_id);
  v_delivery webhook_deliveries;
BEGIN
  SELECT * INTO v_delivery FROM webhook_deliveries
  WHERE account_id = p_account_id AND endpoint_id = p_endpoint_id AND id = p_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "webhook_delivery"}');
  END IF;
  PERFORM FROM outbox
  WHERE account_id = v_delivery.event_account_id AND id = v_delivery.event_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "event_removed"}');
  END IF;
  PERFORM reopen_deliveries(v_endpoint, ARRAY[v_delivery.event_id]);
  PERFORM audit_endpoint(v_endpoint, 'replay', p_audit, jsonb_build_object(
    'delivery_id', p_id, 'before', v_delivery.status));
  SELECT * INTO v_delivery FROM webhook_deliveries WHERE account_id = p_account_id AND id = p_id;
  RETURN show_delivery(v_delivery, v_endpoint.url);
END $$;
GRANT EXECUTE ON FUNCTION ducat.replay_webhook_delivery TO ducat_app;

-- Send again what p_filter finds, {what, type, from, to, after}, oldest first, p_limit (1000) at
-- most: failed or delivered ones, or what was missed, events of the account that were never meant
-- for the endpoint. Times are those of the events; after is the event to go on after. With
-- p_dry_run nothing is written. Returns the ids of the events, the oldest first.
--   DU003 not_found       the owner has no such endpoint
--   DU006 invalid_state   {reason: endpoint_disabled | deployment}: missed by all accounts
-- Locks the endpoint, then those deliveries, once they are found: whoever numbers events waits for
-- endpoints, and a search among a million takes seconds. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.replay_webhook_deliveries(
  p_account_id uuid, p_endpoint_id uuid, p_filter jsonb, p_limit int, p_dry_run boolean,
  p_audit jsonb)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_is_missed boolean := p_filter ->> 'what' = 'missed';
  v_endpoint webhook_endpoints;
  v_events uuid[];
BEGIN
  SELECT * INTO v_endpoint FROM webhook_endpoints
  WHERE account_id = p_account_id AND id = p_endpoint_id AND kind = 'endpoint';
  PERFORM check_enabled_endpoint(v_endpoint);
  IF v_is_missed AND p_account_id = deployment_id() THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "deployment"}');
  END IF;
  v_events := find_replayed_events(v_endpoint, p_filter, least(p_limit, 1000));
  IF p_dry_run THEN
    RETURN v_events;
  END IF;
  v_endpoint := lock_enabled_endpoint(p_account_id, p_endpoint_id);
  IF v_is_missed THEN
    v_events := plan_missed_events(v_endpoint, v_events);
  ELSE
    v_events := reopen_deliveries(v_endpoint, v_events, coalesce(p_filter ->> 'what', 'failed'));
  END IF;
  PERFORM audit_endpoint(v_endpoint, 'replay', p_audit, jsonb_build_object(
    'filter', p_filter, 'count', cardinality(v_events)));
  RETURN v_events;
END $$;
GRANT EXECUTE ON FUNCTION ducat.replay_webhook_deliveries TO ducat_app;

-- Lock an owner's endpoint, to send to it.
--   DU003 not_found · DU006 invalid_state {reason: endpoint_disabled}
CREATE OR REPLACE FUNCTION ducat.lock_enabled_endpoint(p_account_id uuid, p_id uuid)
RETURNS ducat.webhook_endpoints LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_endpoint(p_account_id, p_id);
BEGIN
  PERFORM check_enabled_endpoint(v_endpoint);
  RETURN v_endpoint;
END $$;

-- Refuse to send to an endpoint that is not there, or disabled. Internal.
--   DU003 not_found · DU006 invalid_state {reason: endpoint_disabled}
CREATE OR REPLACE FUNCTION ducat.check_enabled_endpoint(p_endpoint ducat.webhook_endpoints)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_endpoint.id IS NULL OR p_endpoint.status = 'deleted' THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "webhook_endpoint"}');
  END IF;
  IF p_endpoint.status <> 'enabled' THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "endpoint_disabled"}');
  END IF;
END $$;

-- Make the deliveries of these events due now, as if they had never been tried, but for those on
-- their way; with p_status only those that still have it. Returns which, in their order. The
-- endpoint must be locked; locks the deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.reopen_deliveries(
  p_endpoint ducat.webhook_endpoints, p_events uuid[], p_status text DEFAULT NULL)
RETURNS uuid[] LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_events uuid[];
BEGIN
  WITH opened AS (
    UPDATE webhook_deliveries SET status = 'pending', attempts = 0, ended_at = NULL,
      due_at = clock_timestamp()
    WHERE account_id = p_endpoint.account_id AND endpoint_id = p_endpoint.id
      AND event_id = ANY (p_events) AND status <> 'sending'
      AND (p_status IS NULL OR status = p_status)
    RETURNING event_id
  )
  SELECT coalesce(array_agg(event_id ORDER BY event_id), '{}') INTO v_events FROM opened;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_endpoint.account_id AND n.id = p_endpoint.id;
  RETURN v_events;
END $$;

-- Plan events of an account for its endpoint that have no delivery to it yet. Returns which, in
-- their order. The endpoint must be locked. Internal.
CREATE OR REPLACE FUNCTION ducat.plan_missed_events(
  p_endpoint ducat.webhook_endpoints, p_events uuid[])
RETURNS uuid[] LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_events uuid[];
BEGIN
  WITH planned AS (
    INSERT INTO webhook_deliveries
      (account_id, endpoint_id, event_account_id, event_id, event_type, due_at)
    SELECT o.account_id, p_endpoint.id, o.account_id, o.id, o.type, clock_timestamp()
    FROM outbox o WHERE o.account_id = p_endpoint.account_id AND o.id = ANY (p_events)
    ORDER BY o.id
    ON CONFLICT (account_id, endpoint_id, event_id) DO NOTHING
    RETURNING event_id
  )
  SELECT coalesce(array_agg(event_id ORDER BY event_id), '{}') INTO v_events FROM planned;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_endpoint.account_id AND n.id = p_endpoint.id;
  RETURN v_events;
END $$;

-- What a replay is about, the oldest p_limit: events that the endpoint would want and that have no
-- delivery to it, or those of its deliveries that ended so. Only events that are still kept.
-- Takes no lock. Internal.
CREATE OR REPLACE FUNCTION ducat.find_replayed_events(
  p_endpoint ducat.webhook_endpoints, p_filter jsonb, p_limit int)
RETURNS uuid[] LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_from timestamptz := p_filter ->> 'from';
  v_to timestamptz := p_filter ->> 'to';
  -- Where to begin and to end in the index: an id is made a moment before its event's time.
  v_after uuid := greatest((p_filter ->> 'after')::uuid, first_id_at(v_from - interval '1 s'),
    first_id());
  v_before uuid := coalesce(first_id_at(v_to + interval '1 s'), last_id());
  v_found text := CASE WHEN p_filter ->> 'what' = 'missed' THEN $query$
    SELECT o.id FROM outbox o
    WHERE o.account_id = $1 AND o.id > $3 AND o.id < $4
      AND o.type <> 'webhook.test' AND wants_event($9, o.type)
      -- What has no number yet is about to be planned as any other.
      AND o.seq IS NOT NULL
      AND NOT EXISTS (SELECT FROM webhook_deliveries d
        WHERE d.account_id = $1 AND d.endpoint_id = $2 AND d.event_id = o.id)$query$
  ELSE $query$
    SELECT d.event_id AS id FROM webhook_deliveries d
    JOIN outbox o ON o.account_id = d.event_account_id AND o.id = d.event_id
    WHERE d.account_id = $1 AND d.endpoint_id = $2 AND d.event_id > $3 AND d.event_id < $4
      AND d.status = $10$query$ END;
  v_events uuid[];
BEGIN
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  EXECUTE format($query$
    SELECT coalesce(array_agg(f.id ORDER BY f.id), '{}') FROM (%s
      AND ($5 IS NULL OR o.type = $5) AND ($6 IS NULL OR o.created_at >= $6)
      AND ($7 IS NULL OR o.created_at < $7) ORDER BY 1 LIMIT $8) AS f$query$, v_found)
  INTO v_events
  USING p_endpoint.account_id, p_endpoint.id, v_after, v_before, p_filter ->> 'type', v_from, v_to,
    p_limit, p_endpoint.events, coalesce(p_filter ->> 'what', 'failed');
  RETURN v_events;
END $$;
