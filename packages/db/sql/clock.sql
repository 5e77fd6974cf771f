-- The test clock: an account's time goes ahead from one due moment to the next, and at each of
-- them everything that is due by then is done, as the workers' rounds would do it. For test mode
-- only: the API offers it nowhere else.
--
-- A move of the clock is a run, and an account's runs are done one after the other, oldest first.
-- Whoever calls drives the oldest run that is open, whoever began it: tick_clock moves the clock
-- to the next moment and writes that down as pending, the caller does what is due (each part in a
-- transaction of its own, with the locks of its kind; what belongs to a provider outside of any),
-- record_tick writes it down as done. Who ends in between leaves a pending step, and the next
-- caller gets the same one: all of its parts do nothing twice.

-- Begin a move of the account's clock, once per p_key. Returns {run_id, ran, done_at, ticks}:
-- done_at is null until record_tick has ended it. p_audit: {actor, request_id, ip}.
--   DU002 idempotency_conflict   p_key came with another request
--   DU003 not_found              no such account
--   DU007 validation_failed      p_seconds is negative or over ten years
-- Locks the account's clock (an advisory lock). Safe to retry.
CREATE OR REPLACE FUNCTION ducat.begin_clock_run(
  p_account_id uuid, p_seconds bigint, p_key text, p_fingerprint bytea, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_run clock_runs;
BEGIN
  IF (p_seconds BETWEEN 0 AND 315360000) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "seconds"}');
  END IF;
  PERFORM account_time(p_account_id);
  PERFORM lock_run(p_account_id);
  SELECT * INTO v_run FROM clock_runs WHERE account_id = p_account_id AND key = p_key;
  IF NOT FOUND THEN
    INSERT INTO clock_runs (account_id, key, fingerprint, seconds)
    VALUES (p_account_id, p_key, p_fingerprint, p_seconds) RETURNING * INTO v_run;
    PERFORM audit(p_account_id, 'clock.advance', 'account', p_account_id::text, p_audit,
      jsonb_build_object('seconds', p_seconds, 'run_id', v_run.id));
  ELSIF v_run.fingerprint <> p_fingerprint THEN
    PERFORM refuse('DU002', 'idempotency_conflict');
  END IF;
  RETURN show_run(v_run);
END $$;
GRANT EXECUTE ON FUNCTION ducat.begin_clock_run TO ducat_app;

-- One at a time moves an account's clock, until the transaction ends. Taken before any row.
CREATE OR REPLACE FUNCTION ducat.lock_run(p_account_id uuid) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('clock:' || p_account_id, 0))
$$;

-- How many steps of an account's runs are done.
CREATE OR REPLACE FUNCTION ducat.count_ticks(p_account_id uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(sum(step), 0)::bigint FROM clock_runs WHERE account_id = p_account_id
$$;

-- A run as its caller sees it; ticks: how many steps of the account's runs are done by now.
CREATE OR REPLACE FUNCTION ducat.show_run(p_run ducat.clock_runs) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN jsonb_build_object('run_id', p_run.id, 'ran', p_run.ran, 'done_at', p_run.done_at,
    'ticks', count_ticks(p_run.account_id));
END $$;

-- Move the account's clock to the next moment at which something falls due in its oldest open run,
-- or, when nothing more does, to the run's end. p_also: [{at, what, id?}], what falls due in books
-- that are not the database's, as they were when p_ticks steps were done. Returns the step {run_id,
-- step, at, ran, is_last} that is to be done now; null when no run is open, or when more steps are
-- done by now: read again, then ask again. A step that was not recorded is returned again.
-- Locks the account's clock (an advisory lock), then the account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.tick_clock(p_account_id uuid, p_ticks bigint, p_also jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_run clock_runs;
  v_due jsonb;
  v_soon jsonb;
  v_at timestamptz;
BEGIN
  PERFORM lock_run(p_account_id);
  SELECT * INTO v_run FROM clock_runs WHERE account_id = p_account_id AND done_at IS NULL
  ORDER BY id LIMIT 1 FOR NO KEY UPDATE;
  IF NOT FOUND OR v_run.pending IS NOT NULL THEN
    RETURN v_run.pending;
  ELSIF count_ticks(p_account_id) <> p_ticks THEN
    RETURN NULL;
  END IF;
  IF v_run.until_offset IS NULL THEN
    SELECT clock_offset + make_interval(secs => v_run.seconds), clock_timestamp() + clock_offset
    INTO v_run.until_offset, v_run.started_at
    FROM credit_accounts WHERE account_id = p_account_id;
  END IF;
  WITH due AS (
    SELECT at, what, id::text, rank FROM list_account_due(p_account_id, v_run.started_at)
    UNION ALL
    SELECT a.at, a.what, a.id, 6 FROM jsonb_to_recordset(p_also)
      AS a (at timestamptz, what text, id text)
  ), ahead AS (
    SELECT min(at) OVER () AS first_at, rank, at, jsonb_strip_nulls(jsonb_build_object(
      'at', at, 'what', what, 'id', id)) AS shown
    FROM due
    WHERE at > coalesce(v_run.reached_at, '-infinity')
      AND at <= clock_timestamp() + v_run.until_offset
  )
  SELECT min(first_at), jsonb_agg(shown ORDER BY rank, shown) FILTER (WHERE at = first_at),
    jsonb_agg(shown) FILTER (WHERE at > first_at AND at <= first_at + interval '1 day')
  INTO v_at, v_due, v_soon FROM ahead;
  UPDATE credit_accounts SET clock_offset = CASE WHEN v_at IS NULL THEN v_run.until_offset
    ELSE least(v_run.until_offset, greatest(clock_offset,
      make_interval(secs => extract(epoch FROM v_at - clock_timestamp())::float8))) END
  WHERE account_id = p_account_id;
  v_run.pending := jsonb_build_object('run_id', v_run.id, 'step', v_run.step, 'at', v_at,
    'ran', coalesce(v_due, '[]'), 'soon', coalesce(v_soon, '[]'), 'is_last', v_at IS NULL);
  UPDATE clock_runs SET pending = v_run.pending, until_offset = v_run.until_offset,
    started_at = v_run.started_at
  WHERE account_id = p_account_id AND id = v_run.id;
  -- What an account may do depends on its time; no credit moves in this transaction.
  PERFORM pg_notify('ducat_cache', jsonb_build_array('entitlements:' || p_account_id)::text);
  RETURN v_run.pending;
END $$;
GRANT EXECUTE ON FUNCTION ducat.tick_clock TO ducat_app;

-- Write down that a step was done, with what came due while it was being done and was done with
-- it; the last one ends its run. Returns the run as begin_clock_run does. Nothing changes when
-- another caller was faster.
--   DU003 not_found
-- Locks the account's clock (an advisory lock). Safe to retry.
CREATE OR REPLACE FUNCTION ducat.record_tick(p_account_id uuid, p_run_id uuid, p_step int)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_run clock_runs;
BEGIN
  PERFORM lock_run(p_account_id);
  UPDATE clock_runs
  SET ran = sort_ran(ran || (pending -> 'ran')
      || list_done(p_account_id, started_at, pending -> 'soon')),
    step = step + 1, pending = NULL,
    reached_at = coalesce((pending ->> 'at')::timestamptz, reached_at),
    done_at = CASE WHEN (pending ->> 'is_last')::boolean THEN account_time(p_account_id) END
  WHERE account_id = p_account_id AND id = p_run_id AND step = p_step AND pending IS NOT NULL;
  SELECT * INTO v_run FROM clock_runs WHERE account_id = p_account_id AND id = p_run_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "run"}');
  END IF;
  RETURN show_run(v_run);
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_tick TO ducat_app;

-- Of what was about to fall due that which has, and was done: nothing waits for it any more.
CREATE OR REPLACE FUNCTION ducat.list_done(
  p_account_id uuid, p_from timestamptz, p_soon jsonb)
RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(soon.e), '[]') FROM jsonb_array_elements(p_soon) AS soon (e)
    WHERE (soon.e ->> 'at')::timestamptz <= account_time(p_account_id)
      AND soon.e ->> 'what' <> 'subscription.provider'
      AND NOT EXISTS (
        SELECT FROM list_account_due(p_account_id, p_from) d
        WHERE d.at = (soon.e ->> 'at')::timestamptz AND d.what = soon.e ->> 'what'
          AND d.id::text IS NOT DISTINCT FROM soon.e ->> 'id'));
END $$;

-- What was done, in the order in which it fell due.
CREATE OR REPLACE FUNCTION ducat.sort_ran(p_ran jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(jsonb_agg(e ORDER BY (e ->> 'at')::timestamptz, n), '[]')
  FROM jsonb_array_elements(p_ran) WITH ORDINALITY AS done (e, n)
$$;

-- Everything of an account that falls due by its own time, and when: what has to be done, and from
-- p_from on also what only ends by itself. rank: the order in which the parts of a moment are done.
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_account_due(p_account_id uuid, p_from timestamptz)
RETURNS TABLE (at timestamptz, what text, id uuid, rank int)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT g.expires_at, 'grant.expiry', g.id, 1 FROM credit_grant_balances g
  WHERE g.account_id = p_account_id AND g.closed_at IS NULL AND g.remaining > 0
    AND g.expires_at IS NOT NULL
  UNION ALL
  SELECT h.expires_at, 'hold.expiry', h.id, 1 FROM credit_holds h
  WHERE h.account_id = p_account_id AND h.status = 'open' AND h.expires_at IS NOT NULL
  UNION ALL
  SELECT * FROM list_subscriptions_due(p_account_id)
  UNION ALL
  SELECT b.next_at, 'default_plan.month', NULL::uuid, 4 FROM base_refills b
  WHERE b.account_id = p_account_id
  UNION ALL
  SELECT next_notice(p_account_id), 'alert.expiring', NULL, 8 FROM get_alerts(p_account_id) w
  WHERE w.expiring
  UNION ALL
  SELECT p.ends_at - interval '1 day', 'pass.reminder', p.id, 5 FROM passes p
  WHERE p.account_id = p_account_id AND p.reminded_at IS NULL AND p.revoked_at IS NULL
    AND p.ends_at > p_from
  UNION ALL
  SELECT m.at, m.what, m.id, m.rank FROM (
    SELECT p.ends_at AS at, 'pass.end' AS what, p.id, 7 AS rank FROM passes p
    WHERE p.account_id = p_account_id AND p.revoked_at IS NULL
    UNION ALL
    SELECT s.trial_ends_at, 'trial.end', s.id, 2 FROM subscriptions s
    WHERE s.account_id = p_account_id AND s.status = 'trialing'
    UNION ALL
    SELECT l.expires_at, 'allowance.expiry', l.id, 7 FROM allowance_grants l
    WHERE l.account_id = p_account_id AND l.remaining > 0 AND l.revoked_at IS NULL
    UNION ALL
    SELECT o.expires_at, 'override.end', NULL, 7 FROM feature_overrides o
    WHERE o.account_id = p_account_id
  ) AS m WHERE m.at > p_from;
END $$;

-- What falls due of an account's subscriptions by our clock: months of paid years, and of its own
-- ones the renewal that is asked for, the end of the period and of the grace.
CREATE OR REPLACE FUNCTION ducat.list_subscriptions_due(p_account_id uuid)
RETURNS TABLE (at timestamptz, what text, id uuid, rank int)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT s.next_refill_at, 'plan.month', s.id, 4 FROM subscriptions s
  WHERE s.account_id = p_account_id AND s.next_refill_at IS NOT NULL
  UNION ALL
  SELECT m.at, m.what, s.id, 3
  FROM subscriptions s JOIN products d ON d.id = s.product_id
  CROSS JOIN LATERAL (VALUES
    (s.period_end - renewal_lead(), 'subscription.renewal',
     wants_renewal(s, s.period_end) AND (renewal_price(s)).amount > 0),
    (s.period_end, 'subscription.period_end', s.status <> 'past_due'),
    (s.period_end + make_interval(days => d.grace_days), 'subscription.grace_end',
     s.cancel_at IS NULL AND (s.status = 'past_due' OR paid_until(s) = s.period_end))
  ) AS m (at, what, is_due)
  WHERE s.account_id = p_account_id AND s.provider_ref IS NULL AND s.ended_at IS NULL
    AND m.is_due;
END $$;

-- Do one part of what is due for an account by now: expiry | period (an own subscription's) | month
-- (a paid year's) | base (the default plan's) | passes. The same as the workers' rounds do.
-- Returns whether anything was done.
--   DU003 not_found           no such account
--   DU007 validation_failed   no such part
-- Locks as the part does. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.run_account_due(
  p_account_id uuid, p_part text, p_subscription_id uuid DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_done boolean := false;
  v_pass passes;
BEGIN
  PERFORM account_time(p_account_id);
  CASE p_part
  WHEN 'expiry' THEN
    RETURN expire_account(p_account_id);
  WHEN 'period' THEN
    RETURN advance_own_subscription(p_account_id, p_subscription_id, true);
  WHEN 'month' THEN
    RETURN refill_subscription(p_account_id, p_subscription_id, true) > 0;
  WHEN 'base' THEN
    RETURN refill_base(p_account_id, true) > 0;
  WHEN 'passes' THEN
    FOR v_pass IN
      SELECT * FROM passes
      WHERE account_id = p_account_id AND reminded_at IS NULL AND revoked_at IS NULL
        AND ends_at - interval '1 day' <= account_time(p_account_id)
      ORDER BY ends_at, id FOR NO KEY UPDATE
    LOOP
      v_done := remind_pass(v_pass) OR v_done;
    END LOOP;
    RETURN v_done;
  ELSE
    PERFORM refuse('DU007', 'validation_failed', '{"what": "part"}');
  END CASE;
END $$;
GRANT EXECUTE ON FUNCTION ducat.run_account_due TO ducat_app;
