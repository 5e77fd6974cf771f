-- Use of features that the product reports. Limit and period are computed here, in the transaction
-- that takes them: what a process remembers of an account decides nothing.

-- Take p_amount of a feature, once per p_event_id.
-- Returns {feature, used, limit | null, remaining | null, resets_at, replayed}; of a stock that is
-- spent `limit` is what was granted. A repeat returns the first answer, also after a release.
--   DU002 idempotency_conflict   the event took another feature or amount
--   DU003 not_found              {what: account | feature}
--   DU004 account_frozen
--   DU005 quota_exceeded         {quota, limit, current, resets_at, upgrade}
--   DU007 validation_failed      a flag or what one request may ask for: {reason: not_counted}; an
--                                amount not from 1 to 10^9, an event id not from 1 to 255 long
-- Locks the event's row, then the counter or the stock's grants in the order in which they are
-- spent. Safe to retry. READ COMMITTED.
CREATE OR REPLACE FUNCTION ducat.track_usage(
  p_account_id uuid, p_feature text, p_amount bigint, p_event_id text,
  p_subject text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_log usage_logs;
  v_standing record;
  v_allowed record;
  v_taken record;
BEGIN
  PERFORM refuse_usage(p_amount, p_event_id);
  SELECT * INTO v_log FROM usage_logs
  WHERE account_id = p_account_id AND event_id = p_event_id;
  IF FOUND THEN
    RETURN replay_usage(v_log, p_feature, p_amount);
  END IF;
  v_standing := find_standing(p_account_id);
  SELECT * INTO v_allowed FROM list_allowed(p_account_id, v_standing.at, v_standing.plan,
    v_standing.anchor, v_standing.until, p_feature, p_subject);
  PERFORM refuse_uncounted(v_allowed.kind, v_allowed.definition);
  PERFORM refuse_frozen(a) FROM credit_accounts a WHERE a.account_id = p_account_id;
  -- A parallel call with this event waits here until this one has ended.
  INSERT INTO usage_logs (account_id, event_id, feature, amount, subject, period_start, created_at)
  VALUES (p_account_id, p_event_id, p_feature, p_amount, p_subject, v_allowed.period_start,
    v_standing.at)
  ON CONFLICT DO NOTHING RETURNING * INTO v_log;
  IF NOT FOUND THEN
    SELECT * INTO v_log FROM usage_logs
    WHERE account_id = p_account_id AND event_id = p_event_id;
    RETURN replay_usage(v_log, p_feature, p_amount);
  END IF;
  v_taken := take_feature(p_account_id, v_standing, v_allowed, p_amount);
  UPDATE usage_logs SET slices = v_taken.slices, result = v_taken.result
  WHERE account_id = p_account_id AND id = v_log.id;
  RETURN v_taken.result || '{"replayed": false}';
END $$;
GRANT EXECUTE ON FUNCTION ducat.track_usage TO ducat_app, ducat_worker;

-- Refuse what is no use of anything.
--   DU007 validation_failed
CREATE OR REPLACE FUNCTION ducat.refuse_usage(p_amount bigint, p_event_id text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000
     OR p_event_id IS NULL OR length(p_event_id) NOT BETWEEN 1 AND 255 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 1000000000}');
  END IF;
END $$;

-- Refuse a feature that nothing is counted of.
--   DU003 not_found {what: feature} · DU007 validation_failed {reason: not_counted}
CREATE OR REPLACE FUNCTION ducat.refuse_uncounted(p_kind text, p_definition jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_kind IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "feature"}');
  ELSIF p_kind = 'flag' OR p_definition ->> 'period' = 'request' THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "not_counted"}');
  END IF;
END $$;

-- The first answer of an event.
--   DU002 idempotency_conflict
CREATE OR REPLACE FUNCTION ducat.replay_usage(
  p_log ducat.usage_logs, p_feature text, p_amount bigint)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_log.feature <> p_feature OR p_log.amount <> p_amount THEN
    PERFORM refuse('DU002', 'idempotency_conflict');
  END IF;
  RETURN p_log.result || '{"replayed": true}';
END $$;

-- Take an amount of a feature by its rows of find_standing and list_allowed: the answer without
-- `replayed`, and for a stock that is spent what was taken of which grant.
--   DU005 quota_exceeded {quota, limit, current, resets_at, upgrade}
-- Locks the counter, or the stock's grants.
CREATE OR REPLACE FUNCTION ducat.take_feature(
  p_account_id uuid, p_standing record, p_allowed record, p_amount bigint,
  OUT slices jsonb, OUT result jsonb)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit bigint := p_allowed."limit";
  v_used bigint;
  v_stock record;
BEGIN
  IF p_allowed.counts = 'spent' THEN
    slices := take_stock(p_account_id, p_allowed.feature, p_amount, p_standing.at);
    v_stock := count_stock(p_account_id, p_allowed.feature, p_standing.at);
    v_limit := v_stock.granted;
    v_used := v_stock.granted - v_stock.remaining;
    PERFORM mark_quota(p_account_id, p_allowed.feature, v_used, p_amount, v_limit);
  ELSE
    v_used := take_counter(p_account_id, p_allowed.feature, p_allowed.period_start, p_amount,
      v_limit);
  END IF;
  IF v_used IS NULL OR p_allowed.counts = 'spent' AND slices IS NULL THEN
    PERFORM refuse('DU005', 'quota_exceeded', jsonb_build_object(
      'quota', p_allowed.feature, 'limit', v_limit, 'resets_at', p_allowed.resets_at,
      'current', coalesce(v_used, count_used(p_account_id, p_allowed.feature,
        p_allowed.period_start)),
      'upgrade', (SELECT u.product FROM list_upgrades(p_standing.kind, p_standing.plan,
        (p_standing.subscription).price_id, jsonb_build_object(p_allowed.feature,
          jsonb_build_object('kind', p_allowed.kind, 'counts', p_allowed.counts,
            'limit', p_allowed."limit"))) u)));
  END IF;
  result := jsonb_build_object('feature', p_allowed.feature, 'used', v_used, 'limit', v_limit,
    'remaining', left_of(v_limit, v_used), 'resets_at', p_allowed.resets_at);
END $$;

-- What is left of a limit; null when it has no end.
CREATE OR REPLACE FUNCTION ducat.left_of(p_limit bigint, p_used bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_limit IS NOT NULL THEN greatest(0, p_limit - p_used) END
$$;

-- Add to a counter, made by its first use. Returns what is used then; null, and nothing is taken,
-- when that would be over p_limit (null: no end). Locks the counter.
CREATE OR REPLACE FUNCTION ducat.take_counter(
  p_account_id uuid, p_feature text, p_period_start timestamptz, p_amount bigint,
  p_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_used bigint;
BEGIN
  IF p_amount > p_limit THEN
    RETURN NULL;
  END IF;
  INSERT INTO usage_counters AS c (account_id, feature, period_start, used)
  VALUES (p_account_id, p_feature, p_period_start, p_amount)
  ON CONFLICT (account_id, feature, period_start) DO UPDATE SET used = c.used + p_amount
    WHERE p_limit IS NULL OR c.used + p_amount <= p_limit
  RETURNING c.used INTO v_used;
  PERFORM mark_quota(p_account_id, p_feature, v_used, p_amount, p_limit);
  RETURN v_used;
END $$;

-- Give back to a counter, not below nothing. Returns what is used then. Locks the counter.
CREATE OR REPLACE FUNCTION ducat.return_counter(
  p_account_id uuid, p_feature text, p_period_start timestamptz, p_amount bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_used bigint;
BEGIN
  UPDATE usage_counters SET used = greatest(0, used - p_amount)
  WHERE account_id = p_account_id AND feature = p_feature AND period_start = p_period_start
  RETURNING used INTO v_used;
  -- Places that are free again may be taken again: their alert is armed.
  IF p_period_start = '-infinity' AND left(p_feature, 1) <> '_' THEN
    INSERT INTO alert_dues (account_id) VALUES (p_account_id);
  END IF;
  RETURN v_used;
END $$;

-- What a counter says; nothing counted is 0.
CREATE OR REPLACE FUNCTION ducat.count_used(
  p_account_id uuid, p_feature text, p_period_start timestamptz)
RETURNS bigint LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(max(used), 0) FROM usage_counters
  WHERE account_id = p_account_id AND feature = p_feature AND period_start = p_period_start
$$;

-- Take places of a stock that is held (or of any limit), in the caller's transaction. A feature
-- that the account's catalog doesn't have is not limited, and nothing is counted. Returns what is
-- used then; null when it is not counted. Internal: give them back by return_places.
--   DU003 not_found {what: account} · DU005 quota_exceeded · DU007 validation_failed (a flag)
-- Locks the counter.
CREATE OR REPLACE FUNCTION ducat.take_places(
  p_account_id uuid, p_feature text, p_amount bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_standing record := find_standing(p_account_id);
  v_allowed record;
  v_taken record;
BEGIN
  SELECT * INTO v_allowed FROM list_allowed(p_account_id, v_standing.at, v_standing.plan,
    v_standing.anchor, v_standing.until, p_feature);
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM refuse_uncounted(v_allowed.kind, v_allowed.definition);
  v_taken := take_feature(p_account_id, v_standing, v_allowed, p_amount);
  RETURN (v_taken.result ->> 'used')::bigint;
END $$;

-- Give places of a stock that is held back. Returns what is used then; null when none were counted.
-- Internal. Locks the counter.
CREATE OR REPLACE FUNCTION ducat.return_places(
  p_account_id uuid, p_feature text, p_amount bigint)
RETURNS bigint LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT return_counter(p_account_id, p_feature, '-infinity', p_amount)
$$;

-- Take from a stock that is spent, what ends soonest first. Returns [[grant, n], …]; null, and
-- nothing is taken, when less is left. Locks its grants in that order.
CREATE OR REPLACE FUNCTION ducat.take_stock(
  p_account_id uuid, p_feature text, p_amount bigint, p_at timestamptz)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_grants uuid[] := '{}';
  v_amounts bigint[] := '{}';
  v_left bigint := p_amount;
  v_grant record;
BEGIN
  FOR v_grant IN
    SELECT id, remaining FROM allowance_grants
    WHERE account_id = p_account_id AND feature = p_feature AND remaining > 0
      AND revoked_at IS NULL AND starts_at <= p_at AND (expires_at IS NULL OR expires_at > p_at)
    ORDER BY priority, expires_at NULLS LAST, id FOR NO KEY UPDATE
  LOOP
    EXIT WHEN v_left = 0;
    v_grants := v_grants || v_grant.id;
    v_amounts := v_amounts || least(v_left, v_grant.remaining);
    v_left := v_left - least(v_left, v_grant.remaining);
  END LOOP;
  IF v_left > 0 THEN
    RETURN NULL;
  END IF;
  UPDATE allowance_grants g SET remaining = g.remaining - t.n
  FROM unnest(v_grants, v_amounts) AS t (id, n)
  WHERE g.account_id = p_account_id AND g.id = t.id;
  RETURN (SELECT jsonb_agg(jsonb_build_array(t.id, t.n) ORDER BY t.nth)
          FROM unnest(v_grants, v_amounts) WITH ORDINALITY AS t (id, n, nth));
END $$;

-- Give what an event took back, once: to the counter of its period, or to the grants it came from;
-- what of those has ended stays gone.
-- Returns {feature, amount, returned, used, limit, remaining, resets_at, replayed}: `returned` is
-- how much can be used again. A repeat returns the first answer.
--   DU003 not_found   {what: usage}
-- Locks the event's row, then the counter or the grants. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.release_usage(p_account_id uuid, p_event_id text)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_log usage_logs;
  v_at timestamptz;
  v_returned bigint;
  v_used bigint;
  v_stock record;
  v_result jsonb;
BEGIN
  SELECT * INTO v_log FROM usage_logs
  WHERE account_id = p_account_id AND event_id = p_event_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "usage"}');
  ELSIF v_log.released_at IS NOT NULL THEN
    RETURN v_log.release_result || '{"replayed": true}';
  END IF;
  v_at := account_time(p_account_id);
  IF v_log.slices IS NULL THEN
    v_used := coalesce(
      return_counter(p_account_id, v_log.feature, v_log.period_start, v_log.amount), 0);
    v_returned := CASE WHEN (v_log.result ->> 'resets_at')::timestamptz <= v_at THEN 0
                       ELSE v_log.amount END;
    v_result := jsonb_build_object('limit', v_log.result -> 'limit', 'used', v_used);
  ELSE
    v_returned := return_stock(p_account_id, v_log.slices, v_at);
    v_stock := count_stock(p_account_id, v_log.feature, v_at);
    v_result := jsonb_build_object('limit', v_stock.granted,
      'used', v_stock.granted - v_stock.remaining);
  END IF;
  v_result := v_result || jsonb_build_object('feature', v_log.feature, 'amount', v_log.amount,
    'returned', v_returned, 'resets_at', v_log.result -> 'resets_at', 'remaining',
    left_of((v_result ->> 'limit')::bigint, (v_result ->> 'used')::bigint));
  UPDATE usage_logs SET released_at = v_at, release_result = v_result
  WHERE account_id = p_account_id AND id = v_log.id;
  PERFORM mark_usage(p_account_id, v_log.created_at, v_log.created_at, 'release');
  RETURN v_result || '{"replayed": false}';
END $$;
GRANT EXECUTE ON FUNCTION ducat.release_usage TO ducat_app, ducat_worker;

-- Give slices of a stock back to their grants. Returns how much of it counts at p_at. Locks the
-- grants in the order in which they are spent.
CREATE OR REPLACE FUNCTION ducat.return_stock(
  p_account_id uuid, p_slices jsonb, p_at timestamptz)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_back record;
  v_returned bigint := 0;
BEGIN
  FOR v_back IN
    SELECT g.id, (s.slice ->> 1)::bigint AS n,
           g.revoked_at IS NULL AND coalesce(g.expires_at > p_at, true) AS is_live
    FROM jsonb_array_elements(p_slices) AS s (slice)
    JOIN allowance_grants g ON g.account_id = p_account_id AND g.id = (s.slice ->> 0)::uuid
    ORDER BY g.priority, g.expires_at NULLS LAST, g.id FOR NO KEY UPDATE OF g
  LOOP
    CONTINUE WHEN NOT v_back.is_live;
    UPDATE allowance_grants SET remaining = least(amount, remaining + v_back.n)
    WHERE account_id = p_account_id AND id = v_back.id;
    v_returned := v_returned + v_back.n;
  END LOOP;
  RETURN v_returned;
END $$;

-- All that was used: what the product reported, and what items of generations took (for an item
-- that has not ended or that completed; the others have given it back).
CREATE OR REPLACE VIEW ducat.usage_entries WITH (security_invoker = true) AS
SELECT l.account_id, l.id, l.feature, l.amount, l.subject, l.event_id, NULL::uuid AS generation_id,
       l.released_at IS NOT NULL AS is_returned, l.created_at
FROM ducat.usage_logs l
UNION ALL
SELECT i.account_id, i.id, q.feature, q.amount, g.subject, NULL, g.id,
       i.status IN ('failed', 'canceled'), g.created_at
FROM ducat.generations g
JOIN ducat.generation_items i ON i.account_id = g.account_id AND i.generation_id = g.id
CROSS JOIN LATERAL jsonb_to_recordset(g.usage) AS q (feature text, amount bigint)
WHERE g.usage IS NOT NULL AND q.amount > 0 AND left(q.feature, 1) <> '_';
GRANT SELECT ON ducat.usage_entries TO ducat_app, ducat_worker;
