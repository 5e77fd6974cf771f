-- Credits that a caller sets aside before it knows what they are for. (A generation is its own
-- hold: see generations.sql.)

-- Set p_amount credits aside for p_expires_in_s seconds, once per p_key.
-- Returns {id, amount, status, expires_at, seq, available, held, debt, replayed}.
--   DU001 insufficient_credits · DU002 idempotency_conflict · DU003 not_found
--   DU004 account_frozen · DU006 invalid_state (over 200 grants)
--   DU007 validation_failed   p_amount is not from 1 to 10^12, or p_expires_in_s to a day
-- Locks one account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.hold_credits(
  p_account_id uuid, p_amount bigint, p_expires_in_s int, p_key text, p_fingerprint bytea,
  p_description text DEFAULT NULL, p_subject text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_kept jsonb;
  v_take record;
  v_hold credit_holds;
  v_id uuid := uuid_v7();
  v_seq bigint;
BEGIN
  PERFORM refuse_amount(p_amount);
  IF p_expires_in_s IS NULL OR p_expires_in_s NOT BETWEEN 1 AND 86400 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 86400}');
  END IF;
  v_account := open_account(p_account_id);
  v_kept := find_answer(p_account_id, 'hold', p_key, p_fingerprint);
  IF v_kept IS NOT NULL THEN
    PERFORM close_account(p_account_id);
    RETURN v_kept;
  END IF;
  PERFORM refuse_frozen(v_account);
  v_take := take_credits(p_account_id, p_amount, p_subject);
  v_seq := book_entry(p_account_id, 'usage', -p_amount, v_take.allocations,
    p_trial => -v_take.trial, p_bound => -v_take.bound, p_held => p_amount, p_hold_id => v_id,
    p_description => p_description);
  PERFORM mark_reload(v_account, p_amount - v_take.trial - v_take.bound);
  INSERT INTO credit_holds (account_id, id, amount, allocations, subject, description, entry_seq,
    expires_at)
  VALUES (p_account_id, v_id, p_amount, v_take.allocations, p_subject, p_description, v_seq,
    clock_timestamp() + v_account.clock_offset + make_interval(secs => p_expires_in_s))
  RETURNING * INTO v_hold;
  RETURN keep_answer(p_account_id, 'hold', p_key, p_fingerprint,
    account_result(close_account(p_account_id), v_seq) || jsonb_build_object(
      'id', v_id, 'amount', p_amount, 'status', 'open', 'expires_at', v_hold.expires_at));
END $$;
GRANT EXECUTE ON FUNCTION ducat.hold_credits TO ducat_app, ducat_worker;

-- End an open hold: p_captured of it is spent, the rest (the end of its slices) goes back.
-- The account must be open and the hold locked. Returns the seq of the last entry.
CREATE OR REPLACE FUNCTION ducat.end_hold(
  p_hold ducat.credit_holds, p_captured bigint, p_status text)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_seq bigint := p_hold.entry_seq;
  v_rest bigint := p_hold.amount - p_captured;
BEGIN
  UPDATE credit_holds h
  SET status = p_status, captured = p_captured, released = v_rest,
      closed_at = clock_timestamp() + a.clock_offset
  FROM credit_accounts a
  WHERE h.account_id = p_hold.account_id AND h.id = p_hold.id
    AND a.account_id = p_hold.account_id;
  IF p_captured > 0 THEN
    UPDATE credit_accounts
    SET held = held - p_captured, lifetime_used = lifetime_used + p_captured
    WHERE account_id = p_hold.account_id;
  END IF;
  IF v_rest > 0 THEN
    v_seq := return_credits(p_hold.account_id, p_hold.allocations, p_captured, v_rest,
      p_held => -v_rest, p_hold_id => p_hold.id, p_description => p_hold.description);
  END IF;
  RETURN v_seq;
END $$;

-- Release every open hold of the account that is due at p_now. The account must be open.
CREATE OR REPLACE FUNCTION ducat.expire_holds(p_account_id uuid, p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_hold credit_holds;
BEGIN
  FOR v_hold IN
    SELECT * FROM credit_holds
    WHERE account_id = p_account_id AND status = 'open' AND expires_at <= p_now
    ORDER BY expires_at, id FOR NO KEY UPDATE
  LOOP
    PERFORM end_hold(v_hold, 0, 'expired');
  END LOOP;
END $$;

-- Spend p_amount of an open hold and give the rest back; p_amount 0 releases it all.
-- Returns {id, amount, captured, released, status, seq, available, held, debt, replayed};
-- the same call again returns the first answer.
--   DU003 not_found       no such account or hold
--   DU006 invalid_state   it was closed in another way, or has expired
--   DU007 validation_failed   p_amount is less than nothing or more than was set aside
-- Locks one account row, then the hold. Safe to retry. A frozen account settles too.
CREATE OR REPLACE FUNCTION ducat.capture_hold(p_account_id uuid, p_hold_id uuid, p_amount bigint)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_hold credit_holds;
  v_status text := CASE p_amount WHEN 0 THEN 'released' ELSE 'captured' END;
  v_seq bigint;
  v_result jsonb;
BEGIN
  PERFORM open_account(p_account_id);
  SELECT * INTO v_hold FROM credit_holds
  WHERE account_id = p_account_id AND id = p_hold_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "hold"}');
  END IF;
  IF v_hold.status = v_status AND v_hold.captured = p_amount THEN
    PERFORM close_account(p_account_id);
    RETURN v_hold.result || '{"replayed": true}';
  ELSIF v_hold.status <> 'open' THEN
    PERFORM close_account(p_account_id);
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_hold.status));
  ELSIF p_amount IS NULL OR p_amount NOT BETWEEN 0 AND v_hold.amount THEN
    PERFORM refuse('DU007', 'validation_failed', jsonb_build_object('held', v_hold.amount));
  END IF;
  v_seq := end_hold(v_hold, p_amount, v_status);
  v_result := account_result(close_account(p_account_id), v_seq) || jsonb_build_object(
    'id', p_hold_id, 'amount', v_hold.amount, 'captured', p_amount,
    'released', v_hold.amount - p_amount, 'status', v_status);
  UPDATE credit_holds SET result = v_result
  WHERE account_id = p_account_id AND id = p_hold_id;
  RETURN v_result || '{"replayed": false}';
END $$;
GRANT EXECUTE ON FUNCTION ducat.capture_hold TO ducat_app, ducat_worker;
