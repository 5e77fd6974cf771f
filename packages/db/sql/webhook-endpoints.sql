-- Where events are sent, and what signs them. The owner is an account, or the deployment (the nil
-- uuid), whose endpoints hear of all accounts. Secrets come sealed
-- (packages/messages/src/webhook-secrets.ts): nothing here can read one.

-- Make an endpoint of an owner's. p_endpoint: {url, description, events}; p_secret: {sealed}.
-- Returns the row as show_endpoint shows it.
--   DU003 not_found       no such account, or it was erased
--   DU006 invalid_state   {reason: too_many_endpoints, limit}: 16, of the deployment 64
-- Locks the account's row (of accounts). Not repeatable: a repeat makes another.
CREATE OR REPLACE FUNCTION ducat.create_webhook_endpoint(
  p_account_id uuid, p_endpoint jsonb, p_secret jsonb, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := CASE WHEN p_account_id = deployment_id() THEN 64 ELSE 16 END;
  v_made webhook_endpoints;
BEGIN
  PERFORM lock_endpoint_owner(p_account_id);
  IF (SELECT count(*) FROM webhook_endpoints WHERE account_id = p_account_id
      AND kind = 'endpoint' AND status <> 'deleted') >= v_limit THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('reason', 'too_many_endpoints', 'limit', v_limit));
  END IF;
  INSERT INTO webhook_endpoints (account_id, url, description, events, secrets)
  VALUES (p_account_id, p_endpoint ->> 'url', p_endpoint ->> 'description',
    event_filter(p_endpoint -> 'events'), jsonb_build_array(new_secret(p_secret)))
  RETURNING * INTO v_made;
  PERFORM audit_endpoint(v_made, 'create', p_audit,
    jsonb_build_object('events', p_endpoint -> 'events'));
  RETURN show_endpoint(v_made);
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_webhook_endpoint TO ducat_app;

-- Change what p_change names of {url, description, events, status}. Enabling and another address
-- forget the failures; disabling gives up what waits (end_endpoint). Returns the row as
-- show_endpoint shows it.
--   DU003 not_found   the owner has no such endpoint
-- Locks the endpoint, then its open deliveries where it is disabled. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.update_webhook_endpoint(
  p_account_id uuid, p_id uuid, p_change jsonb, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before webhook_endpoints := lock_endpoint(p_account_id, p_id);
  v_after webhook_endpoints;
BEGIN
  UPDATE webhook_endpoints SET
    url = coalesce(p_change ->> 'url', url),
    description = CASE WHEN p_change ? 'description' THEN p_change ->> 'description'
                       ELSE description END,
    events = CASE WHEN p_change ? 'events' THEN event_filter(p_change -> 'events')
                  ELSE events END,
    updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND id = p_id RETURNING * INTO v_after;
  IF p_change ->> 'status' = 'disabled' AND v_before.status = 'enabled' THEN
    v_after := end_endpoint(v_after, 'disabled', 'manual');
  ELSIF (p_change ->> 'status' = 'enabled' AND v_before.status = 'disabled')
     OR (v_after.url <> v_before.url AND v_before.status = 'enabled') THEN
    UPDATE webhook_endpoints SET status = 'enabled', disabled_reason = NULL, disabled_at = NULL,
      failing_since = NULL, failures = 0, retry_at = NULL
    WHERE account_id = p_account_id AND id = p_id RETURNING * INTO v_after;
    UPDATE webhook_endpoints n SET due_at = next_turn(n)
    WHERE n.account_id = p_account_id AND n.id = p_id;
  END IF;
  PERFORM audit_endpoint(v_after, 'update', p_audit, jsonb_build_object(
    'changed', (SELECT jsonb_agg(key ORDER BY key) FROM jsonb_object_keys(p_change) AS key),
    'before', jsonb_build_object('status', v_before.status, 'events', v_before.events),
    'after', jsonb_build_object('status', v_after.status, 'events', v_after.events)));
  RETURN show_endpoint(v_after);
END $$;
GRANT EXECUTE ON FUNCTION ducat.update_webhook_endpoint TO ducat_app;

-- Take an endpoint away with its secrets; what waits for it is given up. Its row goes when nothing
-- of its deliveries is kept any more.
--   DU003 not_found   the owner has no such endpoint
-- Locks the endpoint, then its open deliveries. Repeated, it refuses: it is done.
CREATE OR REPLACE FUNCTION ducat.delete_webhook_endpoint(
  p_account_id uuid, p_id uuid, p_audit jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_endpoint(p_account_id, p_id);
BEGIN
  v_endpoint := end_endpoint(v_endpoint, 'deleted', 'deleted');
  UPDATE webhook_endpoints SET secrets = '[]', description = NULL
  WHERE account_id = p_account_id AND id = p_id;
  PERFORM audit_endpoint(v_endpoint, 'delete', p_audit, '{}');
END $$;
GRANT EXECUTE ON FUNCTION ducat.delete_webhook_endpoint TO ducat_app;

-- An owner's endpoints, newest first; there are 64 at most. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_webhook_endpoints(p_account_id uuid) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT show_endpoint(n) FROM webhook_endpoints n
  WHERE account_id = p_account_id AND kind = 'endpoint' AND status <> 'deleted'
  ORDER BY id DESC LIMIT 64
$$;
GRANT EXECUTE ON FUNCTION ducat.list_webhook_endpoints TO ducat_app;

-- An endpoint of this owner as show_endpoint shows it; null when there is none. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.find_webhook_endpoint(p_account_id uuid, p_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT show_endpoint(n) FROM webhook_endpoints n
  WHERE account_id = p_account_id AND id = p_id AND kind = 'endpoint' AND status <> 'deleted'
$$;
GRANT EXECUTE ON FUNCTION ducat.find_webhook_endpoint TO ducat_app;

-- What signs for an endpoint now, newest first: [{sealed, expires_at}]. Takes no lock.
--   DU003 not_found   the owner has no such endpoint
CREATE OR REPLACE FUNCTION ducat.read_endpoint_secrets(p_account_id uuid, p_id uuid)
RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_secrets jsonb := (SELECT secrets FROM webhook_endpoints
    WHERE account_id = p_account_id AND id = p_id AND kind = 'endpoint' AND status <> 'deleted');
BEGIN
  IF v_secrets IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "webhook_endpoint"}');
  END IF;
  RETURN signing_secrets(v_secrets);
END $$;
GRANT EXECUTE ON FUNCTION ducat.read_endpoint_secrets TO ducat_app;

-- Put a new secret first; those before it sign for p_overlap_s seconds more, five in all at most.
-- p_secret: {sealed}. Returns what signs now, newest first: [{sealed, expires_at}].
--   DU003 not_found   the owner has no such endpoint
-- Locks the endpoint. Not repeatable: a repeat rotates again.
CREATE OR REPLACE FUNCTION ducat.rotate_endpoint_secret(
  p_account_id uuid, p_id uuid, p_secret jsonb, p_overlap_s int, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_endpoint(p_account_id, p_id);
BEGIN
  UPDATE webhook_endpoints SET secrets = rotate_secrets(secrets, p_secret, p_overlap_s),
    updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND id = p_id RETURNING * INTO v_endpoint;
  PERFORM audit_endpoint(v_endpoint, 'rotate', p_audit,
    jsonb_build_object('overlap_s', p_overlap_s));
  RETURN signing_secrets(v_endpoint.secrets);
END $$;
GRANT EXECUTE ON FUNCTION ducat.rotate_endpoint_secret TO ducat_app;

-- What signs deliveries to the webhook_url of an account's generations, newest first:
-- [{sealed, expires_at}]. Where there is nothing yet, p_secret ({sealed}) is kept.
--   DU003 not_found   no such account, or it was erased
-- Locks the account's row (of accounts), only where there is nothing yet. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.ensure_webhook_secret(p_account_id uuid, p_secret jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_secrets jsonb := (SELECT secrets FROM webhook_secrets WHERE account_id = p_account_id);
BEGIN
  IF v_secrets IS NULL THEN
    PERFORM lock_endpoint_owner(p_account_id);
    INSERT INTO webhook_secrets (account_id, secrets)
    VALUES (p_account_id, jsonb_build_array(new_secret(p_secret)))
    ON CONFLICT (account_id) DO NOTHING;
    SELECT secrets INTO v_secrets FROM webhook_secrets WHERE account_id = p_account_id;
  END IF;
  RETURN signing_secrets(v_secrets);
END $$;
GRANT EXECUTE ON FUNCTION ducat.ensure_webhook_secret TO ducat_app, ducat_worker;

-- As rotate_endpoint_secret, of an account's own secret; it is made where there was none.
--   DU003 not_found   no such account, or it was erased
-- Locks the account's row (of accounts), then the secret. Not repeatable: a repeat rotates again.
CREATE OR REPLACE FUNCTION ducat.rotate_webhook_secret(
  p_account_id uuid, p_secret jsonb, p_overlap_s int, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_secrets jsonb;
BEGIN
  PERFORM lock_endpoint_owner(p_account_id);
  INSERT INTO webhook_secrets AS s (account_id, secrets)
  VALUES (p_account_id, rotate_secrets('[]', p_secret, p_overlap_s))
  ON CONFLICT (account_id) DO UPDATE
    SET secrets = rotate_secrets(s.secrets, p_secret, p_overlap_s), updated_at = clock_timestamp()
  RETURNING secrets INTO v_secrets;
  PERFORM audit(nullif(p_account_id, deployment_id()), 'webhook_secret.rotate', 'account',
    p_account_id::text, p_audit, jsonb_build_object('overlap_s', p_overlap_s));
  RETURN signing_secrets(v_secrets);
END $$;
GRANT EXECUTE ON FUNCTION ducat.rotate_webhook_secret TO ducat_app;

-- What an owner may see of an endpoint: all but its secrets and its place in the line. Internal.
CREATE OR REPLACE FUNCTION ducat.show_endpoint(p_endpoint ducat.webhook_endpoints) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', p_endpoint.id, 'url', p_endpoint.url,
    'description', p_endpoint.description, 'events', to_jsonb(p_endpoint.events),
    'status', p_endpoint.status, 'disabled_reason', p_endpoint.disabled_reason,
    'disabled_at', p_endpoint.disabled_at, 'failing_since', p_endpoint.failing_since,
    'failures', p_endpoint.failures,
    'retry_at', CASE WHEN p_endpoint.retry_at > clock_timestamp() THEN p_endpoint.retry_at END,
    'last_success_at', p_endpoint.last_success_at, 'created_at', p_endpoint.created_at,
    'updated_at', p_endpoint.updated_at)
$$;

-- Lock an owner's endpoint.
--   DU003 not_found   the owner has none of this id
CREATE OR REPLACE FUNCTION ducat.lock_endpoint(p_account_id uuid, p_id uuid)
RETURNS ducat.webhook_endpoints LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints;
BEGIN
  SELECT * INTO v_endpoint FROM webhook_endpoints
  WHERE account_id = p_account_id AND id = p_id AND kind = 'endpoint' AND status <> 'deleted'
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "webhook_endpoint"}');
  END IF;
  RETURN v_endpoint;
END $$;

-- Lock who is to own an endpoint or a secret; of the deployment, which has no row, a lock of its
-- own until the transaction ends. Internal.
--   DU003 not_found   no such account, or it was erased
CREATE OR REPLACE FUNCTION ducat.lock_endpoint_owner(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_account_id = deployment_id() THEN
    PERFORM pg_advisory_xact_lock(hashtext('ducat.webhook_endpoints'));
    RETURN;
  END IF;
  PERFORM FROM accounts WHERE id = p_account_id AND erased_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
END $$;

-- A JSON list of types as the column has it; null: no filter. Internal.
CREATE OR REPLACE FUNCTION ducat.event_filter(p_events jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN jsonb_typeof(p_events) = 'array'
              THEN ARRAY(SELECT jsonb_array_elements_text(p_events)) END
$$;

-- A secret as it is stored. Internal.
--   DU007 validation_failed   it is not sealed
CREATE OR REPLACE FUNCTION ducat.new_secret(p_secret jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF (length(p_secret ->> 'sealed') BETWEEN 20 AND 1000) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "secret"}');
  END IF;
  RETURN jsonb_build_object('sealed', p_secret ->> 'sealed', 'expires_at', NULL);
END $$;

-- The new secret before those that still sign, which end after the overlap at the latest. Internal.
CREATE OR REPLACE FUNCTION ducat.rotate_secrets(p_secrets jsonb, p_secret jsonb, p_overlap_s int)
RETURNS jsonb LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_array(new_secret(p_secret)) || coalesce(jsonb_agg(jsonb_build_object(
      'sealed', s.e ->> 'sealed', 'expires_at', least((s.e ->> 'expires_at')::timestamptz,
        clock_timestamp() + make_interval(secs => least(greatest(p_overlap_s, 0), 604800))))
    ORDER BY s.nth), '[]')
  FROM jsonb_array_elements(signing_secrets(p_secrets)) WITH ORDINALITY AS s (e, nth)
  WHERE s.nth <= 4 AND p_overlap_s > 0
$$;

-- One audit line about an endpoint; of an account's own it is the account's. Internal.
CREATE OR REPLACE FUNCTION ducat.audit_endpoint(
  p_endpoint ducat.webhook_endpoints, p_verb text, p_audit jsonb, p_metadata jsonb)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT audit(nullif(p_endpoint.account_id, deployment_id()), 'webhook_endpoint.' || p_verb,
    'webhook_endpoint', p_endpoint.id::text, p_audit, p_metadata)
$$;

-- End an endpoint for now or for ever, and give up what waits for it: 10,000 deliveries at once,
-- the rest is left to forget_endpoints. What is being sent may still arrive. Returns the row.
-- The endpoint must be locked; locks its pending deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.end_endpoint(
  p_endpoint ducat.webhook_endpoints, p_status text, p_reason text)
RETURNS ducat.webhook_endpoints LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE webhook_endpoints SET status = p_status, disabled_reason = p_reason, due_at = NULL,
    disabled_at = clock_timestamp(), updated_at = clock_timestamp()
  WHERE account_id = p_endpoint.account_id AND id = p_endpoint.id RETURNING * INTO p_endpoint;
  PERFORM give_up_deliveries(p_endpoint.account_id, p_endpoint.id, 10000);
  RETURN p_endpoint;
END $$;

-- Disable an endpoint that gave no hope any more, and tell: an event, and a message to the owner's
-- address. The endpoint must be locked; locks its pending deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.give_endpoint_up(
  p_endpoint ducat.webhook_endpoints, p_reason text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  p_endpoint := end_endpoint(p_endpoint, 'disabled', p_reason);
  PERFORM emit(p_endpoint.account_id, 'webhook_endpoint.disabled', jsonb_build_object(
    -- Whoever may read events may not see more: paths hold what receivers know their callers by.
    'endpoint_id', p_endpoint.id, 'url', substring(p_endpoint.url FROM '^https?://[^/?#\\]+'),
    'reason', p_reason,
    'failing_since', p_endpoint.failing_since));
  PERFORM queue_message(p_endpoint.account_id, 'webhook_disabled', jsonb_build_object(
      'host', substring(p_endpoint.url FROM '^https?://(\[[^]]+\]|[^/?#:\\]{1,253})'),
      'reason', p_reason, 'failing_since', p_endpoint.failing_since),
    'webhook_disabled:' || p_endpoint.id || ':' || extract(epoch FROM p_endpoint.disabled_at));
  PERFORM audit_endpoint(p_endpoint, 'disable', '{}', jsonb_build_object('reason', p_reason));
END $$;

-- Forget all endpoints, deliveries and secrets of an account that is erased, and their addresses in
-- its events. What the deployment's own endpoints heard of it are ids of events.
-- Locks in the order of relay_events, so that neither waits for the other in a circle: the events,
-- the endpoints, the hosts by name; then the deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_webhooks(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE outbox SET data = data || '{"url": "erased"}'
  WHERE account_id = p_account_id AND type = 'webhook_endpoint.disabled';
  PERFORM FROM webhook_endpoints WHERE account_id = p_account_id
  ORDER BY kind, CASE kind WHEN 'origin' THEN url END, id FOR UPDATE;
  DELETE FROM webhook_deliveries WHERE account_id = p_account_id;
  DELETE FROM webhook_endpoints WHERE account_id = p_account_id;
  DELETE FROM webhook_secrets WHERE account_id = p_account_id;
  -- One that was given up while this waited for it.
  UPDATE outbox SET data = data || '{"url": "erased"}'
  WHERE account_id = p_account_id AND id = ANY (ARRAY(
    SELECT id FROM outbox
    WHERE account_id = p_account_id AND type = 'webhook_endpoint.disabled'
      AND data ->> 'url' <> 'erased' FOR UPDATE SKIP LOCKED));
END $$;
