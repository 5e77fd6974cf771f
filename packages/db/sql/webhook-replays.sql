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
  PERFORM reopen_deliveries(v_endpoint, ARRAY[p_id]);
  PERFORM audit_endpoint(v_endpoint, 'replay', p_audit, jsonb_build_object(
    'delivery_id', p_id, 'before', v_delivery.status));
  SELECT * INTO v_delivery FROM webhook_deliveries WHERE account_id = p_account_id AND id = p_id;
  RETURN show_delivery(v_delivery, v_endpoint.url);
END $$;
GRANT EXECUTE ON FUNCTION ducat.replay_webhook_delivery TO ducat_app;

-- Send again what p_filter finds, {what, type, from, to}, the oldest first, p_limit (1000) at
-- most: failed or delivered ones, or what was missed, events of the account that were never meant
-- for the endpoint. Times are those of the events. With p_dry_run nothing is written. Returns the
-- ids of the events, the oldest first.
--   DU003 not_found       the owner has no such endpoint
--   DU006 invalid_state   {reason: endpoint_disabled | deployment}: missed by all accounts
-- Locks the endpoint, then those deliveries. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.replay_webhook_deliveries(
  p_account_id uuid, p_endpoint_id uuid, p_filter jsonb, p_limit int, p_dry_run boolean,
  p_audit jsonb)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_enabled_endpoint(p_account_id, p_endpoint_id);
  v_limit int := least(p_limit, 1000);
  v_events uuid[];
  v_ids uuid[];
BEGIN
  IF p_filter ->> 'what' = 'missed' THEN
    IF p_account_id = deployment_id() THEN
      PERFORM refuse('DU006', 'invalid_state', '{"reason": "deployment"}');
    END IF;
    v_events := find_missed_events(v_endpoint, p_filter, v_limit);
  ELSE
    SELECT array_agg(f.id ORDER BY f.event_id), coalesce(array_agg(f.event_id ORDER BY f.event_id),
      '{}') INTO v_ids, v_events
    FROM find_ended_deliveries(v_endpoint, p_filter, v_limit) AS f;
  END IF;
  IF p_dry_run THEN
    RETURN v_events;
  END IF;
  IF p_filter ->> 'what' = 'missed' THEN
    INSERT INTO webhook_deliveries
      (account_id, endpoint_id, event_account_id, event_id, event_type, due_at)
    SELECT p_account_id, p_endpoint_id, p_account_id, o.id, o.type, clock_timestamp()
    FROM outbox o WHERE o.account_id = p_account_id AND o.id = ANY (v_events)
    ORDER BY o.id
    ON CONFLICT (account_id, endpoint_id, event_id) DO NOTHING;
  END IF;
  PERFORM reopen_deliveries(v_endpoint, coalesce(v_ids, '{}'));
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
  IF v_endpoint.status <> 'enabled' THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "endpoint_disabled"}');
  END IF;
  RETURN v_endpoint;
END $$;

-- Make these deliveries due now, as if they had never been tried, but for those on their way. The
-- endpoint must be locked; locks the deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.reopen_deliveries(
  p_endpoint ducat.webhook_endpoints, p_ids uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE webhook_deliveries SET status = 'pending', attempts = 0, ended_at = NULL,
    due_at = clock_timestamp()
  WHERE account_id = p_endpoint.account_id AND endpoint_id = p_endpoint.id
    AND id = ANY (p_ids) AND status <> 'sending';
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_endpoint.account_id AND n.id = p_endpoint.id;
END $$;

-- Events of the endpoint's account that it would want and that have no delivery to it. Their ids
-- begin with their times, so that what is out of the span is not looked at. Internal.
CREATE OR REPLACE FUNCTION ducat.find_missed_events(
  p_endpoint ducat.webhook_endpoints, p_filter jsonb, p_limit int)
RETURNS uuid[] LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(array_agg(m.id ORDER BY m.id), '{}') FROM (
    SELECT o.id FROM outbox o
    WHERE o.account_id = p_endpoint.account_id
      AND o.id >= coalesce(first_id_at((p_filter ->> 'from')::timestamptz - interval '1 min'),
        first_id())
      AND o.id <= coalesce(first_id_at((p_filter ->> 'to')::timestamptz + interval '1 min'),
        last_id())
      AND o.created_at >= coalesce((p_filter ->> 'from')::timestamptz, '-infinity')
      AND o.created_at < coalesce((p_filter ->> 'to')::timestamptz, 'infinity')
      AND o.type = coalesce(p_filter ->> 'type', o.type) AND o.type <> 'webhook.test'
      AND wants_event(p_endpoint.events, o.type)
      -- What has no number yet is about to be planned as any other.
      AND o.seq IS NOT NULL
      AND NOT EXISTS (SELECT FROM webhook_deliveries d
        WHERE d.account_id = p_endpoint.account_id AND d.endpoint_id = p_endpoint.id
          AND d.event_id = o.id)
    ORDER BY o.id LIMIT p_limit) AS m
$$;

-- Ended deliveries of an endpoint whose event is still kept. Internal.
CREATE OR REPLACE FUNCTION ducat.find_ended_deliveries(
  p_endpoint ducat.webhook_endpoints, p_filter jsonb, p_limit int)
RETURNS TABLE (id uuid, event_id uuid)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT d.id, d.event_id FROM webhook_deliveries d
  JOIN outbox o ON o.account_id = d.event_account_id AND o.id = d.event_id
  WHERE d.account_id = p_endpoint.account_id AND d.endpoint_id = p_endpoint.id
    AND d.status = coalesce(p_filter ->> 'what', 'failed') AND d.due_at IS NULL
    AND d.event_type = coalesce(p_filter ->> 'type', d.event_type)
    AND d.event_id >= coalesce(first_id_at((p_filter ->> 'from')::timestamptz - interval '1 min'),
      first_id())
    AND d.event_id <= coalesce(first_id_at((p_filter ->> 'to')::timestamptz + interval '1 min'),
      last_id())
    AND o.created_at >= coalesce((p_filter ->> 'from')::timestamptz, '-infinity')
    AND o.created_at < coalesce((p_filter ->> 'to')::timestamptz, 'infinity')
  ORDER BY d.id LIMIT p_limit
$$;
