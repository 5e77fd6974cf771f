-- The ledger. Every change of a balance goes through book_entry, or through the one statement of
-- create_generation; nothing else writes credit_accounts, credit_grants or credit_entries.
--
-- Refusals are raised with an SQLSTATE of class DU (packages/db/src/errors.ts maps them to codes):
--   DU001 insufficient_credits    DU002 idempotency_conflict   DU003 not_found
--   DU004 account_frozen          DU005 quota_exceeded         DU006 invalid_state
--   DU007 validation_failed
--
-- The head: credit_accounts caches the unbound grant that burns first and what is left of it.
-- open_account writes the cache back to the grant, close_account picks the next head. Between the
-- two, credit_grants.remaining is exact.

-- Refuse with one of the codes above; p_detail is public.
CREATE OR REPLACE FUNCTION ducat.refuse(p_state text, p_code text, p_detail jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = p_state, MESSAGE = p_code, DETAIL = p_detail::text;
END $$;

-- Tell the world, in the transaction of what is told. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.emit(p_account_id uuid, p_type text, p_data jsonb)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO outbox (account_id, type, data) VALUES (p_account_id, p_type, p_data)
$$;

-- Lock the account, write the cached head back to its grant and book what is due by now.
-- Returns the account row with no head; every caller ends with close_account.
--   DU003 not_found   no such account
-- Locks credit_accounts, then its due holds and grants. Safe to repeat within a transaction.
CREATE OR REPLACE FUNCTION ducat.open_account(p_account_id uuid) RETURNS ducat.credit_accounts
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_now timestamptz;
BEGIN
  SELECT * INTO v_account FROM credit_accounts
  WHERE account_id = p_account_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  v_now := clock_timestamp() + v_account.clock_offset;
  IF v_account.head_grant_id IS NOT NULL THEN
    UPDATE credit_grants
    SET remaining = v_account.head_remaining,
        closed_at = CASE WHEN v_account.head_remaining = 0 THEN v_now END
    WHERE account_id = p_account_id AND id = v_account.head_grant_id;
    UPDATE credit_accounts SET head_grant_id = NULL, head_remaining = 0, head_trial = false
    WHERE account_id = p_account_id;
  END IF;
  IF v_account.next_expiry_at <= v_now THEN
    PERFORM expire_holds(p_account_id, v_now);
    PERFORM expire_grants(p_account_id, v_now);
  END IF;
  SELECT * INTO v_account FROM credit_accounts WHERE account_id = p_account_id;
  RETURN v_account;
END $$;

-- Pick the head and the next moment at which something expires; returns the final row.
CREATE OR REPLACE FUNCTION ducat.close_account(p_account_id uuid) RETURNS ducat.credit_accounts
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  WITH live AS (
    SELECT id, remaining, source, subject, priority, expires_at FROM credit_grants
    WHERE account_id = p_account_id AND closed_at IS NULL AND remaining > 0
  ), head AS (
    SELECT id, remaining, source FROM live WHERE subject IS NULL
    ORDER BY priority, expires_at NULLS LAST, id LIMIT 1
  ), due AS (
    SELECT min(expires_at) AS at FROM (
      SELECT expires_at FROM live
      UNION ALL
      SELECT expires_at FROM credit_holds WHERE account_id = p_account_id AND status = 'open'
    ) AS moments
  )
  UPDATE credit_accounts SET
    head_grant_id = (SELECT id FROM head),
    head_remaining = coalesce((SELECT remaining FROM head), 0),
    head_trial = coalesce((SELECT source = 'trial' FROM head), false),
    next_expiry_at = coalesce((SELECT at FROM due), 'infinity')
  WHERE account_id = p_account_id
  RETURNING *
$$;

-- The answer of every credit function, without `replayed`.
CREATE OR REPLACE FUNCTION ducat.account_result(p_account ducat.credit_accounts, p_seq bigint)
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('seq', p_seq, 'available', p_account.available - p_account.bound,
                            'held', p_account.held, 'debt', p_account.debt)
$$;

-- Write one ledger line and move the balances with it; returns the line's seq.
-- p_trial and p_bound are the parts of p_amount; the account must be open (locked).
CREATE OR REPLACE FUNCTION ducat.book_entry(
  p_account_id uuid, p_type text, p_amount bigint, p_allocations jsonb,
  p_trial bigint DEFAULT 0, p_bound bigint DEFAULT 0, p_held bigint DEFAULT 0,
  p_debt bigint DEFAULT 0, p_granted bigint DEFAULT 0, p_used bigint DEFAULT 0,
  p_expired bigint DEFAULT 0, p_generation_id uuid DEFAULT NULL, p_item_id uuid DEFAULT NULL,
  p_hold_id uuid DEFAULT NULL, p_payment_id uuid DEFAULT NULL, p_cause text DEFAULT NULL,
  p_description text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
BEGIN
  UPDATE credit_accounts SET
    seq = seq + 1, available = available + p_amount, trial = trial + p_trial,
    bound = bound + p_bound, held = held + p_held, debt = debt + p_debt,
    lifetime_granted = lifetime_granted + p_granted, lifetime_used = lifetime_used + p_used,
    lifetime_expired = lifetime_expired + p_expired
  WHERE account_id = p_account_id RETURNING * INTO v_account;
  INSERT INTO credit_entries (account_id, seq, type, amount, available_after, debt_change,
    allocations, generation_id, item_id, hold_id, payment_id, cause, description, created_at)
  VALUES (p_account_id, v_account.seq, p_type::entry_type, p_amount, v_account.available, p_debt,
    p_allocations, p_generation_id, p_item_id, p_hold_id, p_payment_id, p_cause, p_description,
    clock_timestamp() + v_account.clock_offset);
  RETURN v_account.seq;
END $$;

-- Take p_amount from the live grants in burn order: matching subject, priority, soonest expiry,
-- oldest. Returns the slices in that order and how much of them was trial or bound.
--   DU001 insufficient_credits   less than p_amount is spendable for p_subject
--   DU006 invalid_state          more than 200 grants would be needed
-- The account must be open. Books nothing: the caller writes the entry.
CREATE OR REPLACE FUNCTION ducat.take_credits(
  p_account_id uuid, p_amount bigint, p_subject text,
  OUT allocations jsonb, OUT trial bigint, OUT bound bigint)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_taken bigint;
  v_slices int;
BEGIN
  WITH live AS (
    SELECT id, remaining, source, subject,
           sum(remaining) OVER (ORDER BY subject IS NULL, priority, expires_at NULLS LAST, id)
             - remaining AS before
    FROM credit_grants
    WHERE account_id = p_account_id AND closed_at IS NULL AND remaining > 0
      AND (subject IS NULL OR subject = p_subject)
  ), slices AS (
    SELECT id, source, subject, before, least(remaining, p_amount - before)::bigint AS n
    FROM live WHERE before < p_amount
  ), taken AS (
    UPDATE credit_grants g
    SET remaining = g.remaining - s.n,
        closed_at = CASE WHEN g.remaining = s.n THEN clock_timestamp() + a.clock_offset END
    FROM slices s, credit_accounts a
    WHERE g.account_id = p_account_id AND g.id = s.id AND a.account_id = p_account_id
  )
  SELECT coalesce(sum(n), 0), count(*), jsonb_agg(jsonb_build_array(id, n) ORDER BY before),
         coalesce(sum(n) FILTER (WHERE source = 'trial'), 0),
         coalesce(sum(n) FILTER (WHERE subject IS NOT NULL), 0)
  INTO v_taken, v_slices, allocations, trial, bound
  FROM slices;
  IF v_taken < p_amount THEN
    PERFORM refuse('DU001', 'insufficient_credits', jsonb_build_object(
      'required', p_amount, 'available', v_taken, 'subject', p_subject));
  END IF;
  IF v_slices > 200 THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "too_many_grants", "limit": 200}');
  END IF;
END $$;

-- The part [p_from, p_from + p_length) of ordered allocations, as rows.
CREATE OR REPLACE FUNCTION ducat.slice_allocations(
  p_allocations jsonb, p_from bigint, p_length bigint)
RETURNS TABLE (ordinal bigint, grant_id uuid, n bigint)
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT ordinal, grant_id, least(upto, p_from + p_length) - greatest(upto - amount, p_from)
  FROM (
    SELECT ordinal, (slice ->> 0)::uuid AS grant_id, (slice ->> 1)::bigint AS amount,
           (sum((slice ->> 1)::bigint) OVER (ORDER BY ordinal))::bigint AS upto
    FROM jsonb_array_elements(p_allocations) WITH ORDINALITY AS a (slice, ordinal)
  ) AS slices
  WHERE upto > p_from AND upto - amount < p_from + p_length
$$;

-- Pay a slice of what was taken back to the very grants that it came from: one `refund` entry,
-- then `expiry` for those that have expired meanwhile, then the debt takes its part.
-- p_held and p_used are the changes of held and lifetime_used. The account must be open.
-- A second refund of an item for the same p_cause breaks a unique key: nothing is paid twice.
CREATE OR REPLACE FUNCTION ducat.return_credits(
  p_account_id uuid, p_allocations jsonb, p_from bigint, p_length bigint,
  p_held bigint, p_used bigint DEFAULT 0, p_generation_id uuid DEFAULT NULL,
  p_item_id uuid DEFAULT NULL, p_hold_id uuid DEFAULT NULL, p_cause text DEFAULT NULL,
  p_description text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_slices jsonb;
  v_grants uuid[];
  v_trial bigint;
  v_bound bigint;
  v_seq bigint;
BEGIN
  WITH slices AS (
    SELECT * FROM slice_allocations(p_allocations, p_from, p_length)
  ), back AS (
    UPDATE credit_grants g SET remaining = g.remaining + s.n, closed_at = NULL
    FROM slices s WHERE g.account_id = p_account_id AND g.id = s.grant_id
    RETURNING g.id, g.source, g.subject, s.n, s.ordinal
  )
  SELECT jsonb_agg(jsonb_build_array(id, n) ORDER BY ordinal), array_agg(id ORDER BY ordinal),
         coalesce(sum(n) FILTER (WHERE source = 'trial'), 0),
         coalesce(sum(n) FILTER (WHERE subject IS NOT NULL), 0)
  INTO v_slices, v_grants, v_trial, v_bound FROM back;
  v_seq := book_entry(p_account_id, 'refund', p_length, v_slices, p_trial => v_trial,
    p_bound => v_bound, p_held => p_held, p_used => p_used, p_generation_id => p_generation_id,
    p_item_id => p_item_id, p_hold_id => p_hold_id, p_cause => p_cause,
    p_description => p_description);
  PERFORM emit(p_account_id, 'credits.refunded', jsonb_strip_nulls(jsonb_build_object(
    'amount', p_length, 'generation_id', p_generation_id, 'item_id', p_item_id,
    'hold_id', p_hold_id, 'cause', p_cause, 'transaction_id', p_account_id || '.' || v_seq)));
  PERFORM expire_grants(p_account_id);
  PERFORM collect_debt(p_account_id, v_grants);
  RETURN v_seq;
END $$;

-- Book the expiry of every grant that is due at p_now (default: the account's time).
CREATE OR REPLACE FUNCTION ducat.expire_grants(p_account_id uuid, p_now timestamptz DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_grant credit_grants;
  v_now timestamptz := coalesce(p_now, (SELECT clock_timestamp() + clock_offset
                                        FROM credit_accounts WHERE account_id = p_account_id));
BEGIN
  FOR v_grant IN
    SELECT * FROM credit_grants
    WHERE account_id = p_account_id AND closed_at IS NULL AND expires_at <= v_now
    ORDER BY expires_at, id FOR NO KEY UPDATE
  LOOP
    UPDATE credit_grants SET expired = expired + remaining, remaining = 0, closed_at = v_now
    WHERE account_id = p_account_id AND id = v_grant.id;
    CONTINUE WHEN v_grant.remaining = 0;
    PERFORM book_entry(p_account_id, 'expiry', -v_grant.remaining,
      jsonb_build_array(jsonb_build_array(v_grant.id, v_grant.remaining)),
      p_trial => CASE WHEN v_grant.source = 'trial' THEN -v_grant.remaining ELSE 0 END,
      p_bound => CASE WHEN v_grant.subject IS NOT NULL THEN -v_grant.remaining ELSE 0 END,
      p_expired => v_grant.remaining, p_payment_id => v_grant.payment_id);
    PERFORM emit(p_account_id, 'credits.expired', jsonb_build_object(
      'amount', v_grant.remaining, 'grant_id', v_grant.id, 'source', v_grant.source));
  END LOOP;
END $$;

-- Let a debt take what has just come into these grants, in their order.
CREATE OR REPLACE FUNCTION ducat.collect_debt(p_account_id uuid, p_grants uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_debt bigint := (SELECT debt FROM credit_accounts WHERE account_id = p_account_id);
  v_grant credit_grants;
  v_n bigint;
BEGIN
  IF v_debt = 0 THEN
    RETURN;
  END IF;
  FOR v_grant IN
    SELECT g.* FROM unnest(p_grants) WITH ORDINALITY AS o (id, ordinal)
    JOIN credit_grants g ON g.account_id = p_account_id AND g.id = o.id
    WHERE g.remaining > 0 ORDER BY o.ordinal
  LOOP
    v_n := least(v_debt, v_grant.remaining);
    EXIT WHEN v_n = 0;
    PERFORM claw_from_grant(v_grant, v_n);
    PERFORM book_entry(p_account_id, 'clawback', -v_n,
      jsonb_build_array(jsonb_build_array(v_grant.id, v_n)),
      p_trial => CASE WHEN v_grant.source = 'trial' THEN -v_n ELSE 0 END,
      p_bound => CASE WHEN v_grant.subject IS NOT NULL THEN -v_n ELSE 0 END,
      p_debt => -v_n, p_payment_id => v_grant.payment_id, p_description => 'debt paid');
    v_debt := v_debt - v_n;
  END LOOP;
END $$;

-- Move n credits of a grant from remaining to clawed.
CREATE OR REPLACE FUNCTION ducat.claw_from_grant(p_grant ducat.credit_grants, p_n bigint)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  UPDATE credit_grants g
  SET remaining = g.remaining - p_n, clawed = g.clawed + p_n,
      closed_at = CASE WHEN g.remaining = p_n THEN clock_timestamp() + a.clock_offset END
  FROM credit_accounts a
  WHERE g.account_id = (p_grant).account_id AND g.id = (p_grant).id
    AND a.account_id = (p_grant).account_id
$$;

-- The kept answer for an idempotency key, marked as replayed; null when the key is new.
--   DU002 idempotency_conflict   the key came with another request
-- The account must be open: its lock is what makes check and keep_answer one step.
CREATE OR REPLACE FUNCTION ducat.find_answer(
  p_account_id uuid, p_scope text, p_key text, p_fingerprint bytea)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_kept idempotency_keys;
BEGIN
  SELECT * INTO v_kept FROM idempotency_keys
  WHERE account_id = p_account_id AND scope = p_scope AND key = p_key;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF v_kept.fingerprint <> p_fingerprint THEN
    PERFORM refuse('DU002', 'idempotency_conflict');
  END IF;
  RETURN v_kept.result || '{"replayed": true}';
END $$;

-- Keep an answer under its key and return it, marked as the first.
CREATE OR REPLACE FUNCTION ducat.keep_answer(
  p_account_id uuid, p_scope text, p_key text, p_fingerprint bytea, p_result jsonb)
RETURNS jsonb LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO idempotency_keys (account_id, scope, key, fingerprint, result)
  VALUES (p_account_id, p_scope, p_key, p_fingerprint, p_result)
  RETURNING p_result || '{"replayed": false}'
$$;

-- Give p_amount credits, once per p_effect_key; the debt takes its part first.
-- Returns {seq, available, held, debt, grant_id, replayed}; a repeat returns the first answer.
-- Valid until p_expires_at, or for p_valid_for of the account's own time.
--   DU002 idempotency_conflict   the effect key gave another amount or source
--   DU003 not_found              no such account
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
  PERFORM collect_debt(p_account_id, ARRAY[v_grant.id]);
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
--   DU004 account_frozen
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

-- Write one audit line. p_audit: {actor, request_id, ip}.
CREATE OR REPLACE FUNCTION ducat.audit(
  p_account_id uuid, p_action text, p_resource text, p_resource_id text, p_audit jsonb,
  p_metadata jsonb)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO audit_logs (account_id, actor, action, resource, resource_id, metadata, request_id,
    ip)
  VALUES (p_account_id, coalesce(p_audit ->> 'actor', 'system'), p_action, p_resource,
    p_resource_id, p_metadata, p_audit ->> 'request_id', p_audit ->> 'ip')
$$;

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

-- The rising half of claw_back; returns the entry's seq, null when there was nothing to take.
CREATE OR REPLACE FUNCTION ducat.claw_more(
  p_grant ducat.credit_grants, p_target bigint, p_description text)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_left bigint := greatest(0, p_target - p_grant.expired - p_grant.taken);
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
      v_now + greatest(p_grant.expires_at - p_grant.taken_at, interval '0'), p_grant.payment_id,
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

-- Set or lift one reason to freeze an account; returns all reasons that remain.
-- Refuses create, hold and consume while there is any; reads, settling and grants go on.
--   DU003 not_found
-- Locks one account row. Safe to retry: a reason counts once.
CREATE OR REPLACE FUNCTION ducat.freeze_account(
  p_account_id uuid, p_reason text, p_frozen boolean, p_audit jsonb)
RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_reasons text[];
BEGIN
  UPDATE credit_accounts
  SET frozen = array_remove(frozen, p_reason)
               || CASE WHEN p_frozen THEN ARRAY[p_reason] ELSE '{}' END
  WHERE account_id = p_account_id RETURNING frozen INTO v_reasons;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  PERFORM audit(p_account_id, 'account.freeze', 'account', p_account_id::text, p_audit,
    jsonb_build_object('reason', p_reason, 'frozen', p_frozen));
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
  SELECT account_id FROM credit_accounts WHERE next_expiry_at <= clock_timestamp()
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
  RETURN clock_timestamp() + v_account.clock_offset;
END $$;
GRANT EXECUTE ON FUNCTION ducat.advance_clock TO ducat_app, ducat_worker;

-- What an account has, as the API tells it. What is due to expire is left out without writing.
-- Null when there is no such account. Takes no lock; one snapshot.
CREATE OR REPLACE FUNCTION ducat.get_credit_balance(p_account_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH account AS (
    SELECT *, clock_timestamp() + clock_offset AS at FROM credit_accounts
    WHERE account_id = p_account_id
  ), live AS (
    SELECT g.*,
           CASE WHEN g.id = a.head_grant_id THEN a.head_remaining ELSE g.remaining END AS rest
    FROM credit_grants g JOIN account a USING (account_id)
    WHERE g.closed_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > a.at)
  ), due_holds AS (
    SELECT h.* FROM credit_holds h JOIN account a USING (account_id)
    WHERE h.status = 'open' AND h.expires_at <= a.at
  ), back AS (
    SELECT g.id, g.source, g.subject, g.amount, g.expires_at, s.n
    FROM due_holds h
    CROSS JOIN LATERAL slice_allocations(h.allocations, 0, h.amount) s
    JOIN credit_grants g ON g.account_id = h.account_id AND g.id = s.grant_id
    JOIN account a ON a.account_id = g.account_id
    WHERE g.expires_at IS NULL OR g.expires_at > a.at
  ), grants AS (
    SELECT id, source, subject, amount, expires_at, priority, sum(rest)::bigint AS remaining
    FROM (
      SELECT id, source, subject, amount, expires_at, priority, rest FROM live
      UNION ALL
      SELECT id, source, subject, amount, expires_at,
             CASE source WHEN 'trial' THEN 0 ELSE 100 END::smallint, n FROM back
    ) AS parts
    GROUP BY id, source, subject, amount, expires_at, priority HAVING sum(rest) > 0
  ), sums AS (
    SELECT coalesce(sum(remaining) FILTER (WHERE subject IS NULL), 0)::bigint AS available,
           coalesce(sum(remaining) FILTER (WHERE source = 'trial'), 0)::bigint AS trial
    FROM grants
  )
  SELECT jsonb_build_object(
    'available', s.available, 'trial_credits', s.trial, 'token_balance', s.available - s.trial,
    'bound', coalesce((SELECT jsonb_agg(jsonb_build_object('subject', subject,
        'remaining', remaining, 'expires_at', expires_at) ORDER BY subject, expires_at, id)
      FROM (SELECT * FROM grants WHERE subject IS NOT NULL ORDER BY id LIMIT 200) b), '[]'),
    'held', a.held - coalesce((SELECT sum(amount) FROM due_holds), 0), 'debt', a.debt,
    'frozen', a.frozen <> '{}',
    'lifetime', jsonb_build_object('granted', a.lifetime_granted, 'used', a.lifetime_used,
      'expired', a.lifetime_expired),
    'grants', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'source', source,
        'amount', amount, 'remaining', remaining, 'subject', subject, 'expires_at', expires_at)
        ORDER BY priority, expires_at NULLS LAST, id)
      FROM (SELECT * FROM grants ORDER BY priority, expires_at NULLS LAST, id LIMIT 200) g),
      '[]'))
  FROM account a CROSS JOIN sums s
$$;
GRANT EXECUTE ON FUNCTION ducat.get_credit_balance TO ducat_app, ducat_worker;
