-- Subscriptions at providers that know none: paid by orders of our own, renewed by their owner
-- before a period ends. Their times are the account's; periods keep the day that the first began
-- on. A paid renewal is a payment whose period waits until the subscription turns into it.

-- How long before its end a period's renewal is asked for.
CREATE OR REPLACE FUNCTION ducat.renewal_lead() RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$ SELECT interval '3 days' $$;

-- The end of a period of p_months that begins at p_from, on the day of p_anchor.
CREATE OR REPLACE FUNCTION ducat.end_of_period(
  p_anchor timestamptz, p_from timestamptz, p_months int)
RETURNS timestamptz LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT add_months(p_anchor, p_months + (
    (extract(year FROM f) - extract(year FROM a)) * 12
    + extract(month FROM f) - extract(month FROM a))::int)
  FROM (SELECT p_anchor AT TIME ZONE 'UTC' AS a, p_from AT TIME ZONE 'UTC' AS f) AS moments
$$;

-- Until when an own subscription is paid, periods that wait included.
CREATE OR REPLACE FUNCTION ducat.paid_until(p_subscription ducat.subscriptions)
RETURNS timestamptz LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT greatest((p_subscription).period_end, max(period_end)) FROM payments
  WHERE subscription_id = (p_subscription).id AND status = 'succeeded' AND reason = 'renewal'
    AND (charged = 0 OR reversed < charged)
$$;

-- Deliver a paid order of a plan at a provider without subscriptions of its own. The first one
-- begins a subscription; a renewal pays the next period: at once when it has begun, within the
-- grace from where the last one ended, after it as a new subscription.
-- Called once per payment by deliver_payment, under the account's subscriptions' and the
-- payment's locks; locks the account.
CREATE OR REPLACE FUNCTION ducat.deliver_own_subscription(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_running subscriptions;
BEGIN
  PERFORM lock_subscribing(p_payment.account_id);
  SELECT * INTO v_running FROM subscriptions
  WHERE account_id = p_payment.account_id AND provider_ref IS NULL AND ended_at IS NULL
  ORDER BY id = p_payment.subscription_id DESC NULLS LAST, id DESC LIMIT 1 FOR NO KEY UPDATE;
  IF FOUND THEN
    v_running := advance_own(v_running);
  END IF;
  IF v_running.id IS NULL OR v_running.ended_at IS NOT NULL THEN
    PERFORM begin_own(p_payment);
  ELSIF v_running.id = p_payment.subscription_id OR v_running.price_id = p_payment.price_id THEN
    PERFORM renew_own(v_running, p_payment);
  ELSE
    -- Two orders for two plans were open: the later payment decides, and a person may look at it.
    PERFORM begin_own(p_payment);
    PERFORM end_own(v_running, account_time(p_payment.account_id));
  END IF;
END $$;

-- Begin a subscription with its first period, now.
CREATE OR REPLACE FUNCTION ducat.begin_own(p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := account_time(p_payment.account_id);
  v_price prices;
  v_subscription subscriptions;
  v_payment payments;
BEGIN
  SELECT * INTO v_price FROM prices WHERE id = p_payment.price_id;
  INSERT INTO subscriptions (account_id, product_id, price_id, provider, mode, status, interval,
    started_at)
  VALUES (p_payment.account_id, p_payment.product_id, p_payment.price_id, p_payment.provider,
    p_payment.mode, 'active', v_price.interval, v_now)
  RETURNING * INTO v_subscription;
  UPDATE payments
  SET subscription_id = v_subscription.id, reason = 'initial', period_start = v_now,
      period_end = add_months(v_now, months_of(v_price.interval))
  WHERE id = p_payment.id RETURNING * INTO v_payment;
  PERFORM note_second_subscription(v_subscription);
  PERFORM turn_own(v_subscription, v_payment);
END $$;

-- Pay an own subscription's next period. It goes on, also when it was to end with this one.
CREATE OR REPLACE FUNCTION ducat.renew_own(
  p_subscription ducat.subscriptions, p_payment ducat.payments)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_subscription;
  v_from timestamptz := paid_until(p_subscription);
BEGIN
  UPDATE payments
  SET subscription_id = p_subscription.id, reason = 'renewal', period_start = v_from,
      period_end = end_of_period(p_subscription.started_at, v_from,
        (SELECT months_of(interval) FROM prices WHERE id = p_payment.price_id))
  WHERE id = p_payment.id;
  v_after.cancel_at := NULL;
  v_after.renewal_for := v_from;
  PERFORM advance_own(save_subscription(p_subscription, v_after));
END $$;

-- Turn an own subscription into a paid period and give its first month. Returns the row.
CREATE OR REPLACE FUNCTION ducat.turn_own(
  p_subscription ducat.subscriptions, p_payment ducat.payments)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := give_due_months(p_subscription);
BEGIN
  PERFORM give_month(p_payment, 0, format('own:%s:%s', p_subscription.id,
    floor(extract(epoch FROM p_payment.period_start))::bigint));
  v_after.status := 'active';
  v_after.past_due_at := NULL;
  v_after.period_start := p_payment.period_start;
  v_after.period_end := p_payment.period_end;
  v_after.product_id := p_payment.product_id;
  v_after.price_id := p_payment.price_id;
  v_after.interval := (SELECT interval FROM prices WHERE id = p_payment.price_id);
  IF EXISTS (SELECT FROM prices WHERE id = v_after.next_price_id
               AND product_id = v_after.product_id AND interval = v_after.interval) THEN
    v_after.next_product_id := NULL;
    v_after.next_price_id := NULL;
  END IF;
  v_after.refill_payment_id := p_payment.id;
  v_after.refill_index := 0;
  v_after.refilled_product_id := p_payment.product_id;
  v_after.next_refill_at := plan_next_refill(v_after);
  RETURN save_subscription(p_subscription, v_after);
END $$;

-- End an own subscription as of a moment. Returns the row.
CREATE OR REPLACE FUNCTION ducat.end_own(
  p_subscription ducat.subscriptions, p_at timestamptz)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_subscription;
BEGIN
  v_after.status := 'canceled';
  v_after.ended_at := p_at;
  v_after.next_refill_at := plan_next_refill(v_after);
  RETURN save_subscription(p_subscription, v_after);
END $$;

-- Bring a locked own subscription to the account's present: into the periods that were paid, past
-- due when none was, to its end when the grace is over or it was canceled. Returns the row.
CREATE OR REPLACE FUNCTION ducat.advance_own(p_subscription ducat.subscriptions)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := account_time(p_subscription.account_id);
  v_row subscriptions := p_subscription;
  v_after subscriptions;
  v_next payments;
  v_grace interval;
BEGIN
  FOR n IN 1..200 LOOP
    EXIT WHEN v_row.ended_at IS NOT NULL OR v_row.period_end > v_now;
    SELECT * INTO v_next FROM payments
    WHERE subscription_id = v_row.id AND status = 'succeeded' AND reason = 'renewal'
      AND period_start = v_row.period_end AND (charged = 0 OR reversed < charged)
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE;
    IF FOUND THEN
      v_row := turn_own(v_row, v_next);
      CONTINUE;
    END IF;
    SELECT make_interval(days => grace_days) INTO v_grace FROM products
    WHERE id = v_row.product_id;
    IF v_row.cancel_at IS NOT NULL THEN
      v_row := end_own(v_row, v_row.period_end);
    ELSIF v_row.period_end + v_grace <= v_now THEN
      v_row := end_own(v_row, v_row.period_end + v_grace);
    ELSIF v_row.status <> 'past_due' THEN
      v_after := v_row;
      v_after.status := 'past_due';
      v_after.past_due_at := v_row.period_end;
      v_row := save_subscription(v_row, v_after);
    END IF;
    EXIT;
  END LOOP;
  RETURN v_row;
END $$;

-- Make the order that pays an own subscription's next period, and send its owner the link to it,
-- once per period: from three days before until the grace is over. The price is the plan's as it
-- is sold now, else the one that was paid. Returns whether it was made. Under the lock.
CREATE OR REPLACE FUNCTION ducat.ask_renewal(p_subscription ducat.subscriptions)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := account_time(p_subscription.account_id);
  v_after subscriptions := p_subscription;
  v_price prices;
  v_order payments;
  v_product products;
BEGIN
  v_price := renewal_price(p_subscription);
  SELECT * INTO v_product FROM products WHERE id = v_price.product_id;
  IF NOT wants_renewal(p_subscription, v_now) OR v_price.amount = 0 THEN
    RETURN false;
  END IF;
  v_order := open_payment(p_subscription.account_id, 'renewal', v_price.id,
    p_subscription.provider, p_subscription.mode,
    p_expires_in_s => ceil(extract(epoch FROM p_subscription.period_end
      + make_interval(days => v_product.grace_days) - v_now))::int,
    p_subscription_id => p_subscription.id);
  v_after.renewal_for := p_subscription.period_end;
  PERFORM save_subscription(p_subscription, v_after);
  PERFORM queue_message(p_subscription.account_id, 'renewal_due', jsonb_build_object(
      'reference', v_order.reference, 'payment_id', v_order.id, 'amount', v_order.amount,
      'currency', v_order.currency, 'product', v_product.name,
      'due_at', p_subscription.period_end),
    'renewal_due:' || v_order.id);
  RETURN true;
END $$;

-- Whether it is time to ask for the next period: not for one that is to end, that is paid ahead,
-- or whose account is frozen.
CREATE OR REPLACE FUNCTION ducat.wants_renewal(
  p_subscription ducat.subscriptions, p_now timestamptz)
RETURNS boolean LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT (p_subscription).ended_at IS NULL AND (p_subscription).cancel_at IS NULL
    AND (p_subscription).period_end - renewal_lead() <= p_now
    AND (p_subscription).renewal_for IS DISTINCT FROM (p_subscription).period_end
    AND paid_until(p_subscription) = (p_subscription).period_end
    AND NOT EXISTS (SELECT FROM credit_accounts
                    WHERE account_id = (p_subscription).account_id AND frozen <> '{}')
$$;

-- The price of the next period.
CREATE OR REPLACE FUNCTION ducat.renewal_price(p_subscription ducat.subscriptions)
RETURNS ducat.prices LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT r.* FROM prices paid JOIN prices r
    ON r.product_id = paid.product_id AND r.currency = paid.currency
    AND r.interval = paid.interval AND coalesce(r.provider, '') = coalesce(paid.provider, '')
    AND (r.is_active OR r.id = paid.id)
  WHERE paid.id = coalesce((p_subscription).next_price_id, (p_subscription).price_id)
  ORDER BY r.is_active DESC, r.id DESC LIMIT 1
$$;

-- Bring one own subscription to the present and ask for its renewal when it is time.
-- Returns whether anything changed. p_wait false: nothing when somebody else is at it.
-- Locks the subscription, payments, the account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.advance_own_subscription(
  p_account_id uuid, p_subscription_id uuid, p_wait boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions := lock_subscription(p_account_id, p_subscription_id, p_wait);
  v_after subscriptions;
BEGIN
  IF v_before.id IS NULL OR v_before.provider_ref IS NOT NULL THEN
    RETURN false;
  END IF;
  v_after := advance_own(v_before);
  RETURN ask_renewal(v_after) OR v_after.updated_at IS DISTINCT FROM v_before.updated_at;
END $$;
GRANT EXECUTE ON FUNCTION ducat.advance_own_subscription TO ducat_worker;

-- Up to p_limit own subscriptions that something is due for by their account's clock; the caller
-- advances each in its own transaction.
CREATE OR REPLACE FUNCTION ducat.find_due_own_subscriptions(p_limit int)
RETURNS TABLE (account_id uuid, subscription_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT s.account_id, s.id FROM subscriptions s
  JOIN credit_accounts a ON a.account_id = s.account_id
  JOIN products d ON d.id = s.product_id
  CROSS JOIN LATERAL (SELECT clock_timestamp() + a.clock_offset AS now) AS clock
  WHERE (s.account_id, s.id) IN (
      SELECT account_id, id FROM subscriptions
      WHERE provider_ref IS NULL AND ended_at IS NULL
        -- now(), because of it the planner knows that these are few.
        AND period_end <= now() + renewal_lead()
      UNION
      SELECT o.account_id, o.id
      FROM credit_accounts m JOIN subscriptions o ON o.account_id = m.account_id
      WHERE m.clock_offset <> '0' AND o.provider_ref IS NULL AND o.ended_at IS NULL)
    AND (s.period_end + CASE s.status WHEN 'past_due' THEN make_interval(days => d.grace_days)
           ELSE '0' END <= clock.now
         OR wants_renewal(s, clock.now))
  ORDER BY s.period_end LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_own_subscriptions TO ducat_worker;

-- The account's running own subscription, locked and brought to the present.
--   DU003 not_found   it has none
CREATE OR REPLACE FUNCTION ducat.open_own(p_account_id uuid) RETURNS ducat.subscriptions
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row subscriptions;
BEGIN
  SELECT * INTO v_row FROM subscriptions
  WHERE account_id = p_account_id AND provider_ref IS NULL AND ended_at IS NULL
  ORDER BY id DESC LIMIT 1 FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "subscription"}');
  END IF;
  RETURN advance_own(v_row);
END $$;

-- Take back the order that would pay the next period, unless somebody is paying it right now.
CREATE OR REPLACE FUNCTION ducat.drop_renewal(p_subscription ducat.subscriptions) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  UPDATE payments SET status = 'expired', updated_at = clock_timestamp()
  WHERE id IN (
    SELECT id FROM payments
    WHERE subscription_id = (p_subscription).id AND purpose = 'renewal' AND status = 'created'
    FOR NO KEY UPDATE SKIP LOCKED)
$$;

-- Let an own subscription end with what is paid. It runs until then; a past due one ends at once.
-- Returns the subscription. Paying a renewal that was open already takes it back.
--   DU003 not_found   the account has no running subscription of ours
-- Locks the subscription and its open orders. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.cancel_own(p_account_id uuid)
RETURNS SETOF ducat.subscriptions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions := open_own(p_account_id);
  v_after subscriptions := v_before;
BEGIN
  IF v_before.ended_at IS NULL THEN
    PERFORM drop_renewal(v_before);
    v_after.cancel_at := paid_until(v_before);
    v_after := advance_own(save_subscription(v_before, v_after));
  END IF;
  RETURN NEXT v_after;
END $$;
GRANT EXECUTE ON FUNCTION ducat.cancel_own TO ducat_app, ducat_worker;

-- Take a cancellation back before the subscription ends; its renewal is asked for again.
-- Returns the subscription.
--   DU003 not_found       the account has no running subscription of ours
--   DU006 invalid_state   {reason: ended}
-- Locks the subscription. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.resume_own(p_account_id uuid)
RETURNS SETOF ducat.subscriptions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions := open_own(p_account_id);
  v_after subscriptions := v_before;
BEGIN
  IF v_before.ended_at IS NOT NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "ended"}');
  END IF;
  IF v_before.cancel_at IS NOT NULL THEN
    v_after.cancel_at := NULL;
    v_after.renewal_for := NULL;
    v_after := save_subscription(v_before, v_after);
  END IF;
  RETURN NEXT v_after;
END $$;
GRANT EXECUTE ON FUNCTION ducat.resume_own TO ducat_app, ducat_worker;

-- Change the plan from the next period on; the plan that runs takes a planned change back. What a
-- provider then shows of a subscription of its own goes before this. Returns the subscription.
--   DU003 not_found           no running subscription, or the price is not sold to this account
--   DU006 invalid_state       {reason: currency} a subscription keeps its currency
-- Locks the subscription and its open orders. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.schedule_change(p_account_id uuid, p_price_id uuid)
RETURNS SETOF ducat.subscriptions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions;
  v_after subscriptions;
  v_price prices;
BEGIN
  SELECT * INTO v_before FROM subscriptions
  WHERE account_id = p_account_id AND ended_at IS NULL AND status <> 'incomplete'
  ORDER BY id DESC LIMIT 1 FOR NO KEY UPDATE;
  SELECT r.* INTO v_price FROM prices r JOIN products d ON d.id = r.product_id
  JOIN accounts a ON a.id = p_account_id
  WHERE r.id = p_price_id AND r.is_active AND d.is_active AND d.kind = 'plan'
    AND r.interval <> 'once' AND coalesce(d.audience, a.kind) = a.kind
    AND coalesce(r.provider, v_before.provider) = v_before.provider;
  IF v_before.id IS NULL OR v_price.id IS NULL THEN
    PERFORM refuse('DU003', 'not_found', jsonb_build_object('what',
      CASE WHEN v_before.id IS NULL THEN 'subscription' ELSE 'price' END));
  END IF;
  IF v_price.currency <> (SELECT currency FROM prices WHERE id = v_before.price_id) THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "currency"}');
  END IF;
  v_after := v_before;
  v_after.next_product_id := CASE WHEN v_price.id <> v_before.price_id THEN v_price.product_id END;
  v_after.next_price_id := CASE WHEN v_price.id <> v_before.price_id THEN v_price.id END;
  IF v_after.next_price_id IS DISTINCT FROM v_before.next_price_id THEN
    IF v_before.provider_ref IS NULL THEN
      PERFORM drop_renewal(v_before);
      v_after.renewal_for := NULL;
    END IF;
    v_after := save_subscription(v_before, v_after);
  END IF;
  RETURN NEXT v_after;
END $$;
GRANT EXECUTE ON FUNCTION ducat.schedule_change TO ducat_app, ducat_worker;

-- Tell the owners of passes that end within a day, once per pass; up to p_limit of them. Returns
-- how many were told. Locks the passes, skipping those that somebody else is at. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remind_passes(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_pass passes;
  v_told int := 0;
BEGIN
  FOR v_pass IN
    SELECT p.* FROM passes p JOIN credit_accounts a ON a.account_id = p.account_id
    -- Each of the two has an index of its own; beside them all would be read that end some day.
    WHERE (p.account_id, p.id) IN (
        SELECT account_id, id FROM passes
        WHERE reminded_at IS NULL AND revoked_at IS NULL
          AND ends_at <= now() + interval '1 day'
        UNION
        SELECT o.account_id, o.id
        FROM credit_accounts m JOIN passes o ON o.account_id = m.account_id
        WHERE m.clock_offset <> '0' AND o.reminded_at IS NULL AND o.revoked_at IS NULL)
      AND p.reminded_at IS NULL AND p.revoked_at IS NULL
      AND p.ends_at - interval '1 day' <= clock_timestamp() + a.clock_offset
    ORDER BY p.ends_at LIMIT least(p_limit, 500) FOR NO KEY UPDATE OF p SKIP LOCKED
  LOOP
    v_told := v_told + remind_pass(v_pass)::int;
  END LOOP;
  RETURN v_told;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remind_passes TO ducat_worker;

-- Tell the owner of a locked pass that it ends, unless it has ended. Returns whether it was told.
CREATE OR REPLACE FUNCTION ducat.remind_pass(p_pass ducat.passes) RETURNS boolean
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE passes SET reminded_at = clock_timestamp()
  WHERE account_id = p_pass.account_id AND id = p_pass.id;
  IF p_pass.ends_at <= account_time(p_pass.account_id) THEN
    RETURN false;
  END IF;
  PERFORM queue_message(p_pass.account_id, 'pass_ending', jsonb_build_object(
      'pass_id', p_pass.id, 'subject', p_pass.subject, 'ends_at', p_pass.ends_at,
      'product', (SELECT name FROM products WHERE id = p_pass.product_id)),
    'pass_ending:' || p_pass.id);
  RETURN true;
END $$;
