-- Charges of a saved card for auto-reload, from the moment that one was reserved (auto-reload.sql)
-- to its end. An attempt ends once; until then nobody may start another.

-- Say that the provider is being asked for an attempt's money now; false when the attempt has
-- ended meanwhile and nobody may be asked. Locks the attempt only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.mark_sent(p_attempt_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE payment_attempts
  SET status = CASE status WHEN 'reserved' THEN 'sent' ELSE status END,
      due_at = clock_timestamp() + interval '2 minutes', updated_at = clock_timestamp()
  WHERE id = p_attempt_id AND kind = 'charge'
    AND status IN ('reserved', 'sent', 'processing', 'unknown');
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.mark_sent TO ducat_worker;

-- Write down how charging a saved card ended. p_status:
--   succeeded | processing   stays open until the payment is settled; p_payment_ref is kept
--   needs_customer | failed  nothing was charged (declined, 3-D Secure, no card | refused for
--                            good): the payment has failed and a link to pay is sent; the third in
--                            a row switches auto-reload off
--   unknown                  stays open; looked up again 30 s later, then ever later, to an hour
--   expired                  nobody was ever asked for it: ends as if it had not been
-- Returns whether it changed something: an attempt whose end is known stays as it is, so that two
-- reports of one decline count once.
--   DU003 not_found · DU007 validation_failed   p_status is none of these
-- Locks payment, account, attempt. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.record_reload(
  p_attempt_id uuid, p_status text, p_code text, p_payment_ref text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_attempt payment_attempts;
  v_failed boolean := p_status IN ('needs_customer', 'failed');
BEGIN
  IF (p_status = ANY ('{succeeded,processing,needs_customer,failed,unknown,expired}')) IS NOT TRUE
  THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "attempt"}');
  END IF;
  SELECT * INTO v_attempt FROM payment_attempts WHERE id = p_attempt_id AND kind = 'charge';
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "attempt"}');
  END IF;
  PERFORM FROM payments WHERE id = v_attempt.payment_id FOR NO KEY UPDATE;
  PERFORM FROM credit_accounts WHERE account_id = v_attempt.account_id FOR NO KEY UPDATE;
  UPDATE payment_attempts SET
    status = CASE p_status WHEN 'succeeded' THEN 'processing' WHEN 'failed' THEN 'failed_final'
             ELSE p_status END,
    provider_ref = coalesce(provider_ref, p_payment_ref), code = left(p_code, 100),
    due_at = CASE WHEN NOT v_failed AND p_status <> 'expired' THEN next_try(created_at) END,
    updated_at = clock_timestamp()
  WHERE id = p_attempt_id AND status IN ('reserved', 'sent', 'processing', 'unknown');
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF v_failed THEN
    PERFORM fail_reload(v_attempt, left(coalesce(p_code, 'payment_failed'), 100));
  ELSE
    UPDATE payments
    SET status = CASE p_status WHEN 'expired' THEN 'expired' WHEN 'unknown' THEN status
                 ELSE 'pending' END,
        provider_ref = coalesce(provider_ref, p_payment_ref), updated_at = clock_timestamp()
    WHERE id = v_attempt.payment_id AND status IN ('created', 'pending');
  END IF;
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_reload TO ducat_worker;

-- End the payment of a charge that failed, and count it: the customer is asked to pay by a link,
-- and after the third in a row nothing is charged any more. Payment and account are locked.
CREATE OR REPLACE FUNCTION ducat.fail_reload(p_attempt ducat.payment_attempts, p_code text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_reload auto_reloads;
  v_link payments;
BEGIN
  UPDATE payments SET status = 'failed', failure_code = p_code, updated_at = clock_timestamp()
  WHERE id = p_attempt.payment_id AND status IN ('created', 'pending')
  RETURNING * INTO v_payment;
  IF FOUND THEN
    PERFORM emit(v_payment.account_id, 'payment.failed', jsonb_build_object(
      'payment_id', v_payment.id, 'purpose', v_payment.purpose, 'amount', v_payment.amount,
      'currency', v_payment.currency, 'code', v_payment.failure_code));
  END IF;
  UPDATE auto_reloads SET failures = failures + 1, updated_at = clock_timestamp()
  WHERE account_id = p_attempt.account_id RETURNING * INTO v_reload;
  v_link := open_reload_link(v_reload, p_attempt.mode);
  IF v_link.id IS NOT NULL THEN
    PERFORM tell_reload_link(v_link, p_code);
  END IF;
  IF v_reload.failures >= 3 THEN
    PERFORM disable_auto_reload(p_attempt.account_id, 'failures');
  END IF;
END $$;

-- What a reload that was paid, by card or by link, means for auto-reload: its attempt has
-- succeeded, and the failures before it are forgotten. For settle_payment, in its transaction.
-- Locks the account row and the attempt. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.reload_succeeded(p_payment ducat.payments) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM credit_accounts WHERE account_id = p_payment.account_id FOR NO KEY UPDATE;
  UPDATE payment_attempts
  SET status = 'succeeded', due_at = NULL, updated_at = clock_timestamp(),
      provider_ref = coalesce(provider_ref, p_payment.provider_ref)
  WHERE payment_id = p_payment.id AND kind = 'charge';
  UPDATE auto_reloads SET failures = 0, updated_at = clock_timestamp()
  WHERE account_id = p_payment.account_id;
  PERFORM emit(p_payment.account_id, 'auto_reload.succeeded', jsonb_build_object(
    'payment_id', p_payment.id, 'amount', p_payment.amount, 'currency', p_payment.currency,
    'credits', p_payment.credits));
END $$;

-- A charge as the provider is asked for it: always the same for the same attempt.
CREATE OR REPLACE FUNCTION ducat.read_reload_charge(p_attempt_id uuid)
RETURNS TABLE (
  attempt_id uuid, status text, account_id uuid, payment_id uuid, reference text, provider text,
  mode text, provider_ref text, customer_ref text, method_ref text, amount bigint, currency text,
  name jsonb, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT t.id, t.status, t.account_id, p.id, p.reference, t.provider, t.mode, t.provider_ref,
    p.customer_ref, t.method_ref, t.amount, t.currency, g.name, t.created_at
  FROM payment_attempts t
  JOIN payments p ON p.id = t.payment_id
  JOIN products g ON g.id = p.product_id
  WHERE t.id = p_attempt_id AND t.kind = 'charge'
$$;
GRANT EXECUTE ON FUNCTION ducat.read_reload_charge TO ducat_worker;

-- Take up to p_limit (100 at most) charges whose sender is gone or whose outcome isn't known,
-- longest due first: for two minutes no other caller gets them.
-- Locks the attempts only, skipping those that another caller is taking. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.find_due_attempts(p_limit int) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH due AS (
    SELECT id FROM payment_attempts
    WHERE due_at <= clock_timestamp() AND kind = 'charge'
      AND status IN ('reserved', 'sent', 'processing', 'unknown')
    ORDER BY due_at LIMIT least(p_limit, 100) FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE payment_attempts t SET due_at = clock_timestamp() + interval '2 minutes'
  FROM due WHERE t.id = due.id RETURNING t.id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_attempts TO ducat_worker;
