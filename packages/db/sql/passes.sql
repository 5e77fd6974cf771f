-- What a paid pack or pass gives: credits, allowances, and for a pass the time itself.

-- Give what a paid pack promised: its credits, for as long as they live and bound to the order's
-- subject if it has one, and its allowances. Called by deliver_payment, under the payment's lock.
CREATE OR REPLACE FUNCTION ducat.deliver_pack(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_product products;
  v_now timestamptz := lock_clock(p_payment.account_id);
  v_end timestamptz;
BEGIN
  SELECT * INTO v_product FROM products WHERE id = p_payment.product_id;
  v_end := v_now + make_interval(days => v_product.valid_days);
  IF p_payment.credits > 0 THEN
    PERFORM grant_credits(p_payment.account_id,
      CASE p_payment.purpose WHEN 'reload' THEN 'auto_reload' ELSE 'purchase' END,
      p_payment.credits, p_payment.effect_key, p_expires_at => v_end,
      p_subject => p_payment.subject, p_payment_id => p_payment.id,
      p_description => v_product.name ->> 'en');
  END IF;
  PERFORM give_allowances(p_payment.account_id, v_product.allowances, p_payment.effect_key, v_now,
    v_end, p_payment_id => p_payment.id);
END $$;

-- Give a paid pass: its time from now on, or from the end of the one that the account has for the
-- same product and subject, so that buying early loses nothing; its credits and allowances until
-- it ends. Called by deliver_payment, under the payment's lock.
CREATE OR REPLACE FUNCTION ducat.deliver_pass(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_product products;
  v_now timestamptz := lock_clock(p_payment.account_id);
  v_start timestamptz;
  v_end timestamptz;
BEGIN
  SELECT * INTO v_product FROM products WHERE id = p_payment.product_id;
  SELECT greatest(v_now, max(ends_at)) INTO v_start FROM passes
  WHERE account_id = p_payment.account_id AND product_id = v_product.id
    AND subject IS NOT DISTINCT FROM p_payment.subject AND revoked_at IS NULL;
  v_end := v_start + make_interval(days => coalesce(v_product.valid_days, 3650));
  INSERT INTO passes (account_id, product_id, subject, starts_at, ends_at, payment_id, effect_key,
    created_at)
  VALUES (p_payment.account_id, v_product.id, p_payment.subject, v_start, v_end, p_payment.id,
    p_payment.effect_key, v_now);
  IF p_payment.credits > 0 THEN
    PERFORM grant_credits(p_payment.account_id, 'purchase', p_payment.credits,
      p_payment.effect_key, p_expires_at => v_end, p_subject => p_payment.subject,
      p_payment_id => p_payment.id, p_description => v_product.name ->> 'en');
  END IF;
  PERFORM give_allowances(p_payment.account_id, v_product.allowances, p_payment.effect_key,
    v_start, v_end, p_payment_id => p_payment.id);
END $$;

-- Lock the account's row and return its time.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.lock_clock(p_account_id uuid) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_offset interval;
BEGIN
  SELECT clock_offset INTO v_offset FROM credit_accounts
  WHERE account_id = p_account_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  RETURN clock_timestamp() + v_offset;
END $$;

-- Give stock of features: p_allowances is {feature: n}. Once per effect key and feature; those of
-- 0 are left out. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.give_allowances(
  p_account_id uuid, p_allowances jsonb, p_effect_key text, p_starts_at timestamptz,
  p_expires_at timestamptz, p_payment_id uuid DEFAULT NULL, p_subscription_id uuid DEFAULT NULL)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO allowance_grants (account_id, feature, amount, remaining, payment_id,
    subscription_id, effect_key, starts_at, expires_at)
  SELECT p_account_id, a.key, a.value::bigint, a.value::bigint, p_payment_id, p_subscription_id,
    p_effect_key, p_starts_at, p_expires_at
  FROM jsonb_each_text(p_allowances) a WHERE a.value::bigint > 0
  ON CONFLICT ON CONSTRAINT allowance_grants_effect_key DO NOTHING
$$;
