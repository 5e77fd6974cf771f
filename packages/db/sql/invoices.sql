-- What a provider's invoices of a subscription come to in our books: one payment each, whose
-- credits happen once by the fact's effect key. Facts and snapshots come in any order.
--
-- A whole period (reason initial or renewal) gives the plan's credits. An update gives the
-- difference for the rest of the month, counted from the largest plan that the period has had
-- before: stepping down and up again gives nothing. The sum of a month's differences is the same
-- in whichever order its updates come.

-- Apply an invoice.paid. p_fact: {provider, mode, effect_key, occurred_at, invoice_ref,
-- subscription_ref, amount, currency, reason (initial|renewal|update|other), trial, order_ref?,
-- customer_ref?, payment_ref?, plan_ref?, period_start?, period_end?}
-- Returns {outcome, payment}: applied; known (it was told before, gives and moves nothing, or was
-- paid where its subscription was moved in from);
-- unknown (its subscription, or the period that it belongs to, is not in our books yet: apply a
-- snapshot, then ask again); refused with an anomaly (no amount; another currency, a period that is
-- paid already, or nothing paid for what has a price: the payment is quarantined; a plan that we
-- don't sell: no payment, so that it can be told again when the catalog has it).
-- Locks the subscription, then payments, then the account. Safe to retry. A frozen account is
-- refilled: it has paid.
CREATE OR REPLACE FUNCTION ducat.record_invoice(p_fact jsonb)
RETURNS TABLE (outcome text, payment ducat.payments)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_subscription subscriptions;
  v_price prices;
  v_reason text;
  v_fault text;
  v_at tstzrange;
  v_moment timestamptz;
BEGIN
  IF read_invoiced(p_fact) IS NULL THEN
    outcome := refuse_invoice(p_fact, 'amount_mismatch');
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT * INTO v_subscription FROM subscriptions
  WHERE provider = p_fact ->> 'provider' AND mode = p_fact ->> 'mode'
    AND provider_ref = p_fact ->> 'subscription_ref' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 'unknown';
    RETURN NEXT;
    RETURN;
  END IF;
  -- Under the lock: another session may have just written it.
  payment := find_invoice(p_fact);
  IF payment.status IN ('succeeded', 'quarantined') THEN
    outcome := CASE payment.status WHEN 'succeeded' THEN 'known' ELSE 'refused' END;
    RETURN NEXT;
    RETURN;
  END IF;
  v_price := price_of_invoice(v_subscription, p_fact);
  v_reason := reason_of_invoice(v_price, p_fact);
  v_at := period_of_invoice(v_subscription, v_price, p_fact);
  IF v_reason = 'update' THEN
    v_moment := least(greatest((p_fact ->> 'occurred_at')::timestamptz, lower(v_at)),
      upper(v_at) - interval '1 second');
    IF is_restart(v_subscription, v_at, v_moment) THEN
      v_reason := 'restart';
    ELSE
      v_at := tstzrange(v_moment, upper(v_at));
    END IF;
  END IF;
  v_fault := find_invoice_fault(v_subscription, v_price, v_reason, v_at, p_fact);
  IF happened_there(v_subscription, v_at, p_fact) THEN
    outcome := 'known';
    payment := NULL;
  ELSIF v_fault = 'unmapped_plan' THEN
    outcome := refuse_invoice(p_fact, v_fault);
    payment := NULL;
  ELSIF v_fault IS NOT NULL THEN
    payment := write_invoice(v_subscription, v_price, v_reason, v_at, p_fact, v_fault);
    outcome := refuse_invoice(p_fact, v_fault, payment.id);
  ELSIF v_reason IN ('update', 'restart', 'other') AND read_invoiced(p_fact) = 0 THEN
    -- A step down, or one that a balance at the provider has paid: nothing to give for it.
    outcome := 'known';
    payment := NULL;
  ELSIF v_at IS NULL THEN
    outcome := 'unknown';
    payment := NULL;
  ELSE
    payment := write_invoice(v_subscription, v_price, v_reason, v_at, p_fact);
    PERFORM deliver_invoice(v_subscription, payment, v_price);
    payment := finish_invoice(payment, p_fact);
    outcome := 'applied';
  END IF;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_invoice TO ducat_app, ducat_worker;

-- What was paid, in minor units; null when it is no amount of money.
CREATE OR REPLACE FUNCTION ducat.read_invoiced(p_fact jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT n::bigint FROM (SELECT CASE jsonb_typeof(p_fact -> 'amount')
    WHEN 'number' THEN (p_fact ->> 'amount')::numeric END AS n) AS paid
  WHERE n BETWEEN 0 AND 1000000000000 AND n = trunc(n) AND p_fact ->> 'currency' ~ '^[A-Z]{3}$'
$$;

-- The payment of an invoice; all null when there is none.
CREATE OR REPLACE FUNCTION ducat.find_invoice(p_fact jsonb) RETURNS ducat.payments
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT * FROM payments
  WHERE provider = p_fact ->> 'provider' AND mode = p_fact ->> 'mode'
    AND (effect_key = p_fact ->> 'effect_key' OR invoice_ref = p_fact ->> 'invoice_ref')
  ORDER BY effect_key = p_fact ->> 'effect_key' DESC NULLS LAST LIMIT 1
$$;

-- What an invoice is for. A free plan's first invoice looks like a trial's, and is none.
CREATE OR REPLACE FUNCTION ducat.reason_of_invoice(p_price ducat.prices, p_fact jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN (p_fact ->> 'trial')::boolean AND read_invoiced(p_fact) = 0
                AND (p_price).amount > 0 THEN 'trial'
              WHEN p_fact ->> 'reason' IN ('initial', 'renewal', 'update') THEN p_fact ->> 'reason'
              ELSE 'other' END
$$;

-- Why an invoice must not give anything; null when it may.
CREATE OR REPLACE FUNCTION ducat.find_invoice_fault(
  p_subscription ducat.subscriptions, p_price ducat.prices, p_reason text, p_at tstzrange,
  p_fact jsonb)
RETURNS text LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN p_reason IN ('other', 'trial') AND (p_price).id IS NOT NULL THEN NULL
    WHEN (p_price).id IS NULL THEN 'unmapped_plan'
    WHEN p_fact ->> 'currency' <> (p_price).currency THEN 'currency_mismatch'
    WHEN p_reason IN ('initial', 'renewal') AND read_invoiced(p_fact) = 0
      AND (p_price).amount > 0 THEN 'amount_mismatch'
    WHEN p_reason IN ('initial', 'renewal') AND p_fact ->> 'period_start' IS NOT NULL
      AND EXISTS (
        SELECT FROM payments
        WHERE subscription_id = p_subscription.id AND status = 'succeeded'
          AND reason IN ('initial', 'renewal', 'restart') AND period_start = lower(p_at))
      THEN 'paid_twice' END
$$;

-- The period that an invoice is about: as it says, else the one of the subscription that its date
-- falls into, else null. (An update pays from its date to the end of that.)
CREATE OR REPLACE FUNCTION ducat.period_of_invoice(
  p_subscription ducat.subscriptions, p_price ducat.prices, p_fact jsonb)
RETURNS tstzrange LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_start timestamptz := (p_fact ->> 'period_start')::timestamptz;
  v_end timestamptz := (p_fact ->> 'period_end')::timestamptz;
  v_at timestamptz := (p_fact ->> 'occurred_at')::timestamptz;
  v_months int := months_of(coalesce((p_price).interval, p_subscription.interval));
  -- A renewal is charged around the moment when one period ends and the next begins.
  v_early interval := CASE p_fact ->> 'reason' WHEN 'renewal' THEN '1 day' ELSE '0' END;
  v_from timestamptz := p_subscription.period_start;
  v_n int := 0;
BEGIN
  IF v_start < v_end THEN
    RETURN tstzrange(v_start, v_end);
  ELSIF v_from IS NULL THEN
    RETURN NULL;
  END IF;
  v_end := p_subscription.period_end;
  WHILE v_at < v_from - interval '1 day' AND v_n > -600 LOOP
    v_n := v_n - 1;
    v_end := v_from;
    v_from := add_months(p_subscription.period_start, v_n * v_months);
  END LOOP;
  WHILE v_at >= v_end - v_early AND v_n < 600 LOOP
    v_n := v_n + 1;
    v_from := v_end;
    v_end := add_months(p_subscription.period_end, v_n * v_months);
  END LOOP;
  RETURN tstzrange(v_from, v_end);
END $$;

-- Whether an update begins a period of its own (a month became a year, or the reverse), instead
-- of changing the plan within the one that is paid.
CREATE OR REPLACE FUNCTION ducat.is_restart(
  p_subscription ducat.subscriptions, p_at tstzrange, p_moment timestamptz)
RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_base payments := find_base(p_subscription.id, p_moment);
BEGIN
  RETURN coalesce(v_base.period_start < lower(p_at)
    AND abs(extract(epoch FROM v_base.period_end - upper(p_at))) > 86400, false);
END $$;

-- Write an invoice as a payment: on the row of the order that it pays, or of the same invoice's
-- failure, else on a new one. p_fault: it is kept as quarantined instead of succeeded.
-- Returns the row. Locks it. The subscription is locked.
CREATE OR REPLACE FUNCTION ducat.write_invoice(
  p_subscription ducat.subscriptions, p_price ducat.prices, p_reason text, p_at tstzrange,
  p_fact jsonb, p_fault text DEFAULT NULL)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row payments := find_invoice(p_fact);
  v_charged bigint := read_invoiced(p_fact);
  v_credits bigint := CASE WHEN p_reason = 'other' THEN 0
                           ELSE plan_credits((p_price).product_id) END;
BEGIN
  IF v_row.id IS NULL AND p_reason IN ('initial', 'trial') THEN
    v_row := find_first_order(p_subscription, p_fact ->> 'order_ref');
  END IF;
  IF v_row.id IS NULL THEN
    INSERT INTO payments (account_id, reference, purpose, provider, mode, amount, currency)
    VALUES (p_subscription.account_id, new_reference(), 'invoice', p_subscription.provider,
      p_subscription.mode, v_charged, p_fact ->> 'currency')
    RETURNING * INTO v_row;
  ELSIF v_row.purpose = 'subscription' AND v_row.product_id = (p_price).product_id THEN
    v_credits := v_row.credits;
  END IF;
  UPDATE payments SET
    status = CASE WHEN p_fault IS NULL THEN 'succeeded' ELSE 'quarantined' END,
    paid_at = CASE WHEN p_fault IS NULL THEN clock_timestamp() END,
    failure_code = p_fault, charged = v_charged,
    amount = CASE WHEN purpose = 'invoice' THEN v_charged ELSE amount END,
    product_id = coalesce((p_price).product_id, product_id),
    price_id = coalesce((p_price).id, price_id), credits = coalesce(v_credits, 0),
    subscription_id = p_subscription.id, effect_key = p_fact ->> 'effect_key',
    invoice_ref = p_fact ->> 'invoice_ref',
    provider_ref = coalesce(p_fact ->> 'payment_ref', provider_ref),
    customer_ref = coalesce(p_fact ->> 'customer_ref', customer_ref),
    reason = p_reason, period_start = lower(p_at), period_end = upper(p_at),
    opening_until = NULL, updated_at = clock_timestamp()
  WHERE id = v_row.id RETURNING * INTO v_row;
  RETURN v_row;
END $$;

-- The order that began a subscription while it waits for its payment; all null when there is none.
CREATE OR REPLACE FUNCTION ducat.find_first_order(
  p_subscription ducat.subscriptions, p_reference text)
RETURNS ducat.payments LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT * FROM payments
  WHERE account_id = p_subscription.account_id AND provider = p_subscription.provider
    AND mode = p_subscription.mode AND purpose = 'subscription' AND effect_key IS NULL
    AND (reference = p_reference OR subscription_id = p_subscription.id)
  ORDER BY reference = p_reference DESC NULLS LAST, id LIMIT 1
$$;

-- Keep an invoice that must not be credited for a person to look at. Returns the outcome.
CREATE OR REPLACE FUNCTION ducat.refuse_invoice(
  p_fact jsonb, p_fault text, p_payment_id uuid DEFAULT NULL)
RETURNS text LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT report_anomaly(p_fact ->> 'provider', p_fact ->> 'mode', p_fault,
    p_fact ->> 'invoice_ref', p_fact, p_payment_id)
$$;

-- Give what a paid invoice stands for. The subscription is locked, and the payment is new.
CREATE OR REPLACE FUNCTION ducat.deliver_invoice(
  p_subscription ducat.subscriptions, p_payment ducat.payments, p_price ducat.prices)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_payment.reason = 'trial' THEN
    PERFORM give_trial(p_subscription, p_payment);
  ELSIF p_payment.reason = 'update' THEN
    PERFORM give_difference(p_payment);
  ELSIF p_payment.reason <> 'other' THEN
    PERFORM begin_period(p_subscription, p_payment, p_price);
  END IF;
END $$;

-- What follows a delivered invoice: the page that led to it has ended, the customer is kept, and
-- where money came, the world and the customer hear of it. Returns the row as it is then.
CREATE OR REPLACE FUNCTION ducat.finish_invoice(p_payment ducat.payments, p_fact jsonb)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments := count_granted(p_payment.id);
  v_attempt payment_attempts := find_attempt(p_payment.id, p_fact ->> 'payment_ref');
BEGIN
  PERFORM end_attempt(v_attempt.id, 'succeeded');
  IF v_payment.charged > 0 THEN
    PERFORM announce_payment(v_payment);
  END IF;
  RETURN v_payment;
END $$;

-- A trial's own credits, once per subscription, until the trial ends. Free: they burn first.
CREATE OR REPLACE FUNCTION ducat.give_trial(
  p_subscription ducat.subscriptions, p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_product products;
BEGIN
  SELECT * INTO v_product FROM products WHERE id = p_payment.product_id;
  IF v_product.trial_credits > 0 THEN
    PERFORM grant_credits(p_subscription.account_id, 'trial', v_product.trial_credits,
      format('trial:%s', p_subscription.id),
      p_expires_at => coalesce(p_subscription.trial_ends_at, p_payment.period_end),
      p_payment_id => p_payment.id, p_description => v_product.name ->> 'en');
    UPDATE credit_grants
    SET subscription_id = p_subscription.id, starts_at = p_payment.period_start
    WHERE account_id = p_subscription.account_id
      AND effect_key = format('trial:%s', p_subscription.id);
  END IF;
END $$;

-- A whole period was paid: its first month is given, and if it is the newest, the subscription
-- stands in it. Updates within it that came first are given now.
CREATE OR REPLACE FUNCTION ducat.begin_period(
  p_subscription ducat.subscriptions, p_payment ducat.payments, p_price ducat.prices)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_subscription;
  v_less bigint := 0;
  v_update payments;
BEGIN
  IF p_payment.reason = 'restart' THEN
    v_less := left_of_month(p_subscription.id, p_payment);
  END IF;
  IF p_payment.period_start >= coalesce(p_subscription.period_start, p_payment.period_start) THEN
    v_after := give_due_months(p_subscription);
    IF p_payment.period_start IS DISTINCT FROM p_subscription.period_start THEN
      v_after.period_start := p_payment.period_start;
      v_after.period_end := p_payment.period_end;
      v_after.product_id := (p_price).product_id;
      v_after.price_id := (p_price).id;
      v_after.interval := (p_price).interval;
      v_after.next_product_id := NULL;
      v_after.next_price_id := NULL;
    END IF;
    v_after.refill_payment_id := p_payment.id;
    v_after.refill_index := 0;
    v_after.refilled_product_id := p_payment.product_id;
    v_after.next_refill_at := plan_next_refill(v_after);
    PERFORM save_subscription(p_subscription, v_after);
  END IF;
  PERFORM give_month(p_payment, 0, p_payment.effect_key, v_less);
  FOR v_update IN SELECT * FROM list_updates(p_payment) LOOP
    CONTINUE WHEN v_update.credits_granted > 0;
    PERFORM give_difference(v_update, true);
    PERFORM count_granted(v_update.id);
  END LOOP;
END $$;

-- What the plan before has given for the month that a restart cuts off: its credits live on until
-- they end, so the new period's first month gives that much less.
CREATE OR REPLACE FUNCTION ducat.left_of_month(p_subscription_id uuid, p_restart ducat.payments)
RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_base payments;
  v_month record;
BEGIN
  SELECT * INTO v_base FROM payments
  WHERE subscription_id = p_subscription_id AND status = 'succeeded' AND id <> p_restart.id
    AND reason IN ('initial', 'renewal', 'restart') AND period_start < p_restart.period_start
    AND period_end > p_restart.period_start
  ORDER BY period_start DESC, id DESC LIMIT 1;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  v_month := month_at(v_base, p_restart.period_start);
  RETURN floor((level_at(v_base, p_restart.period_start)).credits
    * part_left(v_month.starts_at, v_month.ends_at, p_restart.period_start));
END $$;

-- Which part of a stretch of time is left at a moment, from 0 to 1.
CREATE OR REPLACE FUNCTION ducat.part_left(
  p_from timestamptz, p_to timestamptz, p_at timestamptz)
RETURNS numeric LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT least(1, greatest(0, extract(epoch FROM p_to - p_at))
    / extract(epoch FROM p_to - p_from))
$$;

-- Give what an update adds to the month it falls into. While the period's own payment is not in
-- the books it gives nothing: begin_period makes up for it.
-- p_alone: later updates of the same month are still to come.
CREATE OR REPLACE FUNCTION ducat.give_difference(
  p_update ducat.payments, p_alone boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_base payments := find_base(p_update.subscription_id, p_update.period_start);
  v_month record;
  v_product products;
  v_before record;
  v_amount bigint;
BEGIN
  IF v_base.id IS NULL THEN
    RETURN;
  END IF;
  v_month := month_at(v_base, p_update.period_start);
  SELECT floor(coalesce(sum(greatest(0, u.credits - u.level)
             * part_left(v_month.starts_at, v_month.ends_at, u.period_start)), 0))
           - coalesce(sum(u.credits_granted), 0)
  INTO v_amount
  FROM (
    SELECT period_start, credits, credits_granted, greatest(
        (level_at(v_base, v_month.starts_at - interval '1 microsecond')).credits,
        coalesce(max(credits) OVER (ORDER BY period_start, id
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS level
    FROM list_updates(v_base)
    WHERE period_start >= v_month.starts_at AND period_start < v_month.ends_at
      AND (NOT p_alone OR (period_start, id) <= (p_update.period_start, p_update.id))
  ) AS u;
  SELECT * INTO v_product FROM products WHERE id = p_update.product_id;
  v_before := level_at(v_base, p_update.period_start - interval '1 microsecond');
  PERFORM give_plan_credits(p_update, v_product, v_amount, p_update.effect_key,
    v_month.starts_at, v_month.ends_at);
  PERFORM give_allowances(p_update.account_id, allowances_added(v_before.product_id, v_product,
      part_left(v_month.starts_at, v_month.ends_at, p_update.period_start)),
    p_update.effect_key, v_month.starts_at,
    CASE v_product.rollover WHEN 'none' THEN v_month.ends_at END, p_update.id,
    p_update.subscription_id);
  UPDATE subscriptions
  SET refilled_product_id = (level_at(v_base, p_update.period_end)).product_id
  WHERE account_id = p_update.account_id AND id = p_update.subscription_id
    AND refill_payment_id = v_base.id;
END $$;

-- The stock that a larger plan adds for the part of a month: {feature: n}.
CREATE OR REPLACE FUNCTION ducat.allowances_added(
  p_from_product uuid, p_to ducat.products, p_part numeric)
RETURNS jsonb LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(a.key, greatest(0, floor(p_part * (a.value::bigint - coalesce(
    (SELECT (d.allowances ->> a.key)::bigint FROM products d WHERE d.id = p_from_product), 0))))),
    '{}')
  FROM jsonb_each_text((p_to).allowances) a
$$;

-- Apply an invoice.failed: the customer hears of it, once per invoice, and the books keep it as a
-- failed payment until it is paid. p_fact: {provider, mode, effect_key, occurred_at, invoice_ref,
-- subscription_ref, customer_ref?, next_attempt_at?}. The status comes by a snapshot.
-- Returns {outcome, payment}: applied, known, or unknown (no such subscription yet). Of the first
-- invoice the customer has heard on the page.
-- Locks the subscription. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.record_invoice_failure(p_fact jsonb)
RETURNS TABLE (outcome text, payment ducat.payments)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_subscription subscriptions;
  v_price prices;
BEGIN
  SELECT * INTO v_subscription FROM subscriptions
  WHERE provider = p_fact ->> 'provider' AND mode = p_fact ->> 'mode'
    AND provider_ref = p_fact ->> 'subscription_ref' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 'unknown';
    RETURN NEXT;
    RETURN;
  END IF;
  outcome := 'known';
  payment := find_invoice(p_fact);
  IF payment.id IS NULL THEN
    payment := find_first_order(v_subscription, p_fact ->> 'order_ref');
  END IF;
  SELECT * INTO v_price FROM prices
  WHERE id = coalesce(v_subscription.next_price_id, v_subscription.price_id);
  IF payment.id IS NULL AND v_price.id IS NOT NULL
     AND NOT happened_there(v_subscription, NULL, p_fact) THEN
    INSERT INTO payments (account_id, reference, purpose, status, provider, mode, product_id,
      price_id, subscription_id, amount, currency, invoice_ref, customer_ref, effect_key, reason,
      failure_code)
    VALUES (v_subscription.account_id, new_reference(), 'invoice', 'failed',
      v_subscription.provider, v_subscription.mode, v_price.product_id, v_price.id,
      v_subscription.id, v_price.amount, v_price.currency, p_fact ->> 'invoice_ref',
      p_fact ->> 'customer_ref', p_fact ->> 'effect_key', 'renewal', 'payment_failed')
    RETURNING * INTO payment;
    PERFORM emit(payment.account_id, 'payment.failed', jsonb_build_object(
      'payment_id', payment.id, 'purpose', payment.purpose, 'amount', payment.amount,
      'currency', payment.currency, 'code', payment.failure_code));
    PERFORM queue_message(payment.account_id, 'payment_failed', jsonb_build_object(
        'payment_id', payment.id, 'amount', payment.amount, 'currency', payment.currency,
        'product', (SELECT name FROM products WHERE id = payment.product_id),
        'next_attempt_at', p_fact ->> 'next_attempt_at'),
      'payment_failed:' || payment.id);
    outcome := 'applied';
  END IF;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_invoice_failure TO ducat_app, ducat_worker;
