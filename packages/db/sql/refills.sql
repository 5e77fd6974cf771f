-- What a paid period of a plan gives: its credits and allowances, once. A year gives them month by
-- month: the first month with its invoice, the others by our clock.
--
-- Of a subscription's payments those that pay a whole period (reason initial, renewal or restart)
-- are its bases; payments.credits is what each month of it gives. An update that is paid within
-- it gives the difference once (invoices.sql).

-- p_from moved by calendar months (UTC): the same day, or that month's last.
CREATE OR REPLACE FUNCTION ducat.add_months(p_from timestamptz, p_months int)
RETURNS timestamptz LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT (p_from AT TIME ZONE 'UTC' + make_interval(months => p_months)) AT TIME ZONE 'UTC'
$$;

-- How many months an interval of a price has.
CREATE OR REPLACE FUNCTION ducat.months_of(p_interval text) RETURNS int
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE p_interval WHEN 'year' THEN 12 ELSE 1 END
$$;

-- The n-th month of a paid period, counted from 0, with the day of the month that the period began
-- on; both null when the period is over by then. A period of a month is its only one.
CREATE OR REPLACE FUNCTION ducat.month_of(
  p_base ducat.payments, p_n int, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_months int := (SELECT months_of(interval) FROM prices WHERE id = p_base.price_id);
BEGIN
  starts_at := add_months(p_base.period_start, p_n);
  IF p_n >= v_months OR starts_at >= p_base.period_end THEN
    starts_at := NULL;
    RETURN;
  END IF;
  ends_at := CASE WHEN p_n = v_months - 1 THEN p_base.period_end
                  ELSE least(add_months(p_base.period_start, p_n + 1), p_base.period_end) END;
END $$;

-- The month of a paid period that a moment falls into.
CREATE OR REPLACE FUNCTION ducat.month_at(
  p_base ducat.payments, p_at timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT m.starts_at, m.ends_at
  FROM generate_series(0, 11) AS n CROSS JOIN LATERAL month_of(p_base, n) m
  WHERE m.starts_at IS NOT NULL AND (m.starts_at <= p_at OR n = 0)
  ORDER BY n DESC LIMIT 1
$$;

-- The plan whose credits a paid period is at, as of a moment: its own, or the largest that an
-- update has paid for by then.
CREATE OR REPLACE FUNCTION ducat.level_at(
  p_base ducat.payments, p_at timestamptz, OUT product_id uuid, OUT credits bigint)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT product_id, credits FROM (
    SELECT p_base.product_id AS product_id, p_base.credits AS credits, 0 AS n
    UNION ALL
    SELECT u.product_id, u.credits, 1 FROM list_updates(p_base) u WHERE u.period_start <= p_at
  ) AS levels
  ORDER BY credits DESC, n LIMIT 1
$$;

-- The paid updates within a paid period, up to the next one.
CREATE OR REPLACE FUNCTION ducat.list_updates(p_base ducat.payments)
RETURNS SETOF ducat.payments LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT u.* FROM payments u
  WHERE u.subscription_id = p_base.subscription_id AND u.reason = 'update'
    AND u.status = 'succeeded'
    AND (find_base(u.subscription_id, u.period_start)).id = p_base.id
  ORDER BY u.period_start, u.id
$$;

-- The payment of the period that a moment falls into; all null when none is in the books.
CREATE OR REPLACE FUNCTION ducat.find_base(p_subscription_id uuid, p_at timestamptz)
RETURNS ducat.payments LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT p.* FROM payments p
  WHERE p.subscription_id = p_subscription_id AND p.status = 'succeeded'
    AND p.reason IN ('initial', 'renewal', 'restart')
    AND p.period_start <= p_at AND p.period_end > p_at
  ORDER BY p.period_start DESC, p.id DESC LIMIT 1
$$;

-- Give credits of a plan for a month, once per p_effect_key: they count from p_from and, where
-- nothing of the plan rolls over, end at p_to. What else of the payment was given back is taken
-- of them too.
-- Locks the account; the caller has locked the subscription, then the payment.
CREATE OR REPLACE FUNCTION ducat.give_plan_credits(
  p_payment ducat.payments, p_product ducat.products, p_amount bigint, p_effect_key text,
  p_from timestamptz, p_to timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_amount <= 0 THEN
    RETURN;
  END IF;
  PERFORM grant_credits(p_payment.account_id, 'subscription', p_amount, p_effect_key,
    p_expires_at => CASE p_product.rollover WHEN 'none' THEN p_to END,
    p_payment_id => p_payment.id, p_description => p_product.name ->> 'en');
  UPDATE credit_grants SET subscription_id = p_payment.subscription_id, starts_at = p_from
  WHERE account_id = p_payment.account_id AND effect_key = p_effect_key;
  PERFORM count_granted(p_payment.id);
  IF p_payment.reversed > 0 THEN
    PERFORM recompute_reversal(p_payment.id);
  END IF;
END $$;

-- One month of a paid period: what the plan gives, then the end of what may not roll over.
-- Locks the account; the caller has locked the subscription, then the payment. Once per key.
CREATE OR REPLACE FUNCTION ducat.give_month(
  p_base ducat.payments, p_n int, p_effect_key text, p_less bigint DEFAULT 0)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_month record := month_of(p_base, p_n);
  v_level record;
  v_product products;
BEGIN
  v_level := level_at(p_base,
    CASE p_n WHEN 0 THEN p_base.period_start - interval '1 day' ELSE v_month.starts_at END);
  SELECT * INTO v_product FROM products WHERE id = v_level.product_id;
  PERFORM give_plan_credits(p_base, v_product, v_level.credits - p_less, p_effect_key,
    v_month.starts_at, v_month.ends_at);
  PERFORM give_allowances(p_base.account_id, v_product.allowances, p_effect_key,
    v_month.starts_at, CASE v_product.rollover WHEN 'none' THEN v_month.ends_at END, p_base.id,
    p_base.subscription_id);
  IF v_product.rollover = 'capped' AND p_base.reason <> 'restart' THEN
    PERFORM cap_rollover(p_base.account_id, p_base.subscription_id,
      coalesce(v_product.rollover_cap, 0));
  END IF;
END $$;

-- End what is left of a subscription's months before the newest beyond p_cap, oldest first; of
-- each feature's stock likewise.
-- Locks the account, then the stock's grants in the order in which they are spent.
CREATE OR REPLACE FUNCTION ducat.cap_rollover(
  p_account_id uuid, p_subscription_id uuid, p_cap bigint)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz;
  v_over record;
BEGIN
  v_now := clock_timestamp() + (open_account(p_account_id)).clock_offset;
  FOR v_over IN
    SELECT id, source, subject, payment_id, least(remaining, over)::bigint AS n FROM (
      SELECT g.*, sum(remaining) OVER (ORDER BY starts_at DESC, id DESC) - p_cap AS over
      FROM credit_grants g
      WHERE account_id = p_account_id AND source = 'subscription' AND remaining > 0
        AND is_of_plan(subscription_id, effect_key, p_subscription_id)
        AND starts_at < (SELECT max(starts_at) FROM credit_grants
                         WHERE account_id = p_account_id AND source = 'subscription'
                           AND is_of_plan(subscription_id, effect_key, p_subscription_id))
    ) AS earlier
    WHERE over > 0 ORDER BY starts_at, id
  LOOP
    UPDATE credit_grants
    SET remaining = remaining - v_over.n, expired = expired + v_over.n,
        closed_at = CASE WHEN remaining = v_over.n THEN v_now END
    WHERE account_id = p_account_id AND id = v_over.id;
    PERFORM book_entry(p_account_id, 'expiry', -v_over.n,
      jsonb_build_array(jsonb_build_array(v_over.id, v_over.n)), p_expired => v_over.n,
      p_payment_id => v_over.payment_id);
    PERFORM emit(p_account_id, 'credits.expired', jsonb_build_object(
      'amount', v_over.n, 'grant_id', v_over.id, 'source', v_over.source));
  END LOOP;
  PERFORM close_account(p_account_id);
  -- Stock is spent without the account's lock: the next statement sees what is used meanwhile.
  PERFORM FROM allowance_grants
  WHERE account_id = p_account_id AND remaining > 0
    AND is_of_plan(subscription_id, effect_key, p_subscription_id)
  ORDER BY priority, expires_at NULLS LAST, id FOR NO KEY UPDATE;
  UPDATE allowance_grants a SET remaining = a.remaining - least(a.remaining, e.over)
  FROM (
    SELECT id, sum(remaining) OVER (PARTITION BY feature ORDER BY starts_at DESC, id DESC)
             - p_cap AS over
    FROM allowance_grants g
    WHERE account_id = p_account_id AND remaining > 0
      AND is_of_plan(subscription_id, effect_key, p_subscription_id)
      AND starts_at < (SELECT max(starts_at) FROM allowance_grants n
                       WHERE n.account_id = p_account_id AND n.feature = g.feature
                         AND is_of_plan(n.subscription_id, n.effect_key, p_subscription_id))
  ) AS e
  WHERE a.account_id = p_account_id AND a.id = e.id AND e.over > 0;
END $$;

-- Whether what was given is a month of this subscription, or, when it is null, of the default plan.
CREATE OR REPLACE FUNCTION ducat.is_of_plan(
  p_given_by uuid, p_effect_key text, p_subscription_id uuid)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_subscription_id IS NULL
    THEN p_given_by IS NULL AND p_effect_key LIKE 'base:%'
    ELSE p_given_by = p_subscription_id END
$$;

-- When the next month of the paid year is given: null when all are, or when it would begin after
-- the subscription's end. Reads p_subscription as it is handed over.
CREATE OR REPLACE FUNCTION ducat.plan_next_refill(p_subscription ducat.subscriptions)
RETURNS timestamptz LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_base payments;
  v_at timestamptz;
BEGIN
  SELECT b.* INTO v_base FROM payments b JOIN products d ON d.id = b.product_id
  WHERE b.id = p_subscription.refill_payment_id
    AND (b.credits > 0 OR d.allowances <> '{}');
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  v_at := (month_of(v_base, p_subscription.refill_index + 1)).starts_at;
  RETURN CASE WHEN p_subscription.ended_at <= v_at THEN NULL ELSE v_at END;
END $$;

-- Give all months of the paid year that are due by the account's clock, one after the other. While
-- the year's payment is given back whole, or the subscription is paused or unpaid, it waits and
-- looks again a month later: what was missed is given when the money or the plan is back.
-- Returns the subscription as it is then, not saved. Locks the payment and the account; the
-- caller has locked the subscription.
CREATE OR REPLACE FUNCTION ducat.give_due_months(p_subscription ducat.subscriptions)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_subscription;
  v_base payments;
  v_now timestamptz := account_time(p_subscription.account_id);
  v_due timestamptz;
BEGIN
  IF p_subscription.next_refill_at IS NULL OR p_subscription.next_refill_at > v_now THEN
    RETURN p_subscription;
  END IF;
  SELECT * INTO v_base FROM payments WHERE id = p_subscription.refill_payment_id
  FOR NO KEY UPDATE;
  LOOP
    v_due := plan_next_refill(v_after);
    EXIT WHEN v_due IS NULL OR v_due > v_now;
    IF p_subscription.status IN ('paused', 'unpaid')
       OR (v_base.charged > 0 AND v_base.reversed >= v_base.charged) THEN
      v_due := next_month_start(v_base, v_now);
      EXIT;
    END IF;
    v_after.refill_index := v_after.refill_index + 1;
    PERFORM give_month(v_base, v_after.refill_index, format('refill:%s:%s:%s', v_after.id,
      floor(extract(epoch FROM v_base.period_start))::bigint, v_after.refill_index));
  END LOOP;
  v_after.next_refill_at := v_due;
  RETURN v_after;
END $$;

-- Give what is due of one subscription. Returns how many months were given. p_wait false: none
-- when somebody else is at it.
-- Locks subscription, payment, account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.refill_subscription(
  p_account_id uuid, p_subscription_id uuid, p_wait boolean DEFAULT false)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions := lock_subscription(p_account_id, p_subscription_id, p_wait);
  v_after subscriptions;
BEGIN
  IF v_before.next_refill_at IS NULL THEN
    RETURN 0;
  ELSIF v_before.provider = 'manual' THEN
    RETURN advance_assigned(v_before);
  END IF;
  v_after := give_due_months(v_before);
  IF v_after.next_refill_at IS DISTINCT FROM v_before.next_refill_at THEN
    PERFORM save_subscription(v_before, v_after);
  END IF;
  RETURN v_after.refill_index - v_before.refill_index;
END $$;
GRANT EXECUTE ON FUNCTION ducat.refill_subscription TO ducat_worker;

-- Lock a subscription; all null when there is none, or, p_wait false, when somebody has it.
CREATE OR REPLACE FUNCTION ducat.lock_subscription(
  p_account_id uuid, p_subscription_id uuid, p_wait boolean)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row subscriptions;
BEGIN
  IF p_wait THEN
    SELECT * INTO v_row FROM subscriptions
    WHERE account_id = p_account_id AND id = p_subscription_id FOR NO KEY UPDATE;
  ELSE
    SELECT * INTO v_row FROM subscriptions
    WHERE account_id = p_account_id AND id = p_subscription_id FOR NO KEY UPDATE SKIP LOCKED;
  END IF;
  RETURN v_row;
END $$;

-- When the first month of a paid year after a moment begins; null when there is none.
CREATE OR REPLACE FUNCTION ducat.next_month_start(p_base ducat.payments, p_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT min(m.starts_at) FROM generate_series(1, 11) AS n CROSS JOIN LATERAL month_of(p_base, n) m
  WHERE m.starts_at > p_at
$$;

-- Up to p_limit subscriptions with a month that is due by their account's clock; the caller gives
-- each in its own transaction. Accounts whose clock was moved are few, and have their own index.
CREATE OR REPLACE FUNCTION ducat.find_due_refills(p_limit int)
RETURNS TABLE (account_id uuid, subscription_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id, id FROM (
    SELECT s.account_id, s.id, s.next_refill_at FROM subscriptions s
    WHERE s.next_refill_at <= (SELECT clock_timestamp())
    UNION
    SELECT s.account_id, s.id, s.next_refill_at
    FROM credit_accounts a JOIN subscriptions s ON s.account_id = a.account_id
    WHERE a.clock_offset <> '0' AND s.next_refill_at <= clock_timestamp() + a.clock_offset
  ) AS due
  ORDER BY next_refill_at LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_refills TO ducat_worker;

-- Bring an account's plans to its present: own periods, then the months of paid years and assigned
-- plans, then those of the default plan. Returns how many months were given. For the test clock;
-- the sweeps do the same.
--   DU003 not_found
-- Locks subscriptions, payments, the account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.refill_account(p_account_id uuid) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid;
  v_months int := 0;
BEGIN
  PERFORM account_time(p_account_id);
  FOR v_id IN
    SELECT id FROM subscriptions WHERE account_id = p_account_id ORDER BY id
  LOOP
    PERFORM advance_own_subscription(p_account_id, v_id, true);
    v_months := v_months + refill_subscription(p_account_id, v_id, true);
  END LOOP;
  RETURN v_months + refill_base(p_account_id, true);
END $$;
GRANT EXECUTE ON FUNCTION ducat.refill_account TO ducat_app, ducat_worker;
