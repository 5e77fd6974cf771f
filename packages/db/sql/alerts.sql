-- What an account is told before it runs out: credits under a threshold of its own, quotas at 80
-- and at 100 %, credits that are about to expire. Each crossing is told once, by an event of the
-- outbox and, where the account wants it, by a message, in the transaction that notes it.
--
-- Nothing of this is in the transactions that spend: raise_alerts is called after them, with what
-- they have left, and looks at the account as it is then. alert_states remembers what was told:
--   balance          seq: the ledger line it was told at, or the last one that was read since. A
--                    top-up after it that reached the threshold has armed it again, whoever saw
--                    that: the ledger tells.
--   quota:<feature>  level told, at: its period, mark: its limit; another of these arms it again
--   grant:<id>       told, at: when the grant ends
--   checked          seq, mark (all that was ever granted), at: when to look again

-- How long before its end a grant is told of; a grant that lives no longer is not.
CREATE OR REPLACE FUNCTION ducat.expiry_notice() RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$ SELECT interval '3 days' $$;

-- What an account wants to be told of.
CREATE OR REPLACE FUNCTION ducat.get_alerts(p_account_id uuid)
RETURNS TABLE (low_balance bigint, quota boolean, expiring boolean, messages boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT s.low_balance, coalesce(s.quota, true), coalesce(s.expiring, true),
    coalesce(s.messages, true)
  FROM (SELECT p_account_id AS account_id) AS one LEFT JOIN alert_settings s USING (account_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.get_alerts TO ducat_app, ducat_worker;

-- Say what an account wants to be told of; p_low_balance null: nothing of its balance. A balance
-- that is under the threshold already is no crossing: a top-up arms it. Returns the settings.
--   DU003 not_found · DU007 validation_failed   p_low_balance is not from 1 to 10^12
-- Locks the account's alerts (an advisory lock). Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_alerts(
  p_account_id uuid, p_low_balance bigint, p_quota boolean, p_expiring boolean,
  p_messages boolean)
RETURNS TABLE (low_balance bigint, quota boolean, expiring boolean, messages boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_before bigint;
BEGIN
  PERFORM account_time(p_account_id);
  IF p_low_balance IS NOT NULL THEN
    PERFORM refuse_amount(p_low_balance);
  END IF;
  PERFORM lock_alerts(p_account_id);
  v_before := (SELECT s.low_balance FROM alert_settings s WHERE s.account_id = p_account_id);
  INSERT INTO alert_settings AS s (account_id, low_balance, quota, expiring, messages)
  VALUES (p_account_id, p_low_balance, p_quota, p_expiring, p_messages)
  ON CONFLICT (account_id) DO UPDATE
  SET low_balance = excluded.low_balance, quota = excluded.quota, expiring = excluded.expiring,
      messages = excluded.messages, updated_at = clock_timestamp();
  IF p_low_balance IS DISTINCT FROM v_before THEN
    SELECT * INTO v_account FROM credit_accounts a WHERE a.account_id = p_account_id;
    PERFORM save_alert(p_account_id, 'balance', p_seq => CASE
      WHEN v_account.available - v_account.bound < p_low_balance THEN v_account.seq END);
  END IF;
  PERFORM pg_notify('ducat_cache', jsonb_build_array('alerts:' || p_account_id)::text);
  RETURN QUERY SELECT * FROM get_alerts(p_account_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_alerts TO ducat_app;

-- One at a time looks at an account's alerts, until the transaction ends.
CREATE OR REPLACE FUNCTION ducat.lock_alerts(p_account_id uuid) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('alerts:' || p_account_id, 0))
$$;

-- Remember what was told.
CREATE OR REPLACE FUNCTION ducat.save_alert(
  p_account_id uuid, p_alert text, p_level int DEFAULT 0, p_mark bigint DEFAULT NULL,
  p_seq bigint DEFAULT NULL, p_at timestamptz DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO alert_states (account_id, alert, level, mark, seq, at)
  VALUES (p_account_id, p_alert, p_level, p_mark, p_seq, p_at)
  ON CONFLICT (account_id, alert) DO UPDATE
  SET level = excluded.level, mark = excluded.mark, seq = excluded.seq, at = excluded.at
$$;

-- Look at an account and tell what has been crossed and was not told. Returns the types of what
-- was told now. p_kinds: balance | quota | expiring, all where it is null.
--   DU003 not_found
-- Locks the account's alerts (an advisory lock) and no row of its credits. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.raise_alerts(p_account_id uuid, p_kinds text[] DEFAULT NULL)
RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_wish record;
  v_told text[] := '{}';
  v_now timestamptz := account_time(p_account_id);
  v_account credit_accounts;
BEGIN
  PERFORM lock_alerts(p_account_id);
  SELECT * INTO v_wish FROM get_alerts(p_account_id);
  SELECT * INTO v_account FROM credit_accounts WHERE account_id = p_account_id;
  IF v_wish.low_balance IS NOT NULL AND coalesce('balance' = ANY (p_kinds), true) THEN
    v_told := v_told || tell_low_balance(v_account, v_wish.low_balance, v_wish.messages);
  END IF;
  IF coalesce('quota' = ANY (p_kinds), true) THEN
    DELETE FROM alert_dues WHERE account_id = p_account_id;
    IF v_wish.quota THEN
      v_told := v_told || tell_quotas(p_account_id, v_wish.messages);
    END IF;
  END IF;
  IF v_wish.expiring AND coalesce('expiring' = ANY (p_kinds), true) THEN
    v_told := v_told || tell_expiring(p_account_id, v_now, v_wish.messages);
  END IF;
  IF p_kinds IS NULL THEN
    PERFORM save_alert(p_account_id, 'checked', p_seq => v_account.seq,
      p_mark => v_account.lifetime_granted, p_at => next_notice(p_account_id));
  END IF;
  RETURN v_told;
END $$;
GRANT EXECUTE ON FUNCTION ducat.raise_alerts TO ducat_app, ducat_worker;

-- Tell the world, and the account where it wants to hear it.
CREATE OR REPLACE FUNCTION ducat.tell_alert(
  p_account_id uuid, p_type text, p_data jsonb, p_messages boolean)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM emit(p_account_id, p_type, p_data);
  IF p_messages THEN
    PERFORM queue_message(p_account_id, replace(p_type, '.', '_'), p_data,
      'alert:' || uuid_v7());
  END IF;
END $$;

-- Tell a balance that has fallen under its threshold since it was last told or topped up.
CREATE OR REPLACE FUNCTION ducat.tell_low_balance(
  p_account ducat.credit_accounts, p_threshold bigint, p_messages boolean)
RETURNS text[] LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_left bigint := p_account.available - p_account.bound;
  v_told_at bigint := (SELECT seq FROM alert_states
                       WHERE account_id = p_account.account_id AND alert = 'balance');
  v_is_told boolean;
BEGIN
  IF v_left >= p_threshold THEN
    RETURN '{}';
  END IF;
  -- Up to the line that the account was read at: what came since belongs to the next look.
  v_is_told := v_told_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM credit_entries
    WHERE account_id = p_account.account_id AND seq > v_told_at AND seq <= p_account.seq
      AND amount > 0
      AND type IN ('trial', 'purchase', 'subscription', 'auto_reload', 'promo', 'adjustment')
      AND available_after - p_account.bound >= p_threshold);
  -- None of these lines has armed it, and none is read again.
  PERFORM save_alert(p_account.account_id, 'balance',
    p_seq => greatest(v_told_at, p_account.seq));
  IF v_is_told THEN
    RETURN '{}';
  END IF;
  PERFORM tell_alert(p_account.account_id, 'credits.low',
    jsonb_build_object('available', v_left, 'threshold', p_threshold), p_messages);
  RETURN '{credits.low}';
END $$;

-- Tell quotas that have come to 80 or to 100 %.
CREATE OR REPLACE FUNCTION ducat.tell_quotas(p_account_id uuid, p_messages boolean)
RETURNS text[] LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_quota record;
  v_state alert_states;
  v_before int;
  v_type text;
  v_told text[] := '{}';
BEGIN
  FOR v_quota IN
    SELECT q.*, CASE WHEN used >= "limit" THEN 100 WHEN used * 5 >= "limit" * 4 THEN 80
                ELSE 0 END AS level
    FROM list_quotas(p_account_id) q
  LOOP
    SELECT * INTO v_state FROM alert_states
    WHERE account_id = p_account_id AND alert = 'quota:' || v_quota.feature;
    v_before := CASE
      WHEN v_state.account_id IS NULL OR v_state.at IS DISTINCT FROM v_quota.period_start
        OR v_state.mark IS DISTINCT FROM v_quota."limit" THEN 0
      -- A stock that has become less full may be full again.
      WHEN v_quota.resets_at IS NULL THEN least(v_state.level, v_quota.level)
      ELSE v_state.level END;
    IF v_state.account_id IS NOT NULL OR v_quota.level > 0 THEN
      PERFORM save_alert(p_account_id, 'quota:' || v_quota.feature,
        greatest(v_before, v_quota.level), v_quota."limit", p_at => v_quota.period_start);
    END IF;
    CONTINUE WHEN v_quota.level <= v_before;
    v_type := CASE v_quota.level WHEN 100 THEN 'quota.reached' ELSE 'quota.warning' END;
    PERFORM tell_alert(p_account_id, v_type, jsonb_build_object('quota', v_quota.feature,
      'name', v_quota.name, 'used', v_quota.used, 'limit', v_quota."limit",
      'resets_at', v_quota.resets_at), p_messages);
    v_told := v_told || v_type;
  END LOOP;
  RETURN v_told;
END $$;

-- The quotas of an account that have an end: limits of a period, places, stocks that are spent.
CREATE OR REPLACE FUNCTION ducat.list_quotas(p_account_id uuid)
RETURNS TABLE (
  feature text, name jsonb, used bigint, "limit" bigint, period_start timestamptz,
  resets_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT * FROM (
    SELECT f.key, f.value -> 'name',
      coalesce((f.value ->> 'used')::bigint,
        (f.value ->> 'granted')::bigint - (f.value ->> 'remaining')::bigint),
      coalesce(f.value ->> 'limit', f.value ->> 'granted')::bigint AS most,
      (f.value ->> 'period_start')::timestamptz, (f.value ->> 'resets_at')::timestamptz
    FROM jsonb_each(find_entitlements(p_account_id) -> 'features') f
    WHERE f.value ->> 'kind' <> 'flag' AND f.value ->> 'period' IS DISTINCT FROM 'request'
  ) AS counted WHERE most > 0 ORDER BY 1;
END $$;

-- Tell credits that are about to expire, all that weren't told before in one.
CREATE OR REPLACE FUNCTION ducat.tell_expiring(
  p_account_id uuid, p_now timestamptz, p_messages boolean)
RETURNS text[] LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_amount bigint;
  v_at timestamptz;
BEGIN
  DELETE FROM alert_states
  WHERE account_id = p_account_id AND alert LIKE 'grant:%' AND at <= p_now;
  WITH soon AS (
    SELECT * FROM list_untold(p_account_id) WHERE expires_at <= p_now + expiry_notice()
  ), told AS (
    INSERT INTO alert_states (account_id, alert, at)
    SELECT p_account_id, 'grant:' || id, expires_at FROM soon
  )
  SELECT sum(remaining), min(expires_at) INTO v_amount, v_at FROM soon
  WHERE expires_at > p_now;
  IF v_amount IS NULL THEN
    RETURN '{}';
  END IF;
  PERFORM tell_alert(p_account_id, 'credits.expiring',
    jsonb_build_object('amount', v_amount, 'expires_at', v_at), p_messages);
  RETURN '{credits.expiring}';
END $$;

-- Grants with credits left that end some day, and were not told of.
CREATE OR REPLACE FUNCTION ducat.list_untold(p_account_id uuid)
RETURNS TABLE (id uuid, remaining bigint, expires_at timestamptz)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT g.id, g.remaining, g.expires_at FROM credit_grant_balances g
  WHERE g.account_id = p_account_id AND g.closed_at IS NULL AND g.remaining > 0
    AND g.expires_at > g.starts_at + expiry_notice()
    AND NOT EXISTS (SELECT FROM alert_states s
                    WHERE s.account_id = p_account_id AND s.alert = 'grant:' || g.id)
$$;

-- When the next of an account's grants is to be told of; null when none is.
CREATE OR REPLACE FUNCTION ducat.next_notice(p_account_id uuid) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT min(expires_at) - expiry_notice() FROM list_untold(p_account_id)
$$;

-- Note that an account has come near a quota, for whoever raises its alerts, in the transaction
-- that takes: p_used of p_limit after p_amount was taken. Waits for nobody.
CREATE OR REPLACE FUNCTION ducat.mark_quota(
  p_account_id uuid, p_feature text, p_used bigint, p_amount bigint, p_limit bigint)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF (p_used >= p_limit OR p_used * 5 >= p_limit * 4 AND (p_used - p_amount) * 5 < p_limit * 4)
     AND left(p_feature, 1) <> '_' THEN
    INSERT INTO alert_dues (account_id) VALUES (p_account_id);
  END IF;
END $$;

-- Up to p_limit accounts whose alerts are to be looked at: near a quota, under their threshold and
-- not looked at since, with a grant that is about to expire. The caller raises each by itself.
-- Accounts whose clock was moved are few, and have their own index.
CREATE OR REPLACE FUNCTION ducat.find_due_alerts(p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH soon AS (
    SELECT a.account_id, a.lifetime_granted, clock_timestamp() + a.clock_offset AS now
    FROM credit_accounts a
    WHERE a.next_expiry_at < 'infinity'
      AND a.next_expiry_at <= (SELECT clock_timestamp() + expiry_notice())
    UNION
    SELECT a.account_id, a.lifetime_granted, clock_timestamp() + a.clock_offset
    FROM credit_accounts a
    WHERE a.clock_offset <> '0'
      AND a.next_expiry_at <= clock_timestamp() + a.clock_offset + expiry_notice()
  )
  SELECT account_id FROM alert_dues
  UNION
  SELECT a.account_id FROM alert_settings s JOIN credit_accounts a USING (account_id)
  LEFT JOIN alert_states c ON c.account_id = a.account_id AND c.alert = 'checked'
  WHERE a.available - a.bound < s.low_balance AND c.seq IS DISTINCT FROM a.seq
  UNION
  SELECT a.account_id FROM soon a
  LEFT JOIN alert_settings s ON s.account_id = a.account_id
  LEFT JOIN alert_states c ON c.account_id = a.account_id AND c.alert = 'checked'
  WHERE coalesce(s.expiring, true)
    AND (c.mark IS DISTINCT FROM a.lifetime_granted OR c.at <= a.now)
  LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_alerts TO ducat_worker;
