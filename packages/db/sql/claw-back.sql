-- What a payment's reversals take back, and give back when they fall.

-- Make what was taken back for a grant follow what its payment has lost: p_reversed is the total
-- of the grant's credits that the reversals so far stand for (the caller computes
-- ceil(granted * reversed / paid)). Rising, it takes from that grant, then from other unbound
-- grants in burn order, and the rest is debt; falling, it gives back: debt first, then a grant
-- with the validity that was left. Credits that had expired are not taken a second time.
-- Returns {seq, available, held, debt, taken, replayed}; the same total again changes nothing.
--   DU003 not_found   no such account or grant
-- Locks one account row. Safe to retry. A frozen account is clawed too.
CREATE OR REPLACE FUNCTION ducat.claw_back(
  p_account_id uuid, p_grant_id uuid, p_reversed bigint, p_description text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_grant credit_grants;
  v_target bigint;
  v_seq bigint;
BEGIN
  v_account := open_account(p_account_id);
  SELECT * INTO v_grant FROM credit_grants
  WHERE account_id = p_account_id AND id = p_grant_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "grant"}');
  END IF;
  v_target := least(greatest(p_reversed, 0), v_grant.amount);
  IF v_target > v_grant.reversed THEN
    v_seq := claw_more(v_grant, v_target, p_description);
  ELSIF v_target < v_grant.reversed THEN
    v_seq := claw_less(v_grant, v_target, p_description);
  END IF;
  SELECT * INTO v_grant FROM credit_grants
  WHERE account_id = p_account_id AND id = p_grant_id;
  RETURN account_result(close_account(p_account_id), coalesce(v_seq, v_account.seq))
    || jsonb_build_object('taken', v_grant.taken, 'replayed', v_seq IS NULL);
END $$;
GRANT EXECUTE ON FUNCTION ducat.claw_back TO ducat_worker;

-- What expired of a grant, in it or in those that gave its credits back.
CREATE OR REPLACE FUNCTION ducat.count_expired(p_grant ducat.credit_grants) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(sum(expired), 0)::bigint FROM credit_grants
  WHERE account_id = (p_grant).account_id
    AND (id = (p_grant).id OR restores = (p_grant).id)
$$;

-- The rising half of claw_back; returns the entry's seq, null when there was nothing to take.
CREATE OR REPLACE FUNCTION ducat.claw_more(
  p_grant ducat.credit_grants, p_target bigint, p_description text)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_left bigint := greatest(0, p_target - count_expired(p_grant) - p_grant.taken);
  v_want bigint := v_left;
  v_slices jsonb := '[]';
  v_trial bigint := 0;
  v_bound bigint := 0;
  v_grant credit_grants;
  v_n bigint;
BEGIN
  UPDATE credit_grants g
  SET reversed = p_target, taken = g.taken + v_want,
      taken_at = CASE WHEN v_want > 0 THEN clock_timestamp() + a.clock_offset ELSE taken_at END
  FROM credit_accounts a
  WHERE g.account_id = p_grant.account_id AND g.id = p_grant.id
    AND a.account_id = p_grant.account_id;
  IF v_want = 0 THEN
    RETURN NULL;
  END IF;
  FOR v_grant IN
    SELECT * FROM credit_grants
    WHERE account_id = p_grant.account_id AND closed_at IS NULL AND remaining > 0
      AND (subject IS NULL OR id = p_grant.id OR restores = p_grant.id)
    ORDER BY id <> p_grant.id, restores IS DISTINCT FROM p_grant.id, priority,
             expires_at NULLS LAST, id
  LOOP
    v_n := least(v_left, v_grant.remaining);
    EXIT WHEN v_n = 0;
    PERFORM claw_from_grant(v_grant, v_n);
    v_slices := v_slices || jsonb_build_array(jsonb_build_array(v_grant.id, v_n));
    v_trial := v_trial + CASE WHEN v_grant.source = 'trial' THEN v_n ELSE 0 END;
    v_bound := v_bound + CASE WHEN v_grant.subject IS NULL THEN 0 ELSE v_n END;
    v_left := v_left - v_n;
  END LOOP;
  RETURN book_entry(p_grant.account_id, 'clawback', v_left - v_want, v_slices,
    p_trial => -v_trial, p_bound => -v_bound, p_debt => v_left,
    p_payment_id => p_grant.payment_id, p_description => p_description);
END $$;

-- The falling half of claw_back; returns the entry's seq, null when nothing had been taken.
CREATE OR REPLACE FUNCTION ducat.claw_less(
  p_grant ducat.credit_grants, p_target bigint, p_description text)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_back bigint := least(p_grant.taken, p_grant.reversed - p_target);
  v_debt bigint;
  v_now timestamptz;
  v_restored uuid;
BEGIN
  UPDATE credit_grants SET reversed = p_target, taken = taken - v_back
  WHERE account_id = p_grant.account_id AND id = p_grant.id;
  IF v_back = 0 THEN
    RETURN NULL;
  END IF;
  SELECT * INTO v_account FROM credit_accounts WHERE account_id = p_grant.account_id;
  v_debt := least(v_back, v_account.debt);
  v_now := clock_timestamp() + v_account.clock_offset;
  IF v_back > v_debt THEN
    INSERT INTO credit_grants (account_id, source, amount, remaining, priority, subject,
      starts_at, expires_at, payment_id, effect_key, restores, created_at)
    VALUES (p_grant.account_id, p_grant.source, v_back - v_debt, v_back - v_debt,
      p_grant.priority, p_grant.subject, v_now,
      CASE WHEN p_grant.expires_at IS NOT NULL THEN
        v_now + greatest(p_grant.expires_at - p_grant.taken_at, interval '0') END,
      p_grant.payment_id,
      'restore:' || p_grant.id || ':' || (v_account.seq + 1), p_grant.id, v_now)
    RETURNING id INTO v_restored;
  END IF;
  RETURN book_entry(p_grant.account_id, 'clawback', v_back - v_debt,
    CASE WHEN v_restored IS NULL THEN '[]'
         ELSE jsonb_build_array(jsonb_build_array(v_restored, v_back - v_debt)) END,
    p_trial => CASE WHEN p_grant.source = 'trial' THEN v_back - v_debt ELSE 0 END,
    p_bound => CASE WHEN p_grant.subject IS NULL THEN 0 ELSE v_back - v_debt END,
    p_debt => -v_debt, p_payment_id => p_grant.payment_id,
    p_description => p_description);
END $$;
