-- What providers say was given back or is disputed of a payment, and what follows for its credits.
-- Both end in one number, `reversed`: the money that is gone of what was charged.

-- The payment that a provider names, locked: by its own name for it, else by its invoice's. What
-- we didn't know by which payment an invoice was paid we know from then on. All null: none.
-- Locks the payment; whoever goes on to its account locks that afterwards.
CREATE OR REPLACE FUNCTION ducat.lock_paid(
  p_provider text, p_mode text, p_payment_ref text, p_invoice_ref text DEFAULT NULL)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
BEGIN
  SELECT * INTO v_payment FROM payments
  WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_payment_ref
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    SELECT * INTO v_payment FROM payments
    WHERE provider = p_provider AND mode = p_mode
      AND invoice_ref = coalesce(p_invoice_ref, p_payment_ref)
    FOR NO KEY UPDATE;
    IF v_payment.provider_ref IS NULL AND p_invoice_ref <> p_payment_ref THEN
      UPDATE payments SET provider_ref = p_payment_ref WHERE id = v_payment.id
      RETURNING * INTO v_payment;
    END IF;
  END IF;
  RETURN v_payment;
END $$;

-- Write down what a provider says was paid back of a payment in all, as of p_told_at. Of two
-- reports the later holds, of two for the same moment the larger; any other changes nothing.
-- Returns how it ended: applied | known | unknown (no such payment, or not paid yet as far as we
-- know) | refused (in another currency: for a person to look at). p_amount is in minor units.
--   DU007 validation_failed   p_amount is not from 0 to 10^12, or a value is missing
-- Locks payment, then account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.apply_reversal(
  p_provider text, p_mode text, p_payment_ref text, p_invoice_ref text, p_amount bigint,
  p_currency text, p_told_at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_clawed bigint;
BEGIN
  IF (p_amount BETWEEN 0 AND 1000000000000 AND p_told_at IS NOT NULL) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "reversal"}');
  END IF;
  v_payment := lock_paid(p_provider, p_mode, p_payment_ref, p_invoice_ref);
  IF v_payment.id IS NULL OR v_payment.status NOT IN ('succeeded', 'quarantined') THEN
    RETURN CASE WHEN v_payment.id IS NOT NULL AND p_amount = 0 THEN 'known' ELSE 'unknown' END;
  ELSIF v_payment.currency <> p_currency THEN
    RETURN note_reversal_currency(v_payment, p_payment_ref, p_amount, p_currency);
  ELSIF (p_told_at, p_amount) <= (v_payment.refunded_at, v_payment.refunded) THEN
    RETURN 'known';
  END IF;
  UPDATE payments SET refunded = p_amount, refunded_at = p_told_at, updated_at = clock_timestamp()
  WHERE id = v_payment.id;
  IF p_amount = v_payment.refunded THEN
    RETURN 'known';
  END IF;
  v_clawed := (recompute_reversal(v_payment.id)).clawed;
  IF p_amount > v_payment.refunded THEN
    PERFORM queue_message(v_payment.account_id, 'refund', jsonb_build_object(
        'payment_id', v_payment.id, 'amount', p_amount - v_payment.refunded,
        'currency', v_payment.currency, 'credits', greatest(0, v_clawed - v_payment.clawed)),
      format('refund:%s:%s', v_payment.id, p_amount));
  END IF;
  RETURN 'applied';
END $$;
GRANT EXECUTE ON FUNCTION ducat.apply_reversal TO ducat_app, ducat_worker;

-- Write down what became of a dispute, as of p_told_at: the later word holds, and of two for the
-- same moment a verdict before an opening. While it is open the account is frozen and keeps what
-- it has; lost, its money counts as reversed; won (also on appeal), all of it comes back.
-- Returns applied | known | unknown | refused, as apply_reversal does.
--   DU007 validation_failed   p_status is none of opened, won, lost, or p_amount no amount
-- Locks payment, then account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.apply_dispute(
  p_provider text, p_mode text, p_payment_ref text, p_dispute_ref text, p_status text,
  p_amount bigint, p_currency text, p_told_at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_before payment_disputes;
  v_order constant text[] := ARRAY['opened', 'lost', 'won'];
BEGIN
  IF (p_amount BETWEEN 0 AND 1000000000000 AND p_told_at IS NOT NULL AND p_status = ANY (v_order)
      AND length(p_dispute_ref) BETWEEN 1 AND 255) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "dispute"}');
  END IF;
  v_payment := lock_paid(p_provider, p_mode, p_payment_ref);
  IF v_payment.id IS NULL OR v_payment.status NOT IN ('succeeded', 'quarantined') THEN
    RETURN 'unknown';
  ELSIF v_payment.currency <> p_currency THEN
    RETURN note_reversal_currency(v_payment, p_dispute_ref, p_amount, p_currency);
  END IF;
  SELECT * INTO v_before FROM payment_disputes
  WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_dispute_ref;
  IF (p_told_at, array_position(v_order, p_status), p_amount)
     <= (v_before.told_at, array_position(v_order, v_before.status), v_before.amount) THEN
    RETURN 'known';
  END IF;
  INSERT INTO payment_disputes (account_id, payment_id, provider, mode, provider_ref, status,
    amount, told_at)
  VALUES (v_payment.account_id, v_payment.id, p_provider, p_mode, p_dispute_ref, p_status,
    p_amount, p_told_at)
  ON CONFLICT (provider, mode, provider_ref) DO UPDATE
  SET status = excluded.status, amount = excluded.amount, told_at = excluded.told_at;
  IF (v_before.status, v_before.amount) IS NOT DISTINCT FROM (p_status, p_amount) THEN
    RETURN 'known';
  END IF;
  PERFORM freeze_for_dispute(v_payment, p_dispute_ref, p_status = 'opened');
  PERFORM recompute_reversal(v_payment.id);
  RETURN 'applied';
END $$;
GRANT EXECUTE ON FUNCTION ducat.apply_dispute TO ducat_app, ducat_worker;

-- Make everything that a payment gave follow what is left of its money: of each of its grants
-- ceil(amount * reversed / charged) credits are taken back, or given back where that falls, and
-- its passes and allowances end while nothing of the money is left. The one place that decides
-- this: also after a payment made one more grant. Returns the payment as it is then.
--   DU003 not_found
-- Locks payment, then account: a caller that has locked the account has locked the payment before.
-- Safe to retry: what follows already stays as it is.
CREATE OR REPLACE FUNCTION ducat.recompute_reversal(p_payment_id uuid) RETURNS ducat.payments
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before payments;
  v_after payments;
  v_grant record;
BEGIN
  SELECT * INTO v_before FROM payments WHERE id = p_payment_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "payment"}');
  END IF;
  v_after := v_before;
  v_after.disputed := coalesce((SELECT sum(amount) FROM payment_disputes
                                WHERE payment_id = p_payment_id AND status = 'lost'), 0);
  v_after.reversed := least(coalesce(v_after.charged, 0), v_after.refunded + v_after.disputed);
  FOR v_grant IN
    SELECT id, reversed, CASE WHEN v_after.reversed = 0 THEN 0 ELSE
      div(amount::numeric * v_after.reversed + v_after.charged - 1, v_after.charged)::bigint
      END AS target
    FROM credit_grants
    WHERE account_id = v_after.account_id AND payment_id = p_payment_id AND restores IS NULL
    ORDER BY id
  LOOP
    CONTINUE WHEN v_grant.target = v_grant.reversed;
    PERFORM claw_back(v_after.account_id, v_grant.id, v_grant.target,
      CASE WHEN v_grant.target > v_grant.reversed THEN 'payment reversed'
           ELSE 'reversal undone' END);
  END LOOP;
  SELECT coalesce(sum(taken), 0), coalesce(sum(amount), 0)
  INTO v_after.clawed, v_after.credits_granted
  FROM credit_grants
  WHERE account_id = v_after.account_id AND payment_id = p_payment_id AND restores IS NULL;
  PERFORM revoke_bought(v_after);
  UPDATE payments
  SET disputed = v_after.disputed, reversed = v_after.reversed, clawed = v_after.clawed,
      credits_granted = v_after.credits_granted, updated_at = clock_timestamp()
  WHERE id = p_payment_id RETURNING * INTO v_after;
  IF (v_after.reversed, v_after.clawed) <> (v_before.reversed, v_before.clawed) THEN
    PERFORM emit(v_after.account_id, 'payment.reversed', jsonb_build_object(
      'payment_id', p_payment_id, 'purpose', v_after.purpose, 'reversed', v_after.reversed,
      'charged', v_after.charged, 'currency', v_after.currency, 'credits', v_after.clawed));
  END IF;
  RETURN v_after;
END $$;

-- End what a payment that is gone had bought beside credits, and bring it back with the money.
CREATE OR REPLACE FUNCTION ducat.revoke_bought(p_payment ducat.payments) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_gone boolean := p_payment.charged > 0 AND p_payment.reversed = p_payment.charged;
  v_at timestamptz;
BEGIN
  SELECT CASE WHEN v_gone THEN clock_timestamp() + clock_offset END INTO v_at
  FROM credit_accounts WHERE account_id = p_payment.account_id;
  UPDATE passes SET revoked_at = v_at
  WHERE account_id = p_payment.account_id AND payment_id = p_payment.id
    AND (revoked_at IS NULL) <> (v_at IS NULL);
  -- In the order in which they are spent.
  PERFORM FROM allowance_grants
  WHERE account_id = p_payment.account_id AND payment_id = p_payment.id
  ORDER BY priority, expires_at NULLS LAST, id FOR NO KEY UPDATE;
  UPDATE allowance_grants SET revoked_at = v_at
  WHERE account_id = p_payment.account_id AND payment_id = p_payment.id
    AND (revoked_at IS NULL) <> (v_at IS NULL);
END $$;

-- Set or lift the freeze of one dispute, where it isn't so already. Locks the account.
CREATE OR REPLACE FUNCTION ducat.freeze_for_dispute(
  p_payment ducat.payments, p_dispute_ref text, p_frozen boolean)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_reason text := 'dispute:' || p_dispute_ref;
BEGIN
  PERFORM FROM credit_accounts
  WHERE account_id = p_payment.account_id AND (v_reason = ANY (frozen)) <> p_frozen
  FOR NO KEY UPDATE;
  IF FOUND THEN
    PERFORM freeze_account(p_payment.account_id, v_reason, p_frozen,
      jsonb_build_object('actor', p_payment.provider));
  END IF;
END $$;

-- Keep a report in another currency than the payment's for a person to look at: which share of it
-- is gone can't be told. Of a quarantined charge a person knows already. Returns the outcome.
CREATE OR REPLACE FUNCTION ducat.note_reversal_currency(
  p_payment ducat.payments, p_about text, p_amount bigint, p_currency text)
RETURNS text LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_payment.status = 'quarantined' THEN
    RETURN 'known';
  END IF;
  RETURN report_anomaly(p_payment.provider, p_payment.mode, 'reversal_currency', p_about,
    jsonb_build_object('amount', p_amount, 'currency', p_currency,
      'charged_in', p_payment.currency), p_payment.id);
END $$;
