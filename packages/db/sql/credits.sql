-- What callers do with credits. The ledger underneath is ledger.sql.

-- Give p_amount credits, once per p_effect_key; the debt takes its part first.
-- Returns {seq, available, held, debt, grant_id, replayed}; a repeat returns the first answer.
-- Valid until p_expires_at, or for p_valid_for of the account's own time.
--   DU002 idempotency_conflict   the effect key gave another amount or source
--   DU003 not_found              no such account
--   DU007 validation_failed      p_amount is not from 1 to 10^12
-- Locks one account row. Safe to retry. A frozen account still receives.
CREATE OR REPLACE FUNCTION ducat.grant_credits(
  p_account_id uuid, p_source text, p_amount bigint, p_effect_key text,
  p_expires_at timestamptz DEFAULT NULL, p_valid_for interval DEFAULT NULL,
  p_subject text DEFAULT NULL, p_payment_id uuid DEFAULT NULL, p_description text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_now timestamptz;
  v_grant credit_grants;
  v_seq bigint;
  v_result jsonb;
BEGIN
  PERFORM refuse_amount(p_amount);
  v_account := open_account(p_account_id);
  v_now := clock_timestamp() + v_account.clock_offset;
  SELECT * INTO v_grant FROM credit_grants
  WHERE account_id = p_account_id AND effect_key = p_effect_key;
  IF FOUND THEN
    IF v_grant.amount <> p_amount OR v_grant.source <> p_source THEN
      PERFORM refuse('DU002', 'idempotency_conflict');
    END IF;
    PERFORM close_account(p_account_id);
    RETURN v_grant.result || '{"replayed": true}';
  END IF;
  INSERT INTO credit_grants (account_id, source, amount, remaining, priority, subject, starts_at,
    expires_at, payment_id, effect_key, created_at)
  VALUES (p_account_id, p_source, p_amount, p_amount,
    CASE p_source WHEN 'trial' THEN 0 ELSE 100 END, p_subject, v_now,
    coalesce(p_expires_at, v_now + p_valid_for), p_payment_id, p_effect_key, v_now)
  RETURNING * INTO v_grant;
  v_seq := book_entry(p_account_id, p_source, p_amount,
    jsonb_build_array(jsonb_build_array(v_grant.id, p_amount)),
    p_trial => CASE p_source WHEN 'trial' THEN p_amount ELSE 0 END,
    p_bound => CASE WHEN p_subject IS NULL THEN 0 ELSE p_amount END,
    p_granted => p_amount, p_payment_id => p_payment_id, p_description => p_description);
  PERFORM emit(p_account_id, 'credits.granted', jsonb_build_object(
    'amount', p_amount, 'source', p_source, 'grant_id', v_grant.id,
    'transaction_id', p_account_id || '.' || v_seq));
  PERFORM expire_grants(p_account_id, v_now);
  PERFORM collect_debt(p_account_id,
    jsonb_build_array(jsonb_build_array(v_grant.id, p_amount)));
  v_result := account_result(close_account(p_account_id), v_seq)
    || jsonb_build_object('grant_id', v_grant.id);
  UPDATE credit_grants SET result = v_result
  WHERE account_id = p_account_id AND id = v_grant.id;
  RETURN v_result || '{"replayed": false}';
END $$;
GRANT EXECUTE ON FUNCTION ducat.grant_credits TO ducat_app, ducat_worker;

-- Refuse when any reason to freeze the account is set (DU004); reads of them stay open.
CREATE OR REPLACE FUNCTION ducat.refuse_frozen(p_account ducat.credit_accounts)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF cardinality(p_account.frozen) > 0 THEN
    PERFORM refuse('DU004', 'account_frozen');
  END IF;
END $$;

-- Spend p_amount at once, once per p_key.
-- Returns {seq, available, held, debt, trial, replayed}.
--   DU001 insufficient_credits · DU002 idempotency_conflict · DU003 not_found
--   DU004 account_frozen · DU006 invalid_state (over 200 grants)
--   DU007 validation_failed   p_amount is not from 1 to 10^12
-- Locks one account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.consume_credits(
  p_account_id uuid, p_amount bigint, p_key text, p_fingerprint bytea,
  p_description text DEFAULT NULL, p_subject text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_kept jsonb;
  v_take record;
  v_seq bigint;
BEGIN
  PERFORM refuse_amount(p_amount);
  v_account := open_account(p_account_id);
  v_kept := find_answer(p_account_id, 'consume', p_key, p_fingerprint);
  IF v_kept IS NOT NULL THEN
    PERFORM close_account(p_account_id);
    RETURN v_kept;
  END IF;
  PERFORM refuse_frozen(v_account);
  v_take := take_credits(p_account_id, p_amount, p_subject);
  v_seq := book_entry(p_account_id, 'usage', -p_amount, v_take.allocations,
    p_trial => -v_take.trial, p_bound => -v_take.bound, p_used => p_amount,
    p_description => p_description);
  PERFORM mark_reload(v_account, p_amount - v_take.trial - v_take.bound);
  RETURN keep_answer(p_account_id, 'consume', p_key, p_fingerprint,
    account_result(close_account(p_account_id), v_seq)
      || jsonb_build_object('trial', v_take.trial));
END $$;
GRANT EXECUTE ON FUNCTION ducat.consume_credits TO ducat_app, ducat_worker;

-- Correct a balance by hand: a grant for a positive amount, a claw from the unbound grants for a
-- negative one, with its audit line in the same transaction. Once per p_key.
-- Returns {seq, available, held, debt, replayed}.
--   DU001 insufficient_credits   less than -p_amount is unbound and available
--   DU002 idempotency_conflict · DU003 not_found
--   DU007 validation_failed      p_amount is 0 or beyond 10^12
-- p_audit: {actor, request_id, ip}. Locks one account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.adjust_credits(
  p_account_id uuid, p_amount bigint, p_reason text, p_key text, p_fingerprint bytea,
  p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before credit_accounts;
  v_kept jsonb;
  v_take record;
  v_result jsonb;
BEGIN
  PERFORM refuse_amount(abs(p_amount));
  v_before := open_account(p_account_id);
  v_kept := find_answer(p_account_id, 'adjust', p_key, p_fingerprint);
  IF v_kept IS NOT NULL THEN
    PERFORM close_account(p_account_id);
    RETURN v_kept;
  END IF;
  IF p_amount > 0 THEN
    v_result := grant_credits(p_account_id, 'adjustment', p_amount, 'adjust:' || p_key,
      p_description => p_reason) - 'grant_id' - 'replayed';
  ELSE
    v_take := take_credits(p_account_id, -p_amount, NULL);
    UPDATE credit_grants g SET clawed = g.clawed + s.n
    FROM slice_allocations(v_take.allocations, 0, -p_amount) s
    WHERE g.account_id = p_account_id AND g.id = s.grant_id;
    v_result := jsonb_build_object('seq', book_entry(p_account_id, 'adjustment', p_amount,
      v_take.allocations, p_trial => -v_take.trial, p_description => p_reason));
    v_result := account_result(close_account(p_account_id), (v_result ->> 'seq')::bigint);
  END IF;
  PERFORM audit(p_account_id, 'credits.adjust', 'account', p_account_id::text, p_audit,
    jsonb_build_object('amount', p_amount, 'reason', p_reason,
      'before', v_before.available - v_before.bound, 'after', v_result -> 'available'));
  RETURN keep_answer(p_account_id, 'adjust', p_key, p_fingerprint, v_result);
END $$;
GRANT EXECUTE ON FUNCTION ducat.adjust_credits TO ducat_app;

-- Set or lift one reason to freeze an account; returns all reasons that remain.
-- Refuses create, hold and consume while there is any; reads, settling and grants go on.
--   DU003 not_found
-- Locks one account row. Safe to retry: a reason counts once.
CREATE OR REPLACE FUNCTION ducat.freeze_account(
  p_account_id uuid, p_reason text, p_frozen boolean, p_audit jsonb)
RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before text[];
  v_reasons text[];
BEGIN
  SELECT frozen INTO v_before FROM credit_accounts
  WHERE account_id = p_account_id FOR NO KEY UPDATE;
  UPDATE credit_accounts
  SET frozen = array_remove(frozen, p_reason)
               || CASE WHEN p_frozen THEN ARRAY[p_reason] ELSE '{}' END
  WHERE account_id = p_account_id RETURNING frozen INTO v_reasons;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  PERFORM audit(p_account_id, 'account.freeze', 'account', p_account_id::text, p_audit,
    jsonb_build_object('reason', p_reason, 'frozen', p_frozen,
      'before', to_jsonb(v_before), 'after', to_jsonb(v_reasons)));
  RETURN v_reasons;
END $$;
GRANT EXECUTE ON FUNCTION ducat.freeze_account TO ducat_app, ducat_worker;

-- Book what is due for one account now: expired holds go back, expired grants end.
-- Returns whether anything was due. Locks one account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.expire_account(p_account_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM credit_accounts WHERE account_id = p_account_id
    AND next_expiry_at <= clock_timestamp() + clock_offset;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM open_account(p_account_id);
  PERFORM close_account(p_account_id);
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.expire_account TO ducat_worker;

-- Up to p_limit accounts with something to expire; the caller books each in its own transaction.
CREATE OR REPLACE FUNCTION ducat.find_expiring_accounts(p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM credit_accounts
  WHERE next_expiry_at < 'infinity' AND next_expiry_at <= (SELECT clock_timestamp())
  ORDER BY next_expiry_at LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_expiring_accounts TO ducat_worker;

-- Move an account's business time ahead and book what fell due. For test mode only: the API
-- offers it nowhere else. Returns the account's time.
--   DU003 not_found · DU007 validation_failed   p_seconds is negative or over ten years
CREATE OR REPLACE FUNCTION ducat.advance_clock(p_account_id uuid, p_seconds bigint)
RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
BEGIN
  IF p_seconds IS NULL OR p_seconds NOT BETWEEN 0 AND 315360000 THEN
    PERFORM refuse('DU007', 'validation_failed');
  END IF;
  UPDATE credit_accounts SET clock_offset = clock_offset + make_interval(secs => p_seconds)
  WHERE account_id = p_account_id;
  PERFORM open_account(p_account_id);
  v_account := close_account(p_account_id);
  PERFORM drop_cached('entitlements:' || p_account_id);
  RETURN clock_timestamp() + v_account.clock_offset;
END $$;
GRANT EXECUTE ON FUNCTION ducat.advance_clock TO ducat_app, ducat_worker;
