-- What becomes of an order's money. Facts come in any order and any number of times, by webhook,
-- by the customer's return and by reconciliation; each ends here, and the row's lock and the
-- unique effect key make the credit happen once.

-- The payment that a fact belongs to: by its effect, our reference, the provider's payment, or a
-- page or charge of it. Null when there is none. Of this provider and mode only.
CREATE OR REPLACE FUNCTION ducat.locate_payment(
  p_provider text, p_mode text, p_reference text, p_ref text, p_effect_key text DEFAULT NULL)
RETURNS uuid LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(
    (SELECT id FROM payments
     WHERE effect_key = p_effect_key AND provider = p_provider AND mode = p_mode),
    (SELECT id FROM payments
     WHERE reference = p_reference AND provider = p_provider AND mode = p_mode),
    (SELECT id FROM payments
     WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_ref),
    (SELECT payment_id FROM payment_attempts
     WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_ref))
$$;

-- Lock a payment, after the account's subscriptions where it is about one: that is their order,
-- and two orders of a plan that are paid at once come one after the other.
-- Returns the row as it is under the lock, null when there is none.
CREATE OR REPLACE FUNCTION ducat.lock_payment(p_payment_id uuid) RETURNS ducat.payments
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
BEGIN
  SELECT * INTO v_payment FROM payments WHERE id = p_payment_id;
  IF v_payment.purpose IN ('subscription', 'renewal', 'invoice') THEN
    PERFORM lock_subscribing(v_payment.account_id);
    PERFORM FROM subscriptions WHERE account_id = v_payment.account_id
    ORDER BY id FOR NO KEY UPDATE;
  END IF;
  SELECT * INTO v_payment FROM payments WHERE id = p_payment_id FOR NO KEY UPDATE;
  RETURN v_payment;
END $$;

-- Apply a payment.succeeded: the order is paid, and what it promised is delivered, once.
-- p_fact: {provider, mode, effect_key, payment_ref, order_ref?, customer_ref?, receipt_ref?,
-- card_mask?, charged, price} with {amount, currency} in the last two.
-- Returns {outcome, payment}: applied (delivered now), known (was before), unknown (no such order
-- here, null), refused (the charge is quarantined and an anomaly tells of it; payment is the row
-- that keeps the charge).
-- Locks subscriptions, the payment and the account row. Safe to retry. A frozen account is
-- delivered to: it has paid.
CREATE OR REPLACE FUNCTION ducat.settle_payment(p_fact jsonb)
RETURNS TABLE (outcome text, payment ducat.payments)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_told payments;
  v_fault text;
BEGIN
  payment := lock_payment(locate_payment(p_fact ->> 'provider', p_fact ->> 'mode',
    p_fact ->> 'order_ref', p_fact ->> 'payment_ref', p_fact ->> 'effect_key'));
  IF payment.id IS NULL THEN
    outcome := 'unknown';
    RETURN NEXT;
    RETURN;
  END IF;
  -- Looked up under the lock: another session may have just written it.
  SELECT * INTO v_told FROM payments WHERE effect_key = p_fact ->> 'effect_key';
  IF FOUND THEN
    payment := v_told;
    outcome := CASE v_told.status WHEN 'succeeded' THEN 'known' ELSE 'refused' END;
    RETURN NEXT;
    RETURN;
  END IF;
  v_fault := coalesce(find_fault(payment, p_fact),
                      CASE payment.status WHEN 'succeeded' THEN 'paid_twice' END);
  IF v_fault IS NOT NULL THEN
    payment := quarantine_charge(payment, p_fact, v_fault);
    outcome := 'refused';
  ELSE
    IF payment.status = 'quarantined' THEN
      PERFORM set_charge_aside(payment);
    END IF;
    payment := deliver_payment(mark_paid(payment.id, p_fact));
    outcome := 'applied';
  END IF;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.settle_payment TO ducat_app, ducat_worker;

-- Why a charge is not the payment that was asked for; null when it is. The price must be ours to
-- the unit; a charge may be more by taxes, which are nowhere more than the price itself.
CREATE OR REPLACE FUNCTION ducat.find_fault(p_payment ducat.payments, p_fact jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN p_fact #>> '{price,currency}' IS DISTINCT FROM (p_payment).currency
      OR p_fact #>> '{charged,currency}' IS DISTINCT FROM (p_payment).currency
      THEN 'currency_mismatch'
    WHEN (p_fact #>> '{price,amount}')::numeric IS DISTINCT FROM (p_payment).amount
      OR (p_payment).amount < 1 OR read_charged(p_payment, p_fact) IS NULL
      OR read_charged(p_payment, p_fact)
         NOT BETWEEN (p_payment).amount AND 2 * (p_payment).amount
      THEN 'amount_mismatch' END
$$;

-- What a fact says was charged; null when it is no amount in the payment's currency.
CREATE OR REPLACE FUNCTION ducat.read_charged(p_payment ducat.payments, p_fact jsonb)
RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT n::bigint FROM (SELECT (p_fact #>> '{charged,amount}')::numeric AS n) AS charged
  WHERE n BETWEEN 0 AND 1000000000000 AND n = trunc(n)
    AND p_fact #>> '{charged,currency}' = (p_payment).currency
$$;

-- Write down that a locked payment has been paid, by which charge, and that its page or attempt
-- was the one. Returns the row. Delivers nothing.
CREATE OR REPLACE FUNCTION ducat.mark_paid(p_payment_id uuid, p_fact jsonb)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_attempt payment_attempts := find_attempt(p_payment_id, p_fact ->> 'payment_ref');
BEGIN
  UPDATE payments p SET
    status = 'succeeded', charged = read_charged(p, p_fact), effect_key = p_fact ->> 'effect_key',
    provider_ref = p_fact ->> 'payment_ref',
    customer_ref = coalesce(p_fact ->> 'customer_ref', customer_ref),
    receipt_ref = p_fact ->> 'receipt_ref', card_mask = p_fact ->> 'card_mask',
    failure_code = NULL, opening_until = NULL, paid_at = clock_timestamp(),
    updated_at = clock_timestamp()
  WHERE id = p_payment_id RETURNING * INTO v_payment;
  PERFORM end_attempt(v_attempt.id, 'succeeded');
  IF p_fact ->> 'customer_ref' IS NOT NULL THEN
    PERFORM save_customer(v_payment.account_id, v_payment.provider, v_payment.mode,
      p_fact ->> 'customer_ref');
  END IF;
  RETURN v_payment;
END $$;

-- The page or charge that a fact is about: the one with that id at the provider, else the only
-- open one (Stripe's payment is not its page). All null when it can't be told.
CREATE OR REPLACE FUNCTION ducat.find_attempt(p_payment_id uuid, p_ref text)
RETURNS ducat.payment_attempts LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_open payment_attempts[];
  v_attempt payment_attempts;
BEGIN
  SELECT * INTO v_attempt FROM payment_attempts
  WHERE payment_id = p_payment_id AND provider_ref = p_ref;
  IF NOT FOUND THEN
    SELECT array_agg(a) INTO v_open FROM payment_attempts a
    WHERE payment_id = p_payment_id AND status IN ('reserved', 'sent', 'processing', 'unknown');
    IF cardinality(v_open) = 1 THEN
      v_attempt := v_open[1];
    END IF;
  END IF;
  RETURN v_attempt;
END $$;

-- End a page or charge; only success is also told of one that had ended. Returns whether it ended
-- now.
CREATE OR REPLACE FUNCTION ducat.end_attempt(
  p_attempt_id uuid, p_status text, p_code text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE payment_attempts
  SET status = p_status, code = p_code, due_at = NULL, updated_at = clock_timestamp()
  WHERE id = p_attempt_id AND status <> p_status
    AND (p_status = 'succeeded' OR status IN ('reserved', 'sent', 'processing', 'unknown'));
  RETURN FOUND;
END $$;

-- Deliver what a payment that has just been marked as paid promised, and tell of it. Called once
-- per payment, under its lock. Returns the row as it is then.
CREATE OR REPLACE FUNCTION ducat.deliver_payment(p_payment ducat.payments)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
BEGIN
  IF p_payment.purpose IN ('pack', 'reload') THEN
    PERFORM deliver_pack(p_payment);
  ELSIF p_payment.purpose = 'pass' THEN
    PERFORM deliver_pass(p_payment);
  ELSIF p_payment.purpose IN ('subscription', 'renewal') THEN
    PERFORM deliver_own_subscription(p_payment);
  END IF;
  v_payment := count_granted(p_payment.id);
  IF p_payment.purpose = 'reload' THEN
    PERFORM reload_succeeded(v_payment);
  END IF;
  PERFORM announce_payment(v_payment);
  SELECT * INTO v_payment FROM payments WHERE id = p_payment.id;
  RETURN v_payment;
END $$;

-- Set a payment's credits_granted to what its grants come to. To be called, under its lock, after
-- any grant that names the payment. Returns the row.
CREATE OR REPLACE FUNCTION ducat.count_granted(p_payment_id uuid) RETURNS ducat.payments
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  UPDATE payments p SET updated_at = clock_timestamp(), credits_granted = (
    SELECT coalesce(sum(g.amount), 0) FROM credit_grants g
    WHERE g.account_id = p.account_id AND g.payment_id = p.id AND g.restores IS NULL)
  WHERE id = p_payment_id RETURNING *
$$;

-- Tell the world and the customer that a payment succeeded: an event and a receipt, once.
CREATE OR REPLACE FUNCTION ducat.announce_payment(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM emit(p_payment.account_id, 'payment.succeeded', jsonb_build_object(
    'payment_id', p_payment.id, 'purpose', p_payment.purpose, 'amount', p_payment.amount,
    'currency', p_payment.currency, 'credits', p_payment.credits_granted));
  PERFORM queue_message(p_payment.account_id, 'receipt', jsonb_build_object(
    'payment_id', p_payment.id, 'reference', p_payment.reference,
    'purpose', p_payment.purpose, 'amount', coalesce(p_payment.charged, p_payment.amount),
    'currency', p_payment.currency, 'credits', p_payment.credits_granted,
    'subject', p_payment.subject, 'receipt_ref', p_payment.receipt_ref,
    'card_mask', p_payment.card_mask, 'paid_at', p_payment.paid_at,
    'product', (SELECT name FROM products WHERE id = p_payment.product_id)),
    'receipt:' || p_payment.id);
END $$;

-- Keep a charge that must not be credited: on its order's own row, or where that row already has
-- a charge, on a new one that promises nothing. An anomaly tells a person. The order is locked.
-- Returns the row that keeps the charge.
CREATE OR REPLACE FUNCTION ducat.quarantine_charge(
  p_payment ducat.payments, p_fact jsonb, p_fault text)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_kept payments := p_payment;
  v_attempt payment_attempts := find_attempt(p_payment.id, p_fact ->> 'payment_ref');
BEGIN
  IF p_payment.effect_key IS NOT NULL THEN
    v_kept := copy_order(p_payment);
  END IF;
  UPDATE payments p SET
    status = 'quarantined', failure_code = p_fault, charged = read_charged(p, p_fact),
    effect_key = p_fact ->> 'effect_key', provider_ref = p_fact ->> 'payment_ref',
    customer_ref = coalesce(p_fact ->> 'customer_ref', customer_ref),
    receipt_ref = p_fact ->> 'receipt_ref', card_mask = p_fact ->> 'card_mask',
    opening_until = NULL, updated_at = clock_timestamp()
  WHERE id = v_kept.id RETURNING * INTO v_kept;
  PERFORM end_attempt(v_attempt.id, 'failed_final', p_fault);
  PERFORM report_anomaly(v_kept.provider, v_kept.mode, p_fault, p_fact ->> 'payment_ref',
    jsonb_build_object('order', p_payment.id, 'effect_key', p_fact ->> 'effect_key',
      'charged', p_fact -> 'charged', 'price', p_fact -> 'price'),
    v_kept.id);
  RETURN v_kept;
END $$;

-- A new row for another charge of an order: it promises nothing, and no link leads to it.
CREATE OR REPLACE FUNCTION ducat.copy_order(p_payment ducat.payments)
RETURNS ducat.payments LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO payments (account_id, reference, purpose, status, provider, mode, product_id,
    price_id, subject, amount, currency, metadata)
  VALUES ((p_payment).account_id, new_reference(), (p_payment).purpose, 'quarantined',
    (p_payment).provider, (p_payment).mode, (p_payment).product_id, (p_payment).price_id,
    (p_payment).subject, (p_payment).amount, (p_payment).currency, (p_payment).metadata)
  RETURNING *
$$;

-- The right charge has come for an order that keeps a wrong one: the wrong one gets a row of its
-- own with all that was said about it, as if it had come second.
CREATE OR REPLACE FUNCTION ducat.set_charge_aside(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid := (SELECT id FROM copy_order(p_payment));
BEGIN
  UPDATE payments
  SET charged = NULL, effect_key = NULL, provider_ref = NULL, refunded = 0, refunded_at = NULL,
      disputed = 0, reversed = 0
  WHERE id = p_payment.id;
  UPDATE payments
  SET failure_code = p_payment.failure_code, charged = p_payment.charged,
      effect_key = p_payment.effect_key, provider_ref = p_payment.provider_ref,
      customer_ref = p_payment.customer_ref, receipt_ref = p_payment.receipt_ref,
      card_mask = p_payment.card_mask, refunded = p_payment.refunded,
      refunded_at = p_payment.refunded_at, disputed = p_payment.disputed,
      reversed = p_payment.reversed
  WHERE id = v_id;
  UPDATE payment_refunds SET payment_id = v_id WHERE payment_id = p_payment.id;
  UPDATE payment_disputes SET payment_id = v_id WHERE payment_id = p_payment.id;
  UPDATE payment_anomalies SET payment_id = v_id WHERE payment_id = p_payment.id;
END $$;

-- Apply a payment.pending, payment.expired or payment.failed. A payment ends when its last open
-- page has; it has failed if any page did, else expired. Success is never taken back, and what
-- has ended does not become pending. A charge of a saved card ends as record_reload says.
-- p_fact: {kind, provider, mode, payment_ref, order_ref?, code?}
-- Returns {outcome, payment}: applied, known, or unknown (no such order here, null).
-- Locks subscriptions, the payment, for a saved card the account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.move_payment(p_fact jsonb)
RETURNS TABLE (outcome text, payment ducat.payments)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_failed boolean := p_fact ->> 'kind' = 'payment.failed';
  v_code text := left(coalesce(p_fact ->> 'code', 'payment_failed'), 100);
  v_attempt payment_attempts;
  v_ended boolean := false;
  v_status text := 'pending';
BEGIN
  payment := lock_payment(locate_payment(p_fact ->> 'provider', p_fact ->> 'mode',
    p_fact ->> 'order_ref', p_fact ->> 'payment_ref'));
  IF payment.id IS NULL THEN
    outcome := 'unknown';
    RETURN NEXT;
    RETURN;
  END IF;
  IF p_fact ->> 'kind' <> 'payment.pending' THEN
    v_attempt := find_attempt(payment.id, p_fact ->> 'payment_ref');
    IF v_attempt.kind = 'charge' THEN
      v_ended := record_reload(v_attempt.id,
        CASE WHEN v_failed THEN 'needs_customer' ELSE 'expired' END, v_code,
        p_fact ->> 'payment_ref');
    ELSE
      v_ended := end_attempt(v_attempt.id,
        CASE WHEN v_failed THEN 'failed_final' ELSE 'expired' END,
        CASE WHEN v_failed THEN v_code END);
    END IF;
    v_status := ended_status(payment.id, v_failed);
    SELECT * INTO payment FROM payments WHERE id = payment.id;
  END IF;
  outcome := CASE WHEN v_ended THEN 'applied' ELSE 'known' END;
  IF array_position(ARRAY['created', 'pending', 'expired', 'failed'], v_status)
     > array_position(ARRAY['created', 'pending', 'expired', 'failed'], payment.status)
  THEN
    UPDATE payments SET status = v_status, updated_at = clock_timestamp(),
      failure_code = CASE WHEN v_failed THEN v_code ELSE failure_code END
    WHERE id = payment.id RETURNING * INTO payment;
    IF v_status = 'failed' THEN
      PERFORM emit(payment.account_id, 'payment.failed', jsonb_build_object(
        'payment_id', payment.id, 'purpose', payment.purpose, 'amount', payment.amount,
        'currency', payment.currency, 'code', payment.failure_code));
    END IF;
    outcome := 'applied';
  END IF;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.move_payment TO ducat_app, ducat_worker;

-- What a payment is when one of its pages has ended: null while another may still be paid.
CREATE OR REPLACE FUNCTION ducat.ended_status(p_payment_id uuid, p_failed boolean)
RETURNS text LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN coalesce(bool_or(status IN ('reserved', 'sent', 'processing', 'unknown')), false)
      THEN NULL
    WHEN p_failed OR coalesce(bool_or(status IN ('failed_final', 'needs_customer')), false)
      THEN 'failed'
    ELSE 'expired' END
  FROM payment_attempts WHERE payment_id = p_payment_id
$$;
