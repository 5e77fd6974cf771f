-- The life of an item: pending -> processing -> completed | failed | canceled.
-- A worker owns an item by the token of its claim; every later write names the token, so that a
-- worker that was presumed dead (its lease lapsed, another claimed) writes nothing.
-- Leases, deadlines and due times are the machine's time and never follow an account's clock.

-- Why an item must end without another attempt, or null:
--   canceled             asked to, and no provider has been asked for it
--   deadline_exceeded    the deadline passed before it started, or deadline and grace have passed
--   attempts_exhausted   its workers were lost as often as the style allows tries
CREATE OR REPLACE FUNCTION ducat.end_reason(
  p_item ducat.generation_items, p_deadline timestamptz, p_max_attempts int, p_grace interval)
RETURNS text LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN p_item.status NOT IN ('pending', 'processing') THEN NULL
    WHEN now >= p_deadline + p_grace THEN 'deadline_exceeded'
    WHEN p_item.provider_request_id IS NOT NULL OR p_item.lease_until > now THEN NULL
    WHEN p_item.cancel_requested_at IS NOT NULL THEN 'canceled'
    WHEN p_item.status = 'pending' AND now >= p_deadline THEN 'deadline_exceeded'
    WHEN p_item.status = 'processing' AND p_item.failures + 1 >= p_max_attempts
      THEN 'attempts_exhausted'
  END
  FROM (SELECT clock_timestamp() AS now) AS clock
$$;

DROP FUNCTION IF EXISTS ducat.claim_item(uuid, uuid, int, numeric, numeric);
-- Take an item to work on it: the one that is pending, or whose worker's lease has lapsed.
-- p_attempt is the number of claims that the job knew of: a job that came twice claims nothing.
-- Returns what the work needs, with the token that every later write must name; no row when
-- there is nothing to do, or when as many of the account's items are worked on as may be
-- (take_slot). After the deadline only a known provider request may be asked again.
-- Locks the item, and the account's slots before it where their number has a limit. Safe to retry
-- (the repeat finds nothing, the sweeper adds the item again).
CREATE OR REPLACE FUNCTION ducat.claim_item(
  p_account_id uuid, p_item_id uuid, p_attempt int, p_lease_s numeric DEFAULT 60,
  p_grace_s numeric DEFAULT 60)
RETURNS TABLE (
  generation_id uuid, item_position int, label text, attempt int, attempt_token uuid,
  lease_until timestamptz, deadline_at timestamptz, provider_request_id text, input jsonb,
  params jsonb, cost bigint, style_id text, style_version int, kind text, generator text,
  prompt text, style_params jsonb, running_limit int, pricing jsonb, fallbacks jsonb,
  terms json, cache_days int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_lease timestamptz := v_now + make_interval(secs => p_lease_s);
BEGIN
  RETURN QUERY
  UPDATE generation_items i SET
    status = 'processing', attempt = i.attempt + 1, attempt_token = gen_random_uuid(),
    lease_until = v_lease, readds = 0, started_at = coalesce(i.started_at, v_now),
    failures = i.failures + CASE
      WHEN i.status = 'processing' AND i.provider_request_id IS NULL THEN 1 ELSE 0 END,
    due_at = CASE WHEN v_now < g.deadline_at THEN least(v_lease, g.deadline_at) ELSE v_lease END
  FROM generations g JOIN styles s ON s.id = g.style_id AND s.version = g.style_version
  WHERE i.account_id = p_account_id AND i.id = p_item_id AND i.attempt = p_attempt
    AND g.account_id = i.account_id AND g.id = i.generation_id
    AND (i.status = 'pending' OR i.status = 'processing' AND i.lease_until <= v_now)
    AND (v_now < g.deadline_at OR i.provider_request_id IS NOT NULL)
    AND end_reason(i, g.deadline_at, s.max_attempts, make_interval(secs => p_grace_s)) IS NULL
    -- CASE: whoever has no such limit is not asked, and pays nothing for it.
    AND CASE WHEN g.usage IS NULL THEN true
             ELSE take_slot(i.account_id, g.id, i.id, g.usage, g.deadline_at) END
  RETURNING i.generation_id, i.position, i.label::text, i.attempt, i.attempt_token, i.lease_until,
    g.deadline_at, i.provider_request_id, input_of_row(i.input, g.input),
    params_of_row(i.input, g.params), i.cost, s.id,
    s.version, s.kind, s.generator, s.prompt, s.params,
    running_limit(g.usage), s.pricing, s.fallbacks, g.terms,
    -- What failed is asked for anew, not out of what there is.
    CASE WHEN g.retry_of IS NULL THEN s.cache_days ELSE 0 END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_item TO ducat_worker;

-- Keep an item: `ok`, `cancel` when its end was asked for, null when it is no longer ours.
-- Locks the item only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.extend_lease(
  p_account_id uuid, p_item_id uuid, p_token uuid, p_lease_s numeric DEFAULT 60)
RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE generation_items
  SET lease_until = clock_timestamp() + make_interval(secs => p_lease_s)
  WHERE account_id = p_account_id AND id = p_item_id AND attempt_token = p_token
    AND status = 'processing'
  RETURNING CASE WHEN cancel_requested_at IS NULL THEN 'ok' ELSE 'cancel' END
$$;
GRANT EXECUTE ON FUNCTION ducat.extend_lease TO ducat_worker;

-- Remember the provider's id for the work before waiting for it, so that nobody submits it twice.
-- False when the item is no longer ours. Locks the item only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_provider_request(
  p_account_id uuid, p_item_id uuid, p_token uuid, p_request_id text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE generation_items SET provider_request_id = p_request_id
  WHERE account_id = p_account_id AND id = p_item_id AND attempt_token = p_token
    AND status = 'processing';
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.save_provider_request TO ducat_worker;

-- Give an item back for another claim in p_delay_s seconds: at shutdown, or because its provider
-- has not decided yet. Returns the attempt that the next job must name; null when not ours.
-- Locks the item only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.defer_item(
  p_account_id uuid, p_item_id uuid, p_token uuid, p_delay_s numeric DEFAULT 0)
RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE generation_items i
  SET status = 'pending', lease_until = NULL,
      due_at = clock_timestamp() + make_interval(secs => p_delay_s)
  WHERE account_id = p_account_id AND id = p_item_id AND attempt_token = p_token
    AND status = 'processing'
  RETURNING attempt
$$;
GRANT EXECUTE ON FUNCTION ducat.defer_item TO ducat_worker;

-- Lock a generation, then the item that p_token owns; null fields when it is no longer ours.
CREATE OR REPLACE FUNCTION ducat.lock_claimed(
  p_account_id uuid, p_generation_id uuid, p_item_id uuid, p_token uuid,
  OUT generation ducat.generations, OUT item ducat.generation_items)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  generation := lock_generation(p_account_id, p_generation_id);
  SELECT * INTO item FROM generation_items
  WHERE account_id = p_account_id AND id = p_item_id AND generation_id = p_generation_id
    AND attempt_token = p_token
  FOR NO KEY UPDATE;
END $$;

DROP FUNCTION IF EXISTS ducat.complete_item(uuid, uuid, uuid, uuid, jsonb, bigint, jsonb);
-- Finish an item with its output: capture p_actual (default and at most its price) and pay the
-- rest back. p_output: {kind: image, key, type, width, height, size, sha256, thumbnail?} of files
-- that are stored already, thumbnail with the same members but the kind, or {kind: text, text}.
-- p_usage: what the provider said it cost, with response_time_ms, provider_cost_micros.
-- p_charge: the lines of p_actual. p_result_key: the hash under which the result may answer the
-- same request again (find_cached_result).
-- Returns the final status (`canceled` when its end was asked for before any provider was), or
-- null when the item is not ours any more: then nothing was written, and its files are orphans.
-- Locks generation, item, account. Safe to retry: the repeat returns the same.
CREATE OR REPLACE FUNCTION ducat.complete_item(
  p_account_id uuid, p_generation_id uuid, p_item_id uuid, p_token uuid, p_output jsonb,
  p_actual bigint DEFAULT NULL, p_usage jsonb DEFAULT '{}', p_charge jsonb DEFAULT NULL,
  p_result_key bytea DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v record;
BEGIN
  v := lock_claimed(p_account_id, p_generation_id, p_item_id, p_token);
  IF (v.item).status IS DISTINCT FROM 'processing' THEN
    RETURN CASE WHEN (v.item).status IN ('completed', 'canceled') THEN (v.item).status::text END;
  END IF;
  IF (v.item).cancel_requested_at IS NOT NULL AND (v.item).provider_request_id IS NULL THEN
    PERFORM end_item(v.generation, v.item, 'canceled', 0, 'canceled', 'Canceled on request.');
    RETURN 'canceled';
  END IF;
  UPDATE generation_items SET output = p_output,
    usage = p_usage - 'response_time_ms' - 'provider_cost_micros',
    response_time_ms = (p_usage ->> 'response_time_ms')::int,
    provider_cost_micros = (p_usage ->> 'provider_cost_micros')::bigint,
    charge = p_charge, result_key = p_result_key
  WHERE account_id = p_account_id AND id = p_item_id;
  IF p_output ? 'key' THEN
    INSERT INTO blobs (account_id, key, sha256, type, size, width, height, purpose,
      generation_id)
    SELECT p_account_id, f.of ->> 'key', f.of ->> 'sha256', f.of ->> 'type',
      (f.of ->> 'size')::bigint, (f.of ->> 'width')::int, (f.of ->> 'height')::int,
      f.purpose, p_generation_id
    FROM (VALUES ('output', p_output), ('thumbnail', p_output -> 'thumbnail')) AS f (purpose, of)
    WHERE f.of ? 'key';
  END IF;
  PERFORM end_item(v.generation, v.item, 'completed',
    greatest(0, least(coalesce(p_actual, (v.item).cost), (v.item).cost)));
  RETURN 'completed';
END $$;
GRANT EXECUTE ON FUNCTION ducat.complete_item TO ducat_worker;

-- Report that an attempt failed. A retryable failure within the style's tries and the deadline
-- makes the item pending again, due in p_delay_s; otherwise it ends and is paid back at once.
-- Returns {status: pending | failed | canceled, attempt}; null when the item is not ours.
-- Locks generation, item, account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.fail_item(
  p_account_id uuid, p_generation_id uuid, p_item_id uuid, p_token uuid, p_code text,
  p_message text, p_retryable boolean, p_delay_s numeric DEFAULT 0)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v record;
  v_tries int;
  v_status text := 'failed';
BEGIN
  v := lock_claimed(p_account_id, p_generation_id, p_item_id, p_token);
  IF (v.item).status IS DISTINCT FROM 'processing' THEN
    RETURN CASE WHEN (v.item).status IS NOT NULL THEN
      jsonb_build_object('status', (v.item).status, 'attempt', (v.item).attempt) END;
  END IF;
  SELECT max_attempts INTO v_tries FROM styles
  WHERE id = (v.generation).style_id AND version = (v.generation).style_version;
  IF (v.item).cancel_requested_at IS NOT NULL THEN
    v_status := 'canceled';
    PERFORM end_item(v.generation, v.item, 'canceled', 0, 'canceled', 'Canceled on request.');
  ELSIF p_retryable AND (v.item).failures + 1 < v_tries
        AND clock_timestamp() + make_interval(secs => p_delay_s) < (v.generation).deadline_at THEN
    v_status := 'pending';
    UPDATE generation_items SET status = 'pending', failures = failures + 1, lease_until = NULL,
      provider_request_id = NULL, error_code = p_code, error_message = left(p_message, 500),
      due_at = clock_timestamp() + make_interval(secs => p_delay_s)
    WHERE account_id = p_account_id AND id = p_item_id;
  ELSE
    PERFORM end_item(v.generation, v.item, 'failed', 0, p_code, p_message);
  END IF;
  RETURN jsonb_build_object('status', v_status, 'attempt', (v.item).attempt);
END $$;
GRANT EXECUTE ON FUNCTION ducat.fail_item TO ducat_worker;

-- End an item for good: the generation's counts, its state, capture or pay-back, quotas, its event
-- and the generation's when it was the last. p_captured of its cost is spent, the rest goes back to
-- its grants.
-- Generation and item must be locked. A second end of an item breaks a unique key or a check.
CREATE OR REPLACE FUNCTION ducat.end_item(
  p_generation ducat.generations, p_item ducat.generation_items, p_status ducat.item_status,
  p_captured bigint, p_code text DEFAULT NULL, p_message text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account uuid := p_item.account_id;
  v_rest bigint := p_item.cost - p_captured;
  v_generation generations;
BEGIN
  UPDATE generations g SET
    open_items = open_items - 1, captured = captured + p_captured, refunded = refunded + v_rest,
    failed_items = failed_items + (p_status = 'failed')::int,
    canceled_items = canceled_items + (p_status = 'canceled')::int,
    completed_at = CASE WHEN open_items = 1 THEN clock_timestamp() END,
    status = CASE
      WHEN open_items > 1 THEN 'processing'
      WHEN p_status = 'completed' OR failed_items + canceled_items + 1 < item_count
        THEN 'completed'
      WHEN p_status = 'failed' OR failed_items > 0 THEN 'failed'
      ELSE 'canceled' END::item_status
  WHERE account_id = v_account AND id = p_item.generation_id RETURNING * INTO v_generation;
  UPDATE generation_items SET status = p_status, captured = p_captured, refunded = v_rest,
    error_code = p_code, error_message = left(p_message, 500), lease_until = NULL,
    completed_at = clock_timestamp(),
    ended_no = v_generation.item_count - v_generation.open_items
  WHERE account_id = v_account AND id = p_item.id;
  IF p_generation.usage IS NOT NULL THEN
    PERFORM return_usage(v_account, p_generation.usage, p_status <> 'completed');
  END IF;
  IF v_rest > 0 THEN
    PERFORM open_account(v_account);
  END IF;
  IF p_captured > 0 THEN
    UPDATE credit_accounts
    SET held = held - p_captured, lifetime_used = lifetime_used + p_captured
    WHERE account_id = v_account;
  END IF;
  IF v_rest > 0 THEN
    PERFORM return_credits(v_account, allocations_of(p_generation), p_item.cost_from + p_captured,
      v_rest, p_held => -v_rest, p_generation_id => p_item.generation_id,
      p_item_id => p_item.id,
      p_cause => CASE p_status WHEN 'completed' THEN 'partial' ELSE p_status::text END,
      p_description => p_message);
    PERFORM close_account(v_account);
  END IF;
  PERFORM emit(v_account, 'item.' || p_status, jsonb_build_object(
    'generation_id', p_item.generation_id, 'item_id', p_item.id, 'position', p_item.position,
    'label', p_item.label, 'status', p_status, 'cost', p_item.cost, 'refunded', v_rest)
    || CASE WHEN p_code IS NULL THEN '{}' ELSE jsonb_build_object('error',
         jsonb_build_object('code', p_code, 'message', left(coalesce(p_message, ''), 500))) END);
  IF v_generation.open_items = 0 THEN
    PERFORM emit(v_account, 'generation.' || v_generation.status, jsonb_build_object(
      'generation_id', v_generation.id, 'status', v_generation.status,
      'cost', v_generation.cost, 'refunded', v_generation.refunded,
      'failed_items', v_generation.failed_items,
      'canceled_items', v_generation.canceled_items));
  END IF;
END $$;

-- The ordered slices of grants that a generation was paid with.
CREATE OR REPLACE FUNCTION ducat.allocations_of(p_generation ducat.generations) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT allocations FROM credit_entries
  WHERE account_id = p_generation.account_id AND seq = p_generation.entry_seq
$$;

-- Pay what was captured of a completed item back. Generation and item must be locked.
CREATE OR REPLACE FUNCTION ducat.refund_item(
  p_generation ducat.generations, p_item ducat.generation_items, p_reason text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM open_account(p_item.account_id);
  PERFORM return_credits(p_item.account_id, allocations_of(p_generation), p_item.cost_from,
    p_item.captured, p_held => 0, p_used => -p_item.captured,
    p_generation_id => p_item.generation_id, p_item_id => p_item.id, p_cause => 'support',
    p_description => p_reason);
  PERFORM close_account(p_item.account_id);
  -- What was not worth its price answers nobody else either.
  UPDATE generation_items SET captured = 0, refunded = cost, result_key = NULL
  WHERE account_id = p_item.account_id AND id = p_item.id;
  UPDATE generations
  SET captured = captured - p_item.captured, refunded = refunded + p_item.captured
  WHERE account_id = p_item.account_id AND id = p_item.generation_id;
END $$;

-- Up to p_limit items that are due, with what to do: `run` = add a job for this attempt again,
-- `end` = call end_due_item. Each is pushed into the future first, doubling from 30 s to 10 min,
-- so that a sweeper that dies here only delays them. Items that others hold are passed over.
-- Locks the items only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.sweep_items(
  p_limit int DEFAULT 500, p_grace_s numeric DEFAULT 60, p_retry_s numeric DEFAULT 30)
RETURNS TABLE (
  account_id uuid, generation_id uuid, item_id uuid, attempt int, action text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_grace interval := make_interval(secs => p_grace_s);
BEGIN
  RETURN QUERY
  WITH due AS (
    SELECT i.account_id, i.id FROM generation_items i
    WHERE i.status IN ('pending', 'processing') AND i.due_at <= v_now
    ORDER BY i.due_at LIMIT least(p_limit, 500) FOR NO KEY UPDATE SKIP LOCKED
  ), swept AS (
    UPDATE generation_items i SET
      readds = least(i.readds + 1, 20),
      due_at = CASE
        WHEN i.lease_until > v_now THEN
          CASE WHEN v_now < g.deadline_at THEN least(i.lease_until, g.deadline_at)
               ELSE least(i.lease_until, g.deadline_at + v_grace) END
        ELSE least(
          v_now + least(make_interval(secs => p_retry_s * 2 ^ least(i.readds, 10)), '10 minutes'),
          greatest(v_now + interval '1 second',
            g.deadline_at + CASE WHEN v_now < g.deadline_at THEN interval '0' ELSE v_grace END))
        END
    FROM due, generations g, styles s
    WHERE i.account_id = due.account_id AND i.id = due.id
      AND g.account_id = i.account_id AND g.id = i.generation_id
      AND s.id = g.style_id AND s.version = g.style_version
    RETURNING i.account_id, i.generation_id, i.id, i.attempt, CASE
      WHEN end_reason(i, g.deadline_at, s.max_attempts, v_grace) IS NOT NULL THEN 'end'
      WHEN i.lease_until > v_now THEN 'wait'
      ELSE 'run' END AS action
  )
  SELECT * FROM swept WHERE action <> 'wait';
END $$;
GRANT EXECUTE ON FUNCTION ducat.sweep_items TO ducat_worker;

-- End an item that the sweeper found past saving, if it still is. Returns the reason, or null.
-- Locks generation, item, account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.end_due_item(
  p_account_id uuid, p_generation_id uuid, p_item_id uuid, p_grace_s numeric DEFAULT 60)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_generation generations := lock_generation(p_account_id, p_generation_id);
  v_item generation_items;
  v_reason text;
BEGIN
  SELECT * INTO v_item FROM generation_items
  WHERE account_id = p_account_id AND id = p_item_id AND generation_id = v_generation.id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT end_reason(v_item, v_generation.deadline_at, max_attempts,
                    make_interval(secs => p_grace_s))
  INTO v_reason FROM styles
  WHERE id = v_generation.style_id AND version = v_generation.style_version;
  IF v_reason IS NOT NULL THEN
    PERFORM end_item(v_generation, v_item,
      CASE v_reason WHEN 'canceled' THEN 'canceled' ELSE 'failed' END::item_status, 0, v_reason,
      CASE v_reason
        WHEN 'canceled' THEN 'Canceled on request.'
        WHEN 'deadline_exceeded' THEN 'It did not finish in time.'
        ELSE 'It could not be finished after several attempts.' END);
  END IF;
  RETURN v_reason;
END $$;
GRANT EXECUTE ON FUNCTION ducat.end_due_item TO ducat_worker;

-- What waits to be claimed: how many items are past their due time (counted up to 10,000) and
-- for how many seconds the first. A pending item is due 30 s after it was made, so anything here
-- means that the queue lost it or nobody works. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_backlog(
  OUT waiting int, OUT "oldestSeconds" double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT count(*)::int, extract(epoch FROM clock_timestamp() - min(due_at))
  FROM (SELECT due_at FROM generation_items
        WHERE status IN ('pending', 'processing') AND due_at <= (SELECT clock_timestamp())
        ORDER BY due_at LIMIT 10000) AS due
$$;
GRANT EXECUTE ON FUNCTION ducat.read_backlog TO ducat_app, ducat_worker;
