-- The ledger. Every change of a balance goes through book_entry, or through the one statement of
-- create_generation; nothing else writes credit_accounts, credit_grants or credit_entries.
--
-- Refusals are raised with an SQLSTATE of class DU (src/errors.ts maps them to codes):
--   DU001 insufficient_credits    DU002 idempotency_conflict   DU003 not_found
--   DU004 account_frozen          DU005 quota_exceeded         DU006 invalid_state
--   DU007 validation_failed       DU008 already_exists
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

-- Refuse what is no amount of credits: it is from 1 to 10^12.
--   DU007 validation_failed
CREATE OR REPLACE FUNCTION ducat.refuse_amount(p_amount bigint)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_amount IS NULL OR p_amount NOT BETWEEN 1 AND 1000000000000 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 1000000000000}');
  END IF;
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
    p_allocations, p_generation_id, p_item_id, p_hold_id, p_payment_id, p_cause,
    left(p_description, 500),
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
  SELECT jsonb_agg(jsonb_build_array(id, n) ORDER BY ordinal),
         coalesce(sum(n) FILTER (WHERE source = 'trial'), 0),
         coalesce(sum(n) FILTER (WHERE subject IS NOT NULL), 0)
  INTO v_slices, v_trial, v_bound FROM back;
  v_seq := book_entry(p_account_id, 'refund', p_length, v_slices, p_trial => v_trial,
    p_bound => v_bound, p_held => p_held, p_used => p_used, p_generation_id => p_generation_id,
    p_item_id => p_item_id, p_hold_id => p_hold_id, p_cause => p_cause,
    p_description => p_description);
  PERFORM emit(p_account_id, 'credits.refunded', jsonb_strip_nulls(jsonb_build_object(
    'amount', p_length, 'generation_id', p_generation_id, 'item_id', p_item_id,
    'hold_id', p_hold_id, 'cause', p_cause, 'transaction_id', p_account_id || '.' || v_seq)));
  PERFORM expire_grants(p_account_id);
  PERFORM collect_debt(p_account_id, v_slices);
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

-- Let a debt take what has just come in, in the order of p_slices: [[grant, n], …]. What was in
-- those grants before (a subject's credits) it leaves alone, and what has expired is gone.
CREATE OR REPLACE FUNCTION ducat.collect_debt(p_account_id uuid, p_slices jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_debt bigint := (SELECT debt FROM credit_accounts WHERE account_id = p_account_id);
  v_in record;
  v_grant credit_grants;
  v_n bigint;
BEGIN
  IF v_debt = 0 THEN
    RETURN;
  END IF;
  FOR v_in IN
    SELECT g AS "grant", (o.slice ->> 1)::bigint AS n
    FROM jsonb_array_elements(p_slices) WITH ORDINALITY AS o (slice, ordinal)
    JOIN credit_grants g ON g.account_id = p_account_id AND g.id = (o.slice ->> 0)::uuid
    WHERE g.remaining > 0 ORDER BY o.ordinal
  LOOP
    v_grant := v_in."grant";
    v_n := least(v_debt, v_in.n, v_grant.remaining);
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

-- Write one audit line. p_audit: {actor, request_id, ip, why?}: why in the actor's own words.
CREATE OR REPLACE FUNCTION ducat.audit(
  p_account_id uuid, p_action text, p_resource text, p_resource_id text, p_audit jsonb,
  p_metadata jsonb)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO audit_logs (account_id, actor, action, resource, resource_id, metadata, request_id,
    ip)
  VALUES (p_account_id, coalesce(p_audit ->> 'actor', 'system'), p_action, p_resource,
    p_resource_id, CASE WHEN p_audit ->> 'why' IS NULL THEN p_metadata
      ELSE p_metadata || jsonb_build_object('why', left(p_audit ->> 'why', 500)) END,
    p_audit ->> 'request_id', p_audit ->> 'ip')
$$;
