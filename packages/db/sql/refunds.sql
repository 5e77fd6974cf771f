-- Refunds that we ask a provider for. A row is written before anybody is asked, its id is the key
-- that the provider hears, and what was paid back comes as a fact of its own (reversals.sql).

-- Reserve a refund of a payment, once per p_key: p_amount of it in minor units, or all that is
-- left. Returns the refund, its payment, and whether it is a repeat, which returns the refund as
-- it is by now. Nobody may ask the provider while another refund of the payment is open.
--   DU002 idempotency_conflict   p_key came with another request
--   DU003 not_found              the account has no such payment
--   DU006 invalid_state {reason: not_paid | refund_open | exceeds, left}
--   DU007 validation_failed      p_amount is not from 1 to 10^12
-- p_audit: {actor, request_id, ip}. Locks the payment. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.reserve_refund(
  p_account_id uuid, p_payment_id uuid, p_amount bigint, p_reason text, p_key text,
  p_fingerprint bytea, p_audit jsonb)
RETURNS TABLE (refund ducat.payment_refunds, payment ducat.payments, replayed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_left bigint;
BEGIN
  SELECT * INTO payment FROM payments
  WHERE account_id = p_account_id AND id = p_payment_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "payment"}');
  END IF;
  SELECT * INTO refund FROM payment_refunds
  WHERE payment_id = p_payment_id AND idempotency_key = p_key;
  replayed := FOUND;
  IF replayed THEN
    IF refund.fingerprint <> p_fingerprint THEN
      PERFORM refuse('DU002', 'idempotency_conflict');
    END IF;
    RETURN NEXT;
    RETURN;
  END IF;
  v_left := coalesce(payment.charged, 0) - payment.reversed;
  IF p_amount NOT BETWEEN 1 AND 1000000000000 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 1000000000000}');
  ELSIF payment.status NOT IN ('succeeded', 'quarantined')
     OR coalesce(payment.provider_ref, payment.invoice_ref) IS NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "not_paid"}');
  ELSIF EXISTS (SELECT FROM payment_refunds r
                WHERE r.payment_id = p_payment_id AND r.status IN ('reserved', 'unknown')) THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "refund_open"}');
  ELSIF coalesce(p_amount, 1) > v_left THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('reason', 'exceeds', 'left', v_left));
  END IF;
  INSERT INTO payment_refunds (account_id, payment_id, amount, reversed_before, reason,
    idempotency_key, fingerprint, actor, due_at)
  VALUES (p_account_id, p_payment_id, coalesce(p_amount, v_left), payment.refunded,
    left(p_reason, 500), p_key, p_fingerprint, coalesce(p_audit ->> 'actor', 'system'),
    clock_timestamp() + interval '2 minutes')
  RETURNING * INTO refund;
  PERFORM audit(p_account_id, 'payment.refund', 'payment', p_payment_id::text, p_audit,
    jsonb_build_object('refund_id', refund.id, 'amount', refund.amount,
      'currency', payment.currency, 'reason', p_reason));
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.reserve_refund TO ducat_app, ducat_worker;

-- Write down how asking for a refund ended: `succeeded` and `failed` are final, and the first of
-- them stays; `unknown` asks again: 30 s later, then twice as late each time up to an hour.
-- Returns the refund as it is then.
--   DU003 not_found · DU007 validation_failed   p_status is none of these
-- Locks the refund only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.record_refund(p_refund_id uuid, p_status text, p_error text)
RETURNS ducat.payment_refunds LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ducat, pg_temp AS $$
DECLARE
  v_refund payment_refunds;
BEGIN
  IF (p_status IN ('succeeded', 'failed', 'unknown')) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "refund"}');
  END IF;
  UPDATE payment_refunds
  SET status = p_status, error = left(p_error, 500), updated_at = clock_timestamp(),
      due_at = CASE p_status WHEN 'unknown' THEN next_try(created_at) END
  WHERE id = p_refund_id AND status IN ('reserved', 'unknown') RETURNING * INTO v_refund;
  IF NOT FOUND THEN
    SELECT * INTO v_refund FROM payment_refunds WHERE id = p_refund_id;
    IF NOT FOUND THEN
      PERFORM refuse('DU003', 'not_found', '{"what": "refund"}');
    END IF;
  END IF;
  RETURN v_refund;
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_refund TO ducat_app, ducat_worker;

-- A person's word on a refund whose outcome no provider can tell: p_outcome succeeded or failed,
-- and why. It is written as a provider's answer would be: one that succeeded also counts as paid
-- back, and the credits follow. What was reported of it is thereby resolved. Returns the refund.
--   DU003 not_found              the account has no such payment, or the payment no such refund
--   DU006 invalid_state {reason: under_way | decided, current_status}   somebody is asking the
--         provider just now; it has ended, and not in this way
--   DU007 validation_failed      p_outcome is neither
-- p_audit: {actor, request_id, ip}. Locks the payment, the refund, then the account. Safe to retry:
-- a repeat returns the refund.
CREATE OR REPLACE FUNCTION ducat.close_refund(
  p_account_id uuid, p_payment_id uuid, p_refund_id uuid, p_outcome text, p_reason text,
  p_audit jsonb)
RETURNS TABLE (refund ducat.payment_refunds, payment ducat.payments)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_about text;
BEGIN
  IF (p_outcome IN ('succeeded', 'failed')) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "refund"}');
  END IF;
  SELECT * INTO payment FROM payments
  WHERE account_id = p_account_id AND id = p_payment_id FOR NO KEY UPDATE;
  SELECT * INTO refund FROM payment_refunds
  WHERE account_id = p_account_id AND payment_id = p_payment_id AND id = p_refund_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "refund"}');
  ELSIF refund.status = p_outcome THEN
    RETURN NEXT;
    RETURN;
  ELSIF refund.status <> 'unknown' OR is_asking(refund) THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('current_status', refund.status,
      'reason', CASE WHEN refund.status IN ('succeeded', 'failed') THEN 'decided'
                     ELSE 'under_way' END));
  END IF;
  refund := record_refund(p_refund_id, p_outcome, p_reason);
  PERFORM audit(p_account_id, 'refund.resolve', 'refund', p_refund_id::text, p_audit,
    jsonb_build_object('payment_id', p_payment_id, 'outcome', p_outcome,
      'amount', refund.amount, 'currency', payment.currency, 'reason', p_reason));
  IF p_outcome = 'succeeded' THEN
    PERFORM count_refund(payment, refund);
  END IF;
  v_about := format('%s:%s', coalesce(payment.provider_ref, payment.invoice_ref), p_refund_id);
  PERFORM resolve_anomaly(a.id, p_audit) FROM payment_anomalies a
  WHERE a.provider = payment.provider AND a.mode = payment.mode AND a.kind = 'refund_unknown'
    AND a.about = left(v_about, 300);
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.close_refund TO ducat_app;

-- Whether the provider is being asked for a refund just now. Where a repeat isn't safe that is
-- written down first (error: asked), and whoever did has ended after two minutes.
CREATE OR REPLACE FUNCTION ducat.is_asking(p_refund ducat.payment_refunds) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce((p_refund).error = 'asked', false)
    AND (p_refund).updated_at > clock_timestamp() - interval '2 minutes'
$$;

-- Count a refund that nobody but a person could tell of as paid back, unless what the provider has
-- told since it was reserved holds it already. Locks payment, then account.
CREATE OR REPLACE FUNCTION ducat.count_refund(
  p_payment ducat.payments, p_refund ducat.payment_refunds)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_total bigint := (p_refund).reversed_before + (p_refund).amount;
BEGIN
  IF v_total > (p_payment).refunded THEN
    PERFORM apply_reversal((p_payment).provider, (p_payment).mode,
      coalesce((p_payment).provider_ref, (p_payment).invoice_ref), (p_payment).invoice_ref,
      v_total, (p_payment).currency,
      greatest(clock_timestamp(), (p_payment).refunded_at + interval '1 microsecond'));
  END IF;
END $$;

-- When something whose outcome is unknown is asked for again: as much later as it is old already,
-- but from 30 seconds to an hour.
CREATE OR REPLACE FUNCTION ducat.next_try(p_since timestamptz) RETURNS timestamptz
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT clock_timestamp()
    + greatest(least(clock_timestamp() - p_since, interval '1 hour'), interval '30 seconds')
$$;

-- Take up to p_limit (100 at most) refunds that nobody has finished, longest due first, with their
-- payments: for two minutes no other caller gets them.
-- Locks the refunds only, skipping those that another caller is taking. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.find_due_refunds(p_limit int)
RETURNS TABLE (refund ducat.payment_refunds, payment ducat.payments)
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH due AS (
    SELECT id FROM payment_refunds
    WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT least(p_limit, 100) FOR NO KEY UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE payment_refunds r SET due_at = clock_timestamp() + interval '2 minutes'
    FROM due WHERE r.id = due.id RETURNING r AS refund
  )
  SELECT t.refund, p FROM taken t JOIN payments p ON p.id = (t.refund).payment_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_refunds TO ducat_worker;
