-- What an administrator decides for one account beside its plan, each with an audit line in the
-- same transaction. What is remembered of the account is dropped by entitlement-drops.sql.

-- Say what a feature allows this account, instead of plan and passes, until p_expires_at (the
-- account's time; null: for good). p_value: true or false of a flag; a number from 0 to 10^12, or
-- JSON's null for no end, of a limit or places.
-- Returns {feature, value, expires_at, reason, updated_at}.
--   DU003 not_found           {what: account | feature}
--   DU007 validation_failed   {reason: value | expires_at | spent}
-- Locks the override. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_feature_override(
  p_account_id uuid, p_feature text, p_value jsonb, p_expires_at timestamptz, p_reason text,
  p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_allowed record;
  v_before jsonb;
  v_after feature_overrides;
BEGIN
  SELECT * INTO v_allowed FROM feature_limit(p_account_id, p_feature);
  PERFORM refuse_override(v_allowed.kind, v_allowed.counts, p_value);
  IF p_expires_at <= account_time(p_account_id) THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "expires_at"}');
  END IF;
  SELECT to_jsonb(o) INTO v_before FROM feature_overrides o
  WHERE account_id = p_account_id AND feature = p_feature FOR NO KEY UPDATE;
  INSERT INTO feature_overrides (account_id, feature, value, expires_at, reason)
  VALUES (p_account_id, p_feature, p_value, p_expires_at, left(p_reason, 500))
  ON CONFLICT (account_id, feature) DO UPDATE SET value = excluded.value,
    expires_at = excluded.expires_at, reason = excluded.reason, updated_at = clock_timestamp()
  RETURNING * INTO v_after;
  PERFORM audit(p_account_id, 'feature.override', 'feature', p_feature, p_audit,
    jsonb_build_object('before', describe_override(v_before),
      'after', describe_override(to_jsonb(v_after))));
  RETURN to_jsonb(v_after) - '{account_id,created_at}'::text[];
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_feature_override TO ducat_app;

-- Refuse a value that makes no sense for a feature of this kind.
--   DU003 not_found {what: feature} · DU007 validation_failed {reason: spent | value}
CREATE OR REPLACE FUNCTION ducat.refuse_override(p_kind text, p_counts text, p_value jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_type text := coalesce(jsonb_typeof(p_value), 'nothing');
BEGIN
  IF p_kind IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "feature"}');
  ELSIF p_counts = 'spent' THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "spent"}');
  ELSIF p_kind = 'flag' AND v_type <> 'boolean'
     OR p_kind <> 'flag' AND v_type NOT IN ('number', 'null')
     OR v_type = 'number' AND (p_value::numeric NOT BETWEEN 0 AND 1000000000000
       OR p_value::numeric <> trunc(p_value::numeric)) THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "value"}');
  END IF;
END $$;

-- What an audit line tells of an override; null when there was none.
CREATE OR REPLACE FUNCTION ducat.describe_override(p_override jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN p_override IS NOT NULL THEN jsonb_build_object('value', p_override -> 'value',
    'expires_at', p_override -> 'expires_at', 'reason', p_override -> 'reason') END
$$;

-- Let plan and passes decide again. Returns whether there was an override.
--   DU003 not_found {what: account}
-- Locks the override. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remove_feature_override(
  p_account_id uuid, p_feature text, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before feature_overrides;
BEGIN
  PERFORM account_time(p_account_id);
  DELETE FROM feature_overrides WHERE account_id = p_account_id AND feature = p_feature
  RETURNING * INTO v_before;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM audit(p_account_id, 'feature.override', 'feature', p_feature, p_audit,
    jsonb_build_object('before', describe_override(to_jsonb(v_before)), 'after', NULL));
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_feature_override TO ducat_app;

-- Give stock of a feature that is spent, once per p_effect_key, with an audit line when p_audit
-- says whose deed it is. Returns {id, feature, amount, expires_at, remaining, replayed}; remaining
-- is the whole stock's, as it is now.
--   DU002 idempotency_conflict   the effect key gave another amount
--   DU003 not_found              {what: account | feature}
--   DU007 validation_failed      {reason: not_spent | expires_at}, or an amount not from 1 to 10^9
-- Locks what it inserts. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.add_allowance(
  p_account_id uuid, p_feature text, p_amount bigint, p_effect_key text,
  p_expires_at timestamptz DEFAULT NULL, p_reason text DEFAULT NULL, p_audit jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_at timestamptz := account_time(p_account_id);
  v_allowed record;
  v_grant allowance_grants;
  v_is_new boolean;
BEGIN
  PERFORM refuse_usage(p_amount, p_effect_key);
  SELECT * INTO v_allowed FROM feature_limit(p_account_id, p_feature);
  IF v_allowed.kind IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "feature"}');
  ELSIF v_allowed.counts IS DISTINCT FROM 'spent' THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "not_spent"}');
  END IF;
  INSERT INTO allowance_grants (account_id, feature, amount, remaining, effect_key, starts_at,
    expires_at)
  VALUES (p_account_id, p_feature, p_amount, p_amount, p_effect_key, v_at, p_expires_at)
  ON CONFLICT ON CONSTRAINT allowance_grants_effect_key DO NOTHING RETURNING * INTO v_grant;
  v_is_new := FOUND;
  IF NOT v_is_new THEN
    SELECT * INTO v_grant FROM allowance_grants
    WHERE account_id = p_account_id AND effect_key = p_effect_key AND feature = p_feature;
    IF v_grant.amount <> p_amount THEN
      PERFORM refuse('DU002', 'idempotency_conflict');
    END IF;
  ELSIF p_expires_at <= v_at THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "expires_at"}');
  ELSIF p_audit IS NOT NULL THEN
    PERFORM audit(p_account_id, 'allowance.add', 'feature', p_feature, p_audit,
      jsonb_build_object('amount', p_amount, 'expires_at', p_expires_at,
        'reason', left(p_reason, 500)));
  END IF;
  RETURN jsonb_build_object('id', v_grant.id, 'feature', p_feature, 'amount', p_amount,
    'expires_at', v_grant.expires_at, 'replayed', NOT v_is_new,
    'remaining', (count_stock(p_account_id, p_feature, v_at)).remaining);
END $$;
GRANT EXECUTE ON FUNCTION ducat.add_allowance TO ducat_app, ducat_worker;
