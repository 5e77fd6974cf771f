-- Codes that give credits, once per account.

-- Redeem a code for an account. Codes are compared in capitals. Valid by the account's own time.
-- Returns {seq, available, held, debt, grant_id, code, credits, subject, expires_at, replayed}; the
-- same p_key gets the first answer. p_key may be null: then a repeat is refused as redeemed.
--   DU002 idempotency_conflict   the key came with another request
--   DU003 not_found              no such account or code; one that is switched off, hasn't begun or
--                                is for the other kind of account is told as none
--   DU006 invalid_state          {reason: redeemed | expired | used_up}
-- Locks the account, then the code. Safe to retry with a key. A frozen account still receives.
CREATE OR REPLACE FUNCTION ducat.redeem_code(
  p_account_id uuid, p_code text, p_key text, p_fingerprint bytea)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_now timestamptz;
  v_code promo_codes;
  v_result jsonb;
BEGIN
  v_account := open_account(p_account_id);
  v_now := clock_timestamp() + v_account.clock_offset;
  IF p_key IS NOT NULL THEN
    v_result := find_answer(p_account_id, 'redeem', p_key, p_fingerprint);
    IF v_result IS NOT NULL THEN
      PERFORM close_account(p_account_id);
      RETURN v_result;
    END IF;
  END IF;
  SELECT c.* INTO v_code FROM promo_codes c JOIN accounts a ON a.id = p_account_id
  WHERE c.code = upper(p_code) AND c.is_active AND coalesce(c.starts_at, v_now) <= v_now
    AND coalesce(c.audience, a.kind) = a.kind;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "code"}');
  END IF;
  INSERT INTO promo_redemptions (account_id, promo_code_id, grant_id)
  VALUES (p_account_id, v_code.id, uuid_v7()) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "redeemed"}');
  END IF;
  PERFORM take_redemption(v_code.id, v_now);
  v_result := grant_credits(p_account_id, 'promo', v_code.credits, 'promo:' || v_code.id,
    p_valid_for => make_interval(days => v_code.valid_days), p_subject => v_code.subject,
    p_description => 'Code ' || v_code.code) - 'replayed';
  UPDATE promo_redemptions SET grant_id = (v_result ->> 'grant_id')::uuid
  WHERE account_id = p_account_id AND promo_code_id = v_code.id;
  v_result := v_result || jsonb_build_object('code', v_code.code, 'credits', v_code.credits,
    'subject', v_code.subject, 'expires_at', (
      SELECT expires_at FROM credit_grants
      WHERE account_id = p_account_id AND id = (v_result ->> 'grant_id')::uuid));
  IF p_key IS NULL THEN
    RETURN v_result || '{"replayed": false}';
  END IF;
  RETURN keep_answer(p_account_id, 'redeem', p_key, p_fingerprint, v_result);
END $$;
GRANT EXECUTE ON FUNCTION ducat.redeem_code TO ducat_app;

-- Take one of the uses that a code has left: the database decides who gets the last.
--   DU003 not_found       it was switched off meanwhile
--   DU006 invalid_state   {reason: expired | used_up}
-- Locks the code until the transaction ends.
CREATE OR REPLACE FUNCTION ducat.take_redemption(p_id uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_code promo_codes;
BEGIN
  SELECT * INTO v_code FROM promo_codes WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT v_code.is_active THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "code"}');
  ELSIF v_code.expires_at <= p_now THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "expired"}');
  ELSIF v_code.redemptions >= v_code.max_redemptions THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "used_up"}');
  END IF;
  UPDATE promo_codes SET redemptions = redemptions + 1 WHERE id = p_id;
END $$;

-- Make a code, with its audit line. p_code: {code, credits, valid_days?, subject?, audience?,
-- max_redemptions?, starts_at?, expires_at?}. Returns the row.
--   DU007 validation_failed   credits are not from 1 to 10^12, or it ends before it begins
--   DU008 already_exists      there is a code of this name
-- Locks nothing else. A repeat is refused.
CREATE OR REPLACE FUNCTION ducat.create_promo_code(p_code jsonb, p_audit jsonb)
RETURNS ducat.promo_codes LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_code promo_codes := jsonb_populate_record(NULL::promo_codes, p_code);
BEGIN
  PERFORM refuse_amount(v_code.credits);
  IF v_code.expires_at <= v_code.starts_at THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "ends_before_it_begins"}');
  END IF;
  INSERT INTO promo_codes (code, credits, valid_days, subject, audience, max_redemptions,
    starts_at, expires_at)
  VALUES (upper(v_code.code), v_code.credits, v_code.valid_days, v_code.subject, v_code.audience,
    v_code.max_redemptions, v_code.starts_at, v_code.expires_at)
  ON CONFLICT (code) DO NOTHING RETURNING * INTO v_code;
  IF NOT FOUND THEN
    PERFORM refuse('DU008', 'already_exists');
  END IF;
  PERFORM audit(NULL, 'promo_code.create', 'promo_code', v_code.id::text, p_audit,
    to_jsonb(v_code) - 'created_at');
  RETURN v_code;
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_promo_code TO ducat_app;

-- Change what may change of a code: {is_active?, max_redemptions?, expires_at?}; null takes a
-- bound away. What was redeemed stays. Leaves an audit line. Returns the row.
--   DU003 not_found
--   DU006 invalid_state       {reason: redeemed_more, redemptions}: fewer than were redeemed
-- Locks the code. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.update_promo_code(p_id uuid, p_change jsonb, p_audit jsonb)
RETURNS ducat.promo_codes LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before promo_codes;
  v_after promo_codes;
BEGIN
  SELECT * INTO v_before FROM promo_codes WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "code"}');
  END IF;
  v_after := jsonb_populate_record(v_before, p_change);
  IF v_after.max_redemptions < v_before.redemptions THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object(
      'reason', 'redeemed_more', 'redemptions', v_before.redemptions));
  END IF;
  UPDATE promo_codes SET is_active = v_after.is_active, expires_at = v_after.expires_at,
    max_redemptions = v_after.max_redemptions
  WHERE id = p_id RETURNING * INTO v_after;
  PERFORM audit(NULL, 'promo_code.update', 'promo_code', p_id::text, p_audit,
    diff_members(to_jsonb(v_before), to_jsonb(v_after)));
  RETURN v_after;
END $$;
GRANT EXECUTE ON FUNCTION ducat.update_promo_code TO ducat_app;
