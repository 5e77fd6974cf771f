-- The life of a webhook event: received -> processed | ignored | dead, and back by a replay.
-- Bodies hold personal data: the API's role can't read the table, only call these functions.
-- A worker owns an event by the token of its claim until due_at; who lost it writes nothing. Two
-- that worked on one event would do no harm either: every effect of a fact happens once.

-- Keep a verified webhook before it is answered, once per (p_provider, p_mode, p_dedupe).
-- Returns its id, its status, and whether it was new; a repeat changes nothing.
--   DU007 validation_failed   a name is too long, or the body is over 1 MiB
-- Locks nothing that is there. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.store_webhook_event(
  p_provider text, p_mode text, p_dedupe text, p_delivery_id text, p_event_type text,
  p_occurred_at timestamptz, p_body bytea)
RETURNS TABLE (id uuid, status text, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  IF greatest(length(p_dedupe), length(p_delivery_id)) > 300 OR length(p_event_type) > 100
     OR octet_length(p_body) > 1048576 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "webhook"}');
  END IF;
  RETURN QUERY
  INSERT INTO webhook_events (provider, mode, dedupe, delivery_id, event_type, occurred_at, body,
    due_at)
  VALUES (p_provider, p_mode, p_dedupe, p_delivery_id, p_event_type, p_occurred_at, p_body,
    clock_timestamp())
  ON CONFLICT (provider, mode, dedupe) DO NOTHING
  RETURNING webhook_events.id, webhook_events.status, true;
  IF NOT FOUND THEN
    RETURN QUERY
    SELECT e.id, e.status, false FROM webhook_events e
    WHERE e.provider = p_provider AND e.mode = p_mode AND e.dedupe = p_dedupe;
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.store_webhook_event TO ducat_app;

-- Take a due event for p_lease_s seconds. p_providers are those that the caller can speak with: an
-- event of another one waits. Returns what the work needs; no row when there is nothing to do.
-- Locks the event only. Safe to retry (the repeat finds nothing until the lease is over).
CREATE OR REPLACE FUNCTION ducat.claim_webhook_event(
  p_id uuid, p_providers text[], p_mode text, p_lease_s numeric)
RETURNS TABLE (
  id uuid, provider text, event_type text, body bytea, lease_token uuid, tries int,
  unknown_seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
  UPDATE webhook_events e
  SET lease_token = gen_random_uuid(), due_at = v_now + make_interval(secs => p_lease_s),
      retry_count = e.retry_count + 1
  WHERE e.id = p_id AND e.status = 'received' AND e.due_at <= v_now
    AND e.provider = ANY (p_providers) AND e.mode = p_mode
  RETURNING e.id, e.provider, e.event_type, e.body, e.lease_token, e.retry_count,
    extract(epoch FROM v_now - e.unknown_since)::double precision;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_webhook_event TO ducat_worker;

-- End a claim: processed, ignored, dead, or received again (looked at in p_delay_s seconds).
-- p_waits_for names what is not in our books yet; when that comes, the event is woken.
-- False when the claim is no longer the caller's: then nothing is written.
-- Locks the event only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.finish_webhook_event(
  p_id uuid, p_token uuid, p_status text, p_error text DEFAULT NULL,
  p_delay_s numeric DEFAULT NULL, p_waits_for text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  UPDATE webhook_events
  SET status = p_status, lease_token = NULL, last_error = left(p_error, 2000),
      due_at = CASE p_status WHEN 'received' THEN v_now + make_interval(secs => p_delay_s) END,
      processed_at = CASE WHEN p_status IN ('processed', 'ignored') THEN v_now END,
      unknown_since = CASE WHEN p_waits_for IS NOT NULL THEN coalesce(unknown_since, v_now) END,
      waits_for = left(p_waits_for, 300)
  WHERE id = p_id AND lease_token = p_token AND status = 'received';
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.finish_webhook_event TO ducat_worker;

-- Up to p_limit events that are due and that the caller can process; each is claimed by itself.
CREATE OR REPLACE FUNCTION ducat.find_due_webhook_events(
  p_providers text[], p_mode text, p_limit int)
RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT id FROM webhook_events
  WHERE due_at <= clock_timestamp() AND status = 'received'
    AND provider = ANY (p_providers) AND mode = p_mode
  ORDER BY due_at LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_webhook_events TO ducat_worker;

-- Wake what waited for one of these names of the provider's: it has come into our books. Takes a
-- running claim's right to write, so that what it decided before this is not the last word.
-- Returns how many. Locks those events. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.revive_webhook_events(
  p_provider text, p_mode text, p_about text[])
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  UPDATE webhook_events
  SET status = 'received', lease_token = NULL, unknown_since = NULL, waits_for = NULL,
      processed_at = NULL,
      due_at = CASE WHEN lease_token IS NULL THEN clock_timestamp() ELSE due_at END
  WHERE provider = p_provider AND mode = p_mode AND waits_for = ANY (p_about)
    AND status IN ('received', 'ignored') AND body IS NOT NULL AND resolved_at IS NULL;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_count > 0 THEN
    UPDATE payment_anomalies SET resolved_at = clock_timestamp(), resolved_by = 'system'
    WHERE provider = p_provider AND mode = p_mode AND kind = 'unknown_order'
      AND about = ANY (p_about) AND resolved_at IS NULL;
  END IF;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.revive_webhook_events TO ducat_app, ducat_worker;

-- Process an event again from its stored bytes, with an audit line: what it did is not done twice.
-- Returns the event's row, without its body.
--   DU003 not_found       no such event
--   DU006 invalid_state   its body is no longer kept
-- Locks the event only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.replay_webhook_event(p_id uuid, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_event webhook_events;
  v_before text;
BEGIN
  SELECT * INTO v_event FROM webhook_events WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found');
  END IF;
  IF v_event.body IS NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "body_removed"}');
  END IF;
  v_before := v_event.status;
  UPDATE webhook_events
  SET status = 'received', retry_count = 0, last_error = NULL, lease_token = NULL,
      unknown_since = NULL, waits_for = NULL, processed_at = NULL, resolved_at = NULL,
      resolved_by = NULL, retried_at = clock_timestamp(),
      due_at = CASE WHEN lease_token IS NULL THEN clock_timestamp() ELSE due_at END
  WHERE id = p_id RETURNING * INTO v_event;
  PERFORM audit(NULL, 'webhook_event.replay', 'webhook_event', p_id::text, p_audit,
    jsonb_build_object('before', v_before));
  RETURN show_webhook_event(v_event);
END $$;
GRANT EXECUTE ON FUNCTION ducat.replay_webhook_event TO ducat_app;

-- Give an event up by hand, with an audit line. One that was discarded before stays as it is.
-- Returns the event's row, without its body.
--   DU003 not_found       no such event
--   DU006 invalid_state   it was processed or ignored
-- Locks the event only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.discard_webhook_event(p_id uuid, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_event webhook_events;
BEGIN
  SELECT * INTO v_event FROM webhook_events WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found');
  END IF;
  IF v_event.resolved_at IS NOT NULL THEN
    RETURN show_webhook_event(v_event);
  END IF;
  IF v_event.status NOT IN ('received', 'dead') THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_event.status));
  END IF;
  UPDATE webhook_events
  SET status = 'ignored', due_at = NULL, lease_token = NULL, waits_for = NULL,
      resolved_at = clock_timestamp(), resolved_by = p_audit ->> 'actor'
  WHERE id = p_id RETURNING * INTO v_event;
  PERFORM audit(NULL, 'webhook_event.discard', 'webhook_event', p_id::text, p_audit, '{}');
  RETURN show_webhook_event(v_event);
END $$;
GRANT EXECUTE ON FUNCTION ducat.discard_webhook_event TO ducat_app;

-- What a person may see of an event: all but its body and the claim's token.
CREATE OR REPLACE FUNCTION ducat.show_webhook_event(p_event ducat.webhook_events)
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT to_jsonb(p_event) - 'body' - 'dedupe' - 'lease_token'
    || jsonb_build_object('has_body', p_event.body IS NOT NULL)
$$;

-- How many events wait and how many are dead, and for how many seconds the first has been due.
CREATE OR REPLACE FUNCTION ducat.read_webhook_backlog(
  OUT waiting int, OUT dead int, OUT oldest_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT (SELECT count(*)::int FROM webhook_events WHERE due_at IS NOT NULL),
    (SELECT count(*)::int FROM webhook_events WHERE status = 'dead'),
    coalesce((SELECT extract(epoch FROM clock_timestamp() - min(due_at))::double precision
      FROM webhook_events WHERE due_at <= clock_timestamp()), 0)
$$;
GRANT EXECUTE ON FUNCTION ducat.read_webhook_backlog TO ducat_app;

-- Empty up to p_limit bodies that nobody needs any more; returns how many. Dead events keep theirs.
-- Locks those events. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.clear_webhook_bodies(p_days int, p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  UPDATE webhook_events SET body = NULL, waits_for = NULL
  WHERE id IN (
    SELECT id FROM webhook_events
    WHERE body IS NOT NULL AND status IN ('processed', 'ignored')
      AND created_at < clock_timestamp() - make_interval(days => p_days)
    ORDER BY created_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.clear_webhook_bodies TO ducat_worker;

-- Whether the credit that an effect key stands for is in our books, by whichever way it came. A
-- charge that is quarantined has given none.
CREATE OR REPLACE FUNCTION ducat.is_known_effect(p_effect_key text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM payments WHERE effect_key = p_effect_key AND status = 'succeeded')
$$;
GRANT EXECUTE ON FUNCTION ducat.is_known_effect TO ducat_app, ducat_worker;

-- Up to p_limit events (1000 at most) that a filter finds, oldest first: {status, provider, type,
-- from, to, has_body}, each but status optional. Internal.
CREATE OR REPLACE FUNCTION ducat.select_webhook_events(p_filter jsonb, p_limit int)
RETURNS SETOF ducat.webhook_events LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT * FROM webhook_events e
  WHERE e.status = p_filter ->> 'status'
    AND e.provider = coalesce(p_filter ->> 'provider', e.provider)
    AND e.event_type = coalesce(p_filter ->> 'type', e.event_type)
    AND e.created_at >= coalesce((p_filter ->> 'from')::timestamptz, '-infinity')
    AND e.created_at < coalesce((p_filter ->> 'to')::timestamptz, 'infinity')
    AND (e.body IS NOT NULL OR NOT p_filter ? 'has_body')
  ORDER BY e.id LIMIT least(p_limit, 1000)
$$;

-- Process again what a filter finds (see select_webhook_events), with one audit line for all of it;
-- events without a body are passed over. With p_dry_run nothing is written. Returns their ids.
-- Locks those events, by id. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.replay_webhook_events(
  p_filter jsonb, p_limit int, p_dry_run boolean, p_audit jsonb)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ids uuid[] := ARRAY(
    SELECT id FROM select_webhook_events(p_filter || '{"has_body": true}', p_limit) ORDER BY id);
BEGIN
  IF p_dry_run THEN
    RETURN v_ids;
  END IF;
  PERFORM FROM webhook_events WHERE id = ANY (v_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH replayed AS (
    UPDATE webhook_events
    SET status = 'received', retry_count = 0, last_error = NULL, lease_token = NULL,
        unknown_since = NULL, waits_for = NULL, processed_at = NULL, resolved_at = NULL,
        resolved_by = NULL, retried_at = clock_timestamp(),
        due_at = CASE WHEN lease_token IS NULL THEN clock_timestamp() ELSE due_at END
    WHERE id = ANY (v_ids) AND status = p_filter ->> 'status' AND body IS NOT NULL
    RETURNING id
  )
  SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO v_ids FROM replayed;
  PERFORM audit(NULL, 'webhook_event.replay_all', 'webhook_event', NULL, p_audit,
    jsonb_build_object('filter', p_filter, 'ids', to_jsonb(v_ids)));
  RETURN v_ids;
END $$;
GRANT EXECUTE ON FUNCTION ducat.replay_webhook_events TO ducat_app;

-- Give up what a filter finds (see select_webhook_events; its status is received or dead), with one
-- audit line for all of it. With p_dry_run nothing is written. Returns their ids.
--   DU006 invalid_state   another status
-- Locks those events, by id. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.discard_webhook_events(
  p_filter jsonb, p_limit int, p_dry_run boolean, p_audit jsonb)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ids uuid[] := ARRAY(SELECT id FROM select_webhook_events(p_filter, p_limit) ORDER BY id);
BEGIN
  IF (p_filter ->> 'status' IN ('received', 'dead')) IS NOT TRUE THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', p_filter -> 'status'));
  ELSIF p_dry_run THEN
    RETURN v_ids;
  END IF;
  PERFORM FROM webhook_events WHERE id = ANY (v_ids) ORDER BY id FOR NO KEY UPDATE;
  WITH discarded AS (
    UPDATE webhook_events
    SET status = 'ignored', due_at = NULL, lease_token = NULL, waits_for = NULL,
        resolved_at = clock_timestamp(), resolved_by = p_audit ->> 'actor'
    WHERE id = ANY (v_ids) AND status = p_filter ->> 'status'
    RETURNING id
  )
  SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO v_ids FROM discarded;
  PERFORM audit(NULL, 'webhook_event.discard_all', 'webhook_event', NULL, p_audit,
    jsonb_build_object('filter', p_filter, 'ids', to_jsonb(v_ids)));
  RETURN v_ids;
END $$;
GRANT EXECUTE ON FUNCTION ducat.discard_webhook_events TO ducat_app;
