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
-- Locks those endpoints, then the hosts by name. Safe to retry: an event goes to an endpoint once.
CREATE OR REPLACE FUNCTION ducat.plan_deliveries(p_account_ids uuid[], p_event_ids uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_is_heard boolean;
BEGIN
  -- Locked first: who is disabled meanwhile gets nothing new.
  PERFORM FROM webhook_endpoints n
  WHERE n.kind = 'endpoint' AND n.status = 'enabled'
    AND (n.account_id = ANY (p_account_ids) OR n.account_id = deployment_id())
  ORDER BY n.account_id, n.id FOR NO KEY UPDATE;
  v_is_heard := FOUND;
  PERFORM plan_origins(p_account_ids, p_event_ids);
  IF NOT v_is_heard THEN
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

-- How many deliveries an endpoint may have under way: one while it fails, two before anything has
-- arrived there, else eight. Internal.
CREATE OR REPLACE FUNCTION ducat.delivery_room(p_endpoint ducat.webhook_endpoints) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN (p_endpoint).failing_since IS NOT NULL THEN 1
              WHEN (p_endpoint).last_success_at IS NULL THEN 2 ELSE 8 END
$$;

-- An endpoint's place in the line: when something of it is due, but not before its last turn, nor
-- while it asked for a pause or has as many under way as it may. Null: nothing is open. Internal.
CREATE OR REPLACE FUNCTION ducat.next_turn(p_endpoint ducat.webhook_endpoints)
RETURNS timestamptz LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_busy int;
  v_due timestamptz;
BEGIN
  IF p_endpoint.status <> 'enabled' THEN
    RETURN NULL;
  END IF;
  SELECT count(*), min(due_at) INTO v_busy, v_due FROM webhook_deliveries
  WHERE account_id = p_endpoint.account_id AND endpoint_id = p_endpoint.id
    AND status = 'sending' AND due_at > clock_timestamp();
  IF v_busy < delivery_room(p_endpoint) THEN
    SELECT min(due_at) INTO v_due FROM webhook_deliveries
    WHERE account_id = p_endpoint.account_id AND endpoint_id = p_endpoint.id
      AND due_at IS NOT NULL;
  END IF;
  RETURN CASE WHEN v_due IS NOT NULL
              THEN greatest(v_due, p_endpoint.retry_at, p_endpoint.served_at) END;
END $$;

-- Take up to p_limit (100 at most) due deliveries for p_lease_s seconds, endpoints in turn: each
-- gives one before any gives a second. All that fail together have a quarter of what is under way
-- for sure, and never more than half of it (by what is under way everywhere and p_limit), so that
-- however many hang there is room for the others. Returns what sending needs; secrets: those that
-- sign, sealed, newest first; none when an account never had one. A try of which nobody said how
-- it ended is noted as lost. Deliveries whose event is no longer kept, and those that were taken 20
-- times, end as failed and are not returned.
-- Locks the endpoints, skipping those that another worker is at, then their deliveries. Safe to
-- retry: what the first call took comes back when its lease is over.
CREATE OR REPLACE FUNCTION ducat.claim_deliveries(
  p_limit int DEFAULT 32, p_lease_s numeric DEFAULT 60)
RETURNS TABLE (
  account_id uuid, id uuid, token uuid, endpoint_id uuid, kind text, url text, secrets jsonb,
  attempt int, event_id uuid, event_type text, event_created_at timestamptz,
  event_account_id uuid, data jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_until timestamptz := v_now + make_interval(secs => p_lease_s::float8);
  v_limit int := least(p_limit, 100);
  v_room int;
  v_failing int;
  v_accounts uuid[];
  v_endpoints uuid[];
BEGIN
  WITH steady AS (
    SELECT n.account_id, n.id FROM webhook_endpoints n
    WHERE n.due_at <= v_now AND n.failing_since IS NULL
    ORDER BY n.due_at LIMIT v_limit FOR NO KEY UPDATE SKIP LOCKED
  ), failing AS (
    SELECT n.account_id, n.id FROM webhook_endpoints n
    WHERE n.due_at <= v_now AND n.failing_since IS NOT NULL
    ORDER BY n.due_at LIMIT v_limit FOR NO KEY UPDATE SKIP LOCKED
  )
  SELECT array_agg(r.account_id), array_agg(r.id) INTO v_accounts, v_endpoints
  FROM (SELECT * FROM steady UNION ALL SELECT * FROM failing) AS r;
  IF v_endpoints IS NULL THEN
    RETURN;
  END IF;
  SELECT count(*) + v_limit, count(*) FILTER (WHERE n.failing_since IS NOT NULL)
  INTO v_room, v_failing
  FROM webhook_deliveries d
  JOIN webhook_endpoints n ON n.account_id = d.account_id AND n.id = d.endpoint_id
  WHERE d.status = 'sending' AND d.due_at > v_now;
  RETURN QUERY
  WITH ready AS (
    SELECT n.account_id, n.id, n.due_at, n.failing_since IS NOT NULL AS is_failing,
      delivery_room(n) - (
        SELECT count(*) FROM webhook_deliveries d
        WHERE d.account_id = n.account_id AND d.endpoint_id = n.id AND d.status = 'sending'
          AND d.due_at > v_now) AS room
    FROM webhook_endpoints n
    JOIN unnest(v_accounts, v_endpoints) AS l (account_id, id)
      ON l.account_id = n.account_id AND l.id = n.id
  ), queued AS (
    SELECT r.account_id, q.id, q.is_lost, r.is_failing, row_number() OVER (
      PARTITION BY r.is_failing ORDER BY q.nth, r.due_at, r.id) AS place
    FROM ready r CROSS JOIN LATERAL (
      SELECT d.id, row_number() OVER (ORDER BY d.due_at, d.id) AS nth,
        d.attempts >= 20 OR NOT EXISTS (SELECT FROM outbox o
          WHERE o.account_id = d.event_account_id AND o.id = d.event_id) AS is_lost
      FROM webhook_deliveries d
      WHERE d.account_id = r.account_id AND d.endpoint_id = r.id AND d.due_at <= v_now
      ORDER BY d.due_at, d.id LIMIT greatest(r.room, 0)) AS q
  ), chosen AS (
    SELECT * FROM queued
    WHERE NOT is_failing OR v_failing + place <= (v_room + 1) / 2
    ORDER BY is_failing AND v_failing + place > v_room / 4, place, is_failing LIMIT v_limit
  ), taken AS (
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1,
      status = CASE WHEN c.is_lost THEN 'failed' ELSE 'sending' END,
      token = CASE WHEN NOT c.is_lost THEN gen_random_uuid() END,
      -- A little later for each, so that who came first is the first of these next time too.
      due_at = CASE WHEN NOT c.is_lost THEN v_until + c.place * interval '1 microsecond' END,
      ended_at = CASE WHEN c.is_lost THEN v_now END,
      log = CASE WHEN c.is_lost OR d.status = 'sending'
                 THEN note_try(d.log, '{"ms": 0, "error": "lost"}') ELSE d.log END
    FROM chosen c WHERE d.account_id = c.account_id AND d.id = c.id
    RETURNING d.*, c.place
  )
  SELECT t.account_id, t.id, t.token, t.endpoint_id, n.kind, coalesce(t.url, n.url)::text,
    signing_secrets(CASE n.kind WHEN 'endpoint' THEN n.secrets ELSE s.secrets END),
    t.attempts, o.id, o.type, o.created_at, o.account_id, o.data
  FROM taken t
  JOIN webhook_endpoints n ON n.account_id = t.account_id AND n.id = t.endpoint_id
  LEFT JOIN webhook_secrets s ON s.account_id = t.account_id
  JOIN outbox o ON o.account_id = t.event_account_id AND o.id = t.event_id
  WHERE t.status = 'sending' ORDER BY t.place, t.id;
  UPDATE webhook_endpoints n SET served_at = v_now + (t.until - v_until)
  FROM (
    SELECT d.account_id, d.endpoint_id, max(d.due_at) AS until FROM webhook_deliveries d
    JOIN unnest(v_accounts, v_endpoints) AS l (account_id, endpoint_id)
      ON l.account_id = d.account_id AND l.endpoint_id = d.endpoint_id
    WHERE d.status = 'sending' AND d.due_at BETWEEN v_until AND v_until + interval '100 us'
    GROUP BY 1, 2) AS t
  WHERE n.account_id = t.account_id AND n.id = t.endpoint_id;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE (n.account_id, n.id) IN (SELECT * FROM unnest(v_accounts, v_endpoints));
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_deliveries TO ducat_worker;

-- Those secrets that have not expired, newest first: [{sealed, expires_at}]. Internal.
CREATE OR REPLACE FUNCTION ducat.signing_secrets(p_secrets jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(jsonb_agg(s.e ORDER BY s.nth), '[]')
  FROM jsonb_array_elements(p_secrets) WITH ORDINALITY AS s (e, nth)
  WHERE coalesce((s.e ->> 'expires_at')::timestamptz, 'infinity') > clock_timestamp()
$$;

-- A log with one more try, {status, ms, error}, cut to the last twenty. Internal.
CREATE OR REPLACE FUNCTION ducat.note_try(p_log jsonb, p_try jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN jsonb_array_length(p_log) >= 20 THEN p_log - 0 ELSE p_log END
    || jsonb_build_array(jsonb_build_object(
      'at', rfc3339(clock_timestamp()),
      'status', (p_try ->> 'status')::int,
      'ms', least(greatest((p_try ->> 'ms')::numeric, 0), 3600000)::int,
      'error', left(p_try ->> 'error', 200)))
$$;

-- How long after its p_failures-th failure a delivery is tried again, give or take a fifth; null:
-- not at all. Internal.
CREATE OR REPLACE FUNCTION ducat.retry_delay(p_failures int) RETURNS interval
LANGUAGE sql VOLATILE SET search_path = ducat, pg_temp AS $$
  SELECT (ARRAY['5 s', '5 min', '30 min', '2 h', '5 h', '10 h', '14 h', '20 h', '24 h']
    ::interval[])[p_failures] * (0.8 + 0.4 * random())
$$;

-- How often a delivery has failed since it was planned or replayed: what was lost with its worker
-- says nothing about the receiver. The try that is under way has no line in the log yet. Internal.
CREATE OR REPLACE FUNCTION ducat.count_failures(p_delivery ducat.webhook_deliveries) RETURNS int
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT count(*)::int FROM jsonb_array_elements(p_delivery.log) WITH ORDINALITY AS l (e, nth)
  WHERE l.nth > jsonb_array_length(p_delivery.log) - (p_delivery.attempts - 1)
    AND l.e ->> 'error' IS DISTINCT FROM 'lost'
$$;

-- Write down how a try ended: {ok, status, ms, error, gone, retry_after_s}. gone: it answered 410,
-- which disables an endpoint. An endpoint that fails again and again is left alone for up to a
-- minute after each try, and for as long as it asked (an hour at most); after five days without a
-- success it is disabled and its owner told, unless the fault is ours (error: unsigned).
-- Returns delivered | retry | failed | disabled (the delivery failed, and its endpoint was
-- disabled); null when the claim is not the caller's any more: then nothing is written.
-- Locks the endpoint, then the delivery; when it is disabled, its open deliveries. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.settle_delivery(
  p_account_id uuid, p_id uuid, p_token uuid, p_result jsonb)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_endpoint webhook_endpoints;
  v_delivery webhook_deliveries;
  v_is_ok boolean := (p_result ->> 'ok')::boolean;
  v_is_gone boolean := coalesce((p_result ->> 'gone')::boolean, false);
  v_failures int;
  v_due timestamptz;
BEGIN
  v_endpoint := lock_endpoint_of(p_account_id, p_id);
  SELECT * INTO v_delivery FROM webhook_deliveries
  WHERE account_id = p_account_id AND id = p_id AND token = p_token AND status = 'sending'
  FOR NO KEY UPDATE;
  IF NOT FOUND OR v_endpoint.id IS NULL THEN
    RETURN NULL;
  END IF;
  v_endpoint := note_result(v_endpoint, p_result);
  IF NOT v_is_ok AND NOT v_is_gone AND v_endpoint.status = 'enabled' THEN
    v_failures := count_failures(v_delivery) + 1;
    v_due := greatest(v_now + retry_delay(v_failures),
      CASE WHEN v_failures < 10 THEN v_endpoint.retry_at END);
  END IF;
  UPDATE webhook_deliveries SET token = NULL, due_at = v_due,
    status = CASE WHEN v_is_ok THEN 'delivered' WHEN v_due IS NULL THEN 'failed'
                  ELSE 'pending' END,
    ended_at = CASE WHEN v_due IS NULL THEN v_now END, log = note_try(log, p_result)
  WHERE account_id = p_account_id AND id = p_id;
  IF NOT v_is_ok AND v_endpoint.kind = 'endpoint' AND v_endpoint.status = 'enabled'
     AND (v_is_gone OR v_endpoint.failing_since < v_now - interval '5 days'
       AND p_result ->> 'error' IS DISTINCT FROM 'unsigned') THEN
    PERFORM give_endpoint_up(v_endpoint, CASE WHEN v_is_gone THEN 'gone' ELSE 'failing' END);
    RETURN 'disabled';
  END IF;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_account_id AND n.id = v_endpoint.id;
  RETURN CASE WHEN v_is_ok THEN 'delivered' WHEN v_due IS NULL THEN 'failed' ELSE 'retry' END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.settle_delivery TO ducat_worker;

-- Give a claim back untried: the delivery is due at once and the try is not counted. False when
-- it is not the caller's any more. Locks the endpoint, then the delivery. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.release_delivery(p_account_id uuid, p_id uuid, p_token uuid)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_endpoint webhook_endpoints := lock_endpoint_of(p_account_id, p_id);
BEGIN
  UPDATE webhook_deliveries SET token = NULL, due_at = clock_timestamp(), status = 'pending',
    attempts = attempts - 1
  WHERE account_id = p_account_id AND id = p_id AND token = p_token AND status = 'sending';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE webhook_endpoints n SET due_at = next_turn(n)
  WHERE n.account_id = p_account_id AND n.id = v_endpoint.id;
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.release_delivery TO ducat_worker;

-- Lock the endpoint that a delivery goes to; nothing when there is none. Internal.
CREATE OR REPLACE FUNCTION ducat.lock_endpoint_of(p_account_id uuid, p_delivery_id uuid)
RETURNS ducat.webhook_endpoints
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT n.* FROM webhook_endpoints n
  WHERE n.account_id = p_account_id AND n.id = (
    SELECT endpoint_id FROM webhook_deliveries
    WHERE account_id = p_account_id AND id = p_delivery_id)
  FOR NO KEY UPDATE
$$;

-- Count a result for its endpoint: a success forgives all failures, unless they began when its own
-- try was under way already. Returns the row. Internal.
CREATE OR REPLACE FUNCTION ducat.note_result(
  p_endpoint ducat.webhook_endpoints, p_result jsonb)
RETURNS ducat.webhook_endpoints LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_pause_s float8 := CASE WHEN p_endpoint.failures = 0 THEN NULL
                           ELSE least(2 ^ least(p_endpoint.failures, 6), 60) END;
  v_retry_after_s numeric := p_result ->> 'retry_after_s';
  v_took_s float8 := least((p_result ->> 'ms')::numeric / 1000, 3600);
BEGIN
  IF v_retry_after_s > 0 THEN
    v_pause_s := greatest(v_pause_s, least(v_retry_after_s, 3600)::float8);
  END IF;
  IF (p_result ->> 'ok')::boolean
     AND p_endpoint.failing_since > v_now - make_interval(secs => v_took_s) THEN
    UPDATE webhook_endpoints SET last_success_at = v_now
    WHERE account_id = p_endpoint.account_id AND id = p_endpoint.id RETURNING * INTO p_endpoint;
  ELSIF (p_result ->> 'ok')::boolean THEN
    UPDATE webhook_endpoints SET failing_since = NULL, failures = 0, retry_at = NULL,
      last_success_at = v_now
    WHERE account_id = p_endpoint.account_id AND id = p_endpoint.id RETURNING * INTO p_endpoint;
  ELSE
    UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, v_now),
      failures = failures + 1,
      retry_at = greatest(retry_at, v_now + make_interval(secs => v_pause_s))
    WHERE account_id = p_endpoint.account_id AND id = p_endpoint.id RETURNING * INTO p_endpoint;
  END IF;
  RETURN p_endpoint;
END $$;

-- Fail up to p_limit deliveries that wait for an endpoint, the oldest first; those that are being
-- sent are left to whoever sends them, unless their lease is over. Returns how many.
-- The endpoint must be locked; locks the deliveries. Internal.
CREATE OR REPLACE FUNCTION ducat.give_up_deliveries(
  p_account_id uuid, p_endpoint_id uuid, p_limit int)
RETURNS int LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_count int;
BEGIN
  UPDATE webhook_deliveries d SET status = 'failed', token = NULL, due_at = NULL,
    ended_at = v_now, log = note_try(d.log, '{"ms": 0, "error": "endpoint_disabled"}')
  WHERE d.account_id = p_account_id AND d.id = ANY (ARRAY(
    SELECT o.id FROM webhook_deliveries o
    WHERE o.account_id = p_account_id AND o.endpoint_id = p_endpoint_id
      AND o.due_at IS NOT NULL AND (o.status = 'pending' OR o.due_at <= v_now)
    ORDER BY o.due_at LIMIT p_limit FOR NO KEY UPDATE));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
