-- Plans that an administrator gives. Nobody pays for them: a row of subscriptions with the provider
-- `manual` and its own id for a reference, renewed month by month by our clock (next_refill_at),
-- on the day that it began on, until cancel_at. No order is ever made for it.

-- Give an account a plan, at once and until p_until (the account's time; null: until it is
-- changed). The same plan again only changes its end; the default plan takes an assigned one away.
-- Returns {id, product, status, period {start, end}, cancel_at}; null when it was taken away.
--   DU003 not_found           {what: account | product}: no such plan for this kind of account
--   DU006 invalid_state       {reason: subscription}: one that is paid runs on
--   DU007 validation_failed   {reason: until}: that is over
-- Serial per account with what begins subscriptions; locks the subscription, the account. Safe to
-- retry.
CREATE OR REPLACE FUNCTION ducat.assign_plan(
  p_account_id uuid, p_product_key text, p_until timestamptz, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_kind text;
  v_at timestamptz;
  v_product products;
  v_before subscriptions;
  v_after subscriptions;
BEGIN
  PERFORM lock_subscribing(p_account_id);
  v_at := account_time(p_account_id);
  SELECT kind INTO v_kind FROM accounts WHERE id = p_account_id;
  SELECT * INTO v_product FROM products
  WHERE key = p_product_key AND kind = 'plan' AND is_active AND coalesce(audience, v_kind) = v_kind;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "product"}');
  ELSIF p_until <= v_at THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "until"}');
  END IF;
  SELECT * INTO v_before FROM subscriptions
  WHERE account_id = p_account_id AND provider = 'manual' AND ended_at IS NULL
  ORDER BY id DESC LIMIT 1 FOR NO KEY UPDATE;
  IF v_product.is_default THEN
    PERFORM end_own(v_before, v_at) WHERE v_before.id IS NOT NULL;
  ELSIF v_before.product_id = v_product.id THEN
    v_after := v_before;
    v_after.cancel_at := p_until;
    v_after.next_refill_at := least(v_after.period_end, p_until);
    v_after := save_subscription(v_before, v_after);
  ELSE
    PERFORM refuse_paid_plan(p_account_id, v_at);
    PERFORM end_own(v_before, v_at) WHERE v_before.id IS NOT NULL;
    v_after := begin_assigned(p_account_id, v_product, p_until, v_at);
  END IF;
  PERFORM audit(p_account_id, 'plan.assign', 'account', p_account_id::text, p_audit,
    jsonb_build_object('before', describe_assigned(v_before),
      'after', describe_assigned(v_after)));
  RETURN CASE WHEN v_after.id IS NOT NULL THEN describe_assigned(v_after)
    || jsonb_build_object('id', v_after.id, 'status', v_after.status, 'period',
      jsonb_build_object('start', v_after.period_start, 'end', v_after.period_end)) END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.assign_plan TO ducat_app;

-- Take an assigned plan away: the account is on the default plan of its kind again. Returns whether
-- there was one; the audit line is written in any case.
--   DU003 not_found {what: account}
-- Serial as assign_plan is. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.lift_plan(p_account_id uuid, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_at timestamptz;
  v_before subscriptions;
BEGIN
  PERFORM lock_subscribing(p_account_id);
  v_at := account_time(p_account_id);
  SELECT * INTO v_before FROM subscriptions
  WHERE account_id = p_account_id AND provider = 'manual' AND ended_at IS NULL
  ORDER BY id DESC LIMIT 1 FOR NO KEY UPDATE;
  PERFORM end_own(v_before, v_at) WHERE v_before.id IS NOT NULL;
  PERFORM audit(p_account_id, 'plan.lift', 'account', p_account_id::text, p_audit,
    jsonb_build_object('before', describe_assigned(v_before)));
  RETURN v_before.id IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.lift_plan TO ducat_app;

-- What an audit line tells of an assigned plan; null when there is none.
CREATE OR REPLACE FUNCTION ducat.describe_assigned(p_subscription ducat.subscriptions)
RETURNS jsonb LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('product', d.key, 'cancel_at', (p_subscription).cancel_at)
  FROM products d WHERE d.id = (p_subscription).product_id
$$;

-- Refuse while a subscription that somebody pays for goes on: it would be charged for nothing.
--   DU006 invalid_state {reason: subscription}
CREATE OR REPLACE FUNCTION ducat.refuse_paid_plan(p_account_id uuid, p_at timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM subscriptions s JOIN products d ON d.id = s.product_id
  WHERE s.account_id = p_account_id AND s.provider <> 'manual' AND s.cancel_at IS NULL
    AND (subscription_state(s, d.grace_days, p_at)).status NOT IN ('canceled', 'incomplete');
  IF FOUND THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "subscription"}');
  END IF;
END $$;

-- Begin an assigned plan with its first month, now. Returns its row. Locks the account.
CREATE OR REPLACE FUNCTION ducat.begin_assigned(
  p_account_id uuid, p_product ducat.products, p_until timestamptz, p_at timestamptz)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid := uuid_v7();
  v_end timestamptz := add_months(p_at, 1);
  v_row subscriptions;
BEGIN
  INSERT INTO subscriptions (account_id, id, product_id, provider, mode, provider_ref, status,
    interval, started_at, period_start, period_end, cancel_at, next_refill_at)
  VALUES (p_account_id, v_id, p_product.id, 'manual', 'live', v_id::text, 'active', 'month', p_at,
    p_at, v_end, p_until, least(v_end, p_until))
  RETURNING * INTO v_row;
  PERFORM emit_subscription(v_row);
  PERFORM give_assigned_month(v_row);
  RETURN v_row;
END $$;

-- Bring a locked assigned plan to the account's present: into its next months, or to its end.
-- Returns how many months were given. Locks the account.
CREATE OR REPLACE FUNCTION ducat.advance_assigned(p_subscription ducat.subscriptions)
RETURNS int LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_at timestamptz := account_time(p_subscription.account_id);
  v_row subscriptions := p_subscription;
  v_after subscriptions;
  v_months int := 0;
BEGIN
  WHILE v_row.ended_at IS NULL AND v_row.next_refill_at <= v_at AND v_months < 200 LOOP
    IF v_row.cancel_at <= v_row.next_refill_at THEN
      PERFORM end_own(v_row, v_row.cancel_at);
      EXIT;
    END IF;
    v_after := v_row;
    v_after.period_start := v_row.period_end;
    v_after.period_end := end_of_period(v_row.started_at, v_row.period_end, 1);
    v_after.next_refill_at := least(v_after.period_end, v_after.cancel_at);
    v_row := save_subscription(v_row, v_after);
    PERFORM give_assigned_month(v_row);
    v_months := v_months + 1;
  END LOOP;
  RETURN v_months;
END $$;

-- Give what an assigned plan gives in the month that it is in, once. Locks the account.
CREATE OR REPLACE FUNCTION ducat.give_assigned_month(p_subscription ducat.subscriptions)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_product products;
BEGIN
  SELECT * INTO v_product FROM products WHERE id = p_subscription.product_id;
  PERFORM give_unpaid_month(p_subscription.account_id, v_product,
    format('manual:%s:%s', p_subscription.id,
      floor(extract(epoch FROM p_subscription.period_start))::bigint),
    p_subscription.period_start, p_subscription.period_end, p_subscription.id);
END $$;

-- Give what a plan gives in a month that nobody pays for: its credits and allowances, once per
-- p_effect_key, then the end of what may not roll over. p_subscription_id null: the default plan,
-- whose keys begin with `base:`.
-- Locks the account.
CREATE OR REPLACE FUNCTION ducat.give_unpaid_month(
  p_account_id uuid, p_product ducat.products, p_effect_key text, p_from timestamptz,
  p_to timestamptz, p_subscription_id uuid DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_credits bigint := p_product.credits + p_product.bonus;
  v_end timestamptz := CASE p_product.rollover WHEN 'none' THEN p_to END;
BEGIN
  IF v_credits > 0 THEN
    PERFORM grant_credits(p_account_id, 'subscription', v_credits, p_effect_key,
      p_expires_at => v_end, p_description => p_product.name ->> 'en');
    UPDATE credit_grants SET subscription_id = p_subscription_id, starts_at = p_from
    WHERE account_id = p_account_id AND effect_key = p_effect_key;
  END IF;
  PERFORM give_allowances(p_account_id, p_product.allowances, p_effect_key, p_from, v_end,
    p_subscription_id => p_subscription_id);
  IF p_product.rollover = 'capped' THEN
    PERFORM cap_rollover(p_account_id, p_subscription_id, coalesce(p_product.rollover_cap, 0));
  END IF;
END $$;
