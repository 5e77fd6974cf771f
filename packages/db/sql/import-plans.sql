-- Plans, passes and paid history of a former system. Nothing here gives credits: what somebody had
-- left comes with their balance.

-- Begin a subscription where it stands: p_plan {key, product, price_id?, provider, ref?,
-- customer_ref?, plan_ref?, status, started_at?, period_start?, period_end?, cancel_at?,
-- trial_ends_at?}. One at a provider is found by its ref from the next webhook on; one of
-- `manual` goes on by our clock; one without a ref is ours, renewed by orders.
-- A payment of nothing stands for all that was paid there. Behind a period that is paid it is what
-- an upgrade is counted from, and what the months of a year come from. Returns the row.
--   DU003 not_found {what: product | price}
-- Locks the account's subscribing. Internal.
CREATE OR REPLACE FUNCTION ducat.import_subscription(
  p_account_id uuid, p_source text, p_plan jsonb, p_mode text)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row subscriptions := jsonb_populate_record(NULL::subscriptions, p_plan);
  v_price prices;
  v_now timestamptz := account_time(p_account_id);
  v_manual boolean := p_plan ->> 'provider' = 'manual';
BEGIN
  PERFORM lock_subscribing(p_account_id);
  SELECT * INTO v_price FROM prices WHERE id = v_row.price_id;
  SELECT id INTO v_row.product_id FROM products
  WHERE key = p_plan ->> 'product' AND kind = 'plan';
  IF v_row.product_id IS NULL THEN
    PERFORM refuse('DU003', 'product_not_found', '{"what": "product"}');
  ELSIF NOT v_manual AND v_price.product_id IS DISTINCT FROM v_row.product_id THEN
    PERFORM refuse('DU003', 'price_not_found', '{"what": "price"}');
  END IF;
  v_row.id := uuid_v7();
  v_row.account_id := p_account_id;
  v_row.mode := CASE WHEN v_manual THEN 'live' ELSE p_mode END;
  v_row.provider_ref := CASE WHEN v_manual THEN v_row.id::text ELSE p_plan ->> 'ref' END;
  v_row.interval := coalesce(v_price.interval, 'month');
  v_row.period_start := coalesce(v_row.period_start, CASE WHEN v_manual THEN v_now END);
  v_row.period_end := coalesce(v_row.period_end,
    CASE WHEN v_manual THEN add_months(v_row.period_start, 1) END);
  v_row.started_at := least(coalesce(v_row.started_at, v_row.period_start), v_row.period_start,
    v_now);
  INSERT INTO subscriptions (account_id, id, product_id, price_id, plan_ref, provider, mode,
    provider_ref, customer_ref, status, interval, started_at, period_start, period_end,
    trial_ends_at, cancel_at, past_due_at, next_refill_at)
  VALUES (p_account_id, v_row.id, v_row.product_id, v_row.price_id, v_row.plan_ref, v_row.provider,
    v_row.mode, v_row.provider_ref, v_row.customer_ref, v_row.status, v_row.interval,
    v_row.started_at, v_row.period_start, v_row.period_end, v_row.trial_ends_at, v_row.cancel_at,
    CASE WHEN v_row.status IN ('past_due', 'unpaid') THEN v_now END,
    CASE WHEN v_manual THEN least(v_row.period_end, v_row.cancel_at) END)
  RETURNING * INTO v_row;
  IF NOT v_manual THEN
    v_row := open_imported_period(v_row, v_price, p_source, p_plan ->> 'key', v_now);
  END IF;
  PERFORM emit_subscription(v_row);
  RETURN v_row;
END $$;

-- Put a payment of nothing behind what a subscription came with: its period, if that is paid. A
-- trial isn't, nor one that is past due: what the provider tells of it from now on is new. Returns
-- the row. Internal.
CREATE OR REPLACE FUNCTION ducat.open_imported_period(
  p_subscription ducat.subscriptions, p_price ducat.prices, p_source text, p_key text,
  p_now timestamptz)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row subscriptions := p_subscription;
  v_paid boolean := v_row.status NOT IN ('trialing', 'past_due', 'unpaid')
    AND v_row.period_end IS NOT NULL;
  v_base payments;
BEGIN
  INSERT INTO payments (account_id, reference, purpose, status, provider, mode, product_id,
    price_id, subscription_id, amount, currency, charged, credits, customer_ref, effect_key, reason,
    period_start, period_end, metadata, paid_at)
  VALUES (v_row.account_id, new_reference(), 'invoice', 'succeeded', v_row.provider, v_row.mode,
    v_row.product_id, p_price.id, v_row.id, 0, p_price.currency, 0,
    CASE WHEN v_paid THEN plan_credits(v_row.product_id) ELSE 0 END,
    v_row.customer_ref, name_import(p_source, 'period:' || p_key),
    CASE WHEN v_paid THEN 'initial' ELSE 'other' END, v_row.period_start, v_row.period_end,
    jsonb_build_object('import', p_source), p_now)
  RETURNING * INTO v_base;
  IF NOT v_paid THEN
    RETURN v_row;
  END IF;
  v_row.refill_payment_id := v_base.id;
  v_row.refilled_product_id := v_row.product_id;
  SELECT coalesce(max(n), 0) INTO v_row.refill_index
  FROM generate_series(1, 11) AS n CROSS JOIN LATERAL month_of(v_base, n) m
  WHERE m.starts_at <= p_now;
  v_row.next_refill_at := plan_next_refill(v_row);
  UPDATE subscriptions SET refill_payment_id = v_row.refill_payment_id,
    refilled_product_id = v_row.refilled_product_id, refill_index = v_row.refill_index,
    next_refill_at = v_row.next_refill_at
  WHERE account_id = v_row.account_id AND id = v_row.id RETURNING * INTO v_row;
  RETURN v_row;
END $$;

-- Whether what is told of an invoice happened in the former system, which has acted on it: before
-- the subscription was moved in and, where p_at says what was paid, for no later period than it
-- came with. Providers tell of it again when they are asked about the last month. Internal.
CREATE OR REPLACE FUNCTION ducat.happened_there(
  p_subscription ducat.subscriptions, p_at tstzrange, p_fact jsonb)
RETURNS boolean LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM payments
    WHERE subscription_id = p_subscription.id AND starts_with(effect_key, 'import:')
      AND created_at >= (p_fact ->> 'occurred_at')::timestamptz
      AND (p_at IS NULL OR period_end IS NULL
        OR lower(p_at) < period_end - interval '1 day'))
$$;

-- Keep a pass for the time that is left of it: p_pass {key, product, provider, currency, starts_at,
-- ends_at}. Its payment here is one of nothing. Internal.
--   DU003 not_found {what: product}
CREATE OR REPLACE FUNCTION ducat.import_pass(
  p_account_id uuid, p_source text, p_pass jsonb, p_mode text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_key text := name_import(p_source, 'pass:' || (p_pass ->> 'key'));
  v_product_id uuid := (SELECT id FROM products
    WHERE key = p_pass ->> 'product' AND kind = 'pass');
  v_payment_id uuid;
BEGIN
  IF v_product_id IS NULL THEN
    PERFORM refuse('DU003', 'product_not_found', '{"what": "product"}');
  END IF;
  INSERT INTO payments (account_id, reference, purpose, status, provider, mode, product_id, amount,
    currency, charged, effect_key, metadata, paid_at)
  VALUES (p_account_id, new_reference(), 'pass', 'succeeded', p_pass ->> 'provider', p_mode,
    v_product_id, 0, p_pass ->> 'currency', 0, v_key, jsonb_build_object('import', p_source),
    clock_timestamp())
  RETURNING id INTO v_payment_id;
  INSERT INTO passes (account_id, product_id, starts_at, ends_at, payment_id, effect_key)
  VALUES (p_account_id, v_product_id, (p_pass ->> 'starts_at')::timestamptz,
    (p_pass ->> 'ends_at')::timestamptz, v_payment_id, v_key);
END $$;

-- Keep a payment that succeeded there, with the provider's names for it, so that what the provider
-- tells of it again finds it and gives nothing: p_payment {key, effect_key?, provider, purpose,
-- product?, ref?, receipt_ref?, card_mask?, customer_ref?, amount, currency, reversed, paid_at}.
-- It has no credits here: a refund of it takes none back. Internal.
CREATE OR REPLACE FUNCTION ducat.import_payment(
  p_account_id uuid, p_source text, p_payment jsonb, p_mode text)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO payments (account_id, reference, purpose, status, provider, mode, product_id, amount,
    currency, charged, provider_ref, customer_ref, receipt_ref, card_mask, effect_key, refunded,
    refunded_at, reversed, metadata, paid_at, created_at)
  SELECT p_account_id, new_reference(), p.purpose, 'succeeded', p.provider, p_mode,
    (SELECT id FROM products WHERE key = p_payment ->> 'product'), p.amount, p.currency, p.amount,
    p_payment ->> 'ref', p.customer_ref, p.receipt_ref, p.card_mask,
    coalesce(p.effect_key, name_import(p_source, p_payment ->> 'key')), coalesce(p.reversed, 0),
    CASE WHEN p.reversed > 0 THEN p.paid_at END, coalesce(p.reversed, 0),
    jsonb_build_object('import', p_source), p.paid_at, p.paid_at
  FROM jsonb_populate_record(NULL::payments, p_payment) p
$$;
