-- What providers say about subscriptions: snapshots, applied in the order in which their fetches
-- began. Credits come by paid invoices only (invoices.sql) and by our clock (refills.sql).
--
-- Locks: one creation of a subscription per account at a time (an advisory lock), then the
-- subscription, then a payment, then the credit account.

-- The next ticket: drawn before a subscription is fetched, it says which of two answers is newer.
CREATE OR REPLACE FUNCTION ducat.draw_ticket() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT nextval('snapshot_tickets')
$$;
GRANT EXECUTE ON FUNCTION ducat.draw_ticket TO ducat_app, ducat_worker;

-- The account's business time. Takes no lock.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.account_time(p_account_id uuid) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz;
BEGIN
  SELECT clock_timestamp() + clock_offset INTO v_now FROM credit_accounts
  WHERE account_id = p_account_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  RETURN v_now;
END $$;

-- What a plan gives in a month, as orders and invoices keep it in payments.credits.
CREATE OR REPLACE FUNCTION ducat.plan_credits(p_product_id uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT credits + bonus FROM products WHERE id = p_product_id
$$;

-- The price that a provider's plan stands for; all null when we know of none. A price may be
-- retired and still be somebody's. Where a price has no name at the provider (the sandbox, a price
-- that was made on the spot), the plan is called by our price's id, by the order, or as this
-- subscription has been called since it began (p_subscription).
CREATE OR REPLACE FUNCTION ducat.find_plan_price(
  p_provider text, p_mode text, p_plan_ref text, p_subscription ducat.subscriptions DEFAULT NULL)
RETURNS ducat.prices LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
BEGIN
  SELECT r.* INTO v_price FROM prices r JOIN products d ON d.id = r.product_id
  WHERE d.kind = 'plan' AND r.interval <> 'once' AND r.provider = p_provider
    AND r.provider_ref = p_plan_ref
  ORDER BY r.is_active DESC, r.id DESC LIMIT 1;
  IF NOT FOUND AND p_plan_ref = p_subscription.plan_ref THEN
    SELECT * INTO v_price FROM prices WHERE id = p_subscription.price_id;
  END IF;
  IF v_price.id IS NULL THEN
    SELECT r.* INTO v_price FROM prices r JOIN products d ON d.id = r.product_id
    WHERE r.id::text = p_plan_ref AND d.kind = 'plan' AND r.interval <> 'once'
      AND coalesce(r.provider, p_provider) = p_provider;
  END IF;
  IF v_price.id IS NULL THEN
    SELECT r.* INTO v_price FROM payments p JOIN prices r ON r.id = p.price_id
    WHERE p.reference = p_plan_ref AND p.provider = p_provider AND p.mode = p_mode
      AND p.purpose = 'subscription';
  END IF;
  RETURN v_price;
END $$;

-- Whether going from one price to another is a step down: fewer credits, or as many for less
-- money a month. A step down waits for the end of what was paid.
CREATE OR REPLACE FUNCTION ducat.is_cheaper(p_from ducat.prices, p_to ducat.prices)
RETURNS boolean LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN plan_credits(p_to.product_id) <> plan_credits(p_from.product_id)
      THEN plan_credits(p_to.product_id) < plan_credits(p_from.product_id)
    ELSE p_to.currency = p_from.currency
      AND p_to.amount * CASE p_to.interval WHEN 'year' THEN 1 ELSE 12 END
        < p_from.amount * CASE p_from.interval WHEN 'year' THEN 1 ELSE 12 END END
$$;

-- Write a subscription as it has become, and tell the world where it shows.
-- Returns the row. The caller has locked it.
CREATE OR REPLACE FUNCTION ducat.save_subscription(
  p_before ducat.subscriptions, p_after ducat.subscriptions)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_after;
BEGIN
  v_after.updated_at := clock_timestamp();
  UPDATE subscriptions SET
    product_id = v_after.product_id, price_id = v_after.price_id, plan_ref = v_after.plan_ref,
    customer_ref = v_after.customer_ref, status = v_after.status, pause = v_after.pause,
    interval = v_after.interval, period_start = v_after.period_start,
    period_end = v_after.period_end, trial_ends_at = v_after.trial_ends_at,
    cancel_at = v_after.cancel_at, past_due_at = v_after.past_due_at,
    ended_at = v_after.ended_at, next_product_id = v_after.next_product_id,
    next_price_id = v_after.next_price_id, refilled_product_id = v_after.refilled_product_id,
    refill_payment_id = v_after.refill_payment_id, refill_index = v_after.refill_index,
    next_refill_at = v_after.next_refill_at, renewal_for = v_after.renewal_for,
    ticket = v_after.ticket, fetched_at = v_after.fetched_at, updated_at = v_after.updated_at
  WHERE account_id = p_before.account_id AND id = p_before.id;
  IF (p_before.status, p_before.product_id, p_before.cancel_at, p_before.period_start,
      p_before.period_end)
     IS DISTINCT FROM (v_after.status, v_after.product_id, v_after.cancel_at,
      v_after.period_start, v_after.period_end)
  THEN
    PERFORM emit_subscription(v_after);
  END IF;
  IF v_after.status = 'canceled' AND p_before.status NOT IN ('canceled', 'incomplete') THEN
    PERFORM queue_message(v_after.account_id, 'subscription_ended', jsonb_build_object(
        'subscription_id', v_after.id,
        'product', (SELECT name FROM products WHERE id = v_after.product_id)),
      format('subscription_ended:%s', v_after.id));
  END IF;
  RETURN v_after;
END $$;

-- Tell the world what a subscription is now.
CREATE OR REPLACE FUNCTION ducat.emit_subscription(p_subscription ducat.subscriptions)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT emit(p_subscription.account_id, 'subscription.changed', jsonb_build_object(
    'subscription_id', p_subscription.id, 'status', p_subscription.status,
    'product', (SELECT key FROM products WHERE id = p_subscription.product_id),
    'period_start', p_subscription.period_start, 'period_end', p_subscription.period_end,
    'cancel_at', p_subscription.cancel_at))
$$;

-- One creation of a subscription per account at a time, until the transaction ends. Taken before
-- any row is locked.
CREATE OR REPLACE FUNCTION ducat.lock_subscribing(p_account_id uuid) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('subscription:' || p_account_id, 0))
$$;

-- Apply what a provider showed of a subscription, fetched after p_ticket was drawn.
-- p_snapshot: {ref, status, plan_ref?, customer_ref?, order_ref?, cancel_at?, trial_ends_at?,
-- period_start?, period_end?, pause?, fetched_at}. A new one belongs to the account of its order,
-- else of its customer.
-- Returns how it ended, and the subscription where there is one: applied; known (as it was);
-- stale (a later fetch was applied before); unknown (no order and no customer of ours names its
-- account); refused (a plan that we don't sell: an anomaly, and of an existing subscription all
-- but the plan is applied).
-- Locks the subscription. Safe to retry. Gives no credits.
CREATE OR REPLACE FUNCTION ducat.apply_subscription(
  p_provider text, p_mode text, p_ticket bigint, p_snapshot jsonb)
RETURNS TABLE (outcome text, subscription ducat.subscriptions)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions;
  v_after subscriptions;
  v_made record;
  v_price prices;
  v_unmapped boolean;
  v_new boolean := false;
BEGIN
  SELECT * INTO v_before FROM subscriptions
  WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_snapshot ->> 'ref'
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    SELECT * INTO v_made FROM create_subscription(p_provider, p_mode, p_snapshot);
    v_before := v_made.subscription;
    IF v_before.id IS NULL THEN
      RETURN QUERY SELECT v_made.outcome, v_before;
      RETURN;
    END IF;
    v_new := v_made.outcome = 'applied';
  END IF;
  IF p_ticket <= v_before.ticket THEN
    RETURN QUERY SELECT 'stale', v_before;
    RETURN;
  END IF;
  v_price := find_plan_price(p_provider, p_mode, p_snapshot ->> 'plan_ref', v_before);
  v_unmapped := p_snapshot ->> 'plan_ref' IS NOT NULL AND v_price.id IS NULL;
  v_after := merge_snapshot(v_before, p_snapshot, coalesce(v_price.interval, v_before.interval));
  IF v_price.id IS NOT NULL THEN
    v_after := place_plan(v_before, v_after, v_price, p_snapshot ->> 'plan_ref');
  END IF;
  v_after.ticket := p_ticket;
  v_after.next_refill_at := plan_next_refill(v_after);
  v_after := save_subscription(v_before, v_after);
  IF v_unmapped THEN
    outcome := report_anomaly(p_provider, p_mode, 'unmapped_plan', p_snapshot ->> 'ref',
      p_snapshot || jsonb_build_object('subscription_id', v_after.id));
  ELSIF v_new OR to_jsonb(v_after) - '{ticket,fetched_at,updated_at}'::text[]
          IS DISTINCT FROM to_jsonb(v_before) - '{ticket,fetched_at,updated_at}'::text[] THEN
    outcome := 'applied';
  ELSE
    outcome := 'known';
  END IF;
  subscription := v_after;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.apply_subscription TO ducat_app, ducat_worker;

-- The row of a subscription that a provider shows for the first time: applied with the row, known
-- when somebody else has just made it, unknown when nobody's, refused when its plan is not ours.
CREATE OR REPLACE FUNCTION ducat.create_subscription(
  p_provider text, p_mode text, p_snapshot jsonb)
RETURNS TABLE (outcome text, subscription ducat.subscriptions)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_order payments;
  v_account_id uuid;
  v_price prices;
  v_now timestamptz;
BEGIN
  SELECT * INTO v_order FROM payments
  WHERE reference = p_snapshot ->> 'order_ref' AND provider = p_provider AND mode = p_mode
    AND purpose = 'subscription';
  v_account_id := coalesce(v_order.account_id,
    find_customer_account(p_provider, p_mode, p_snapshot ->> 'customer_ref'));
  IF v_account_id IS NULL THEN
    RETURN QUERY SELECT 'unknown', NULL::subscriptions;
    RETURN;
  END IF;
  PERFORM lock_subscribing(v_account_id);
  SELECT * INTO subscription FROM subscriptions
  WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_snapshot ->> 'ref'
  FOR NO KEY UPDATE;
  IF FOUND THEN
    RETURN QUERY SELECT 'known', subscription;
    RETURN;
  END IF;
  v_price := find_plan_price(p_provider, p_mode, p_snapshot ->> 'plan_ref');
  IF v_price.id IS NULL THEN
    -- A price without a name at the provider was made on the spot, for this order.
    SELECT * INTO v_price FROM prices
    WHERE id = v_order.price_id AND (provider_ref IS NULL OR p_snapshot ->> 'plan_ref' IS NULL);
  END IF;
  IF v_price.id IS NULL THEN
    RETURN QUERY SELECT report_anomaly(p_provider, p_mode, 'unmapped_plan',
      p_snapshot ->> 'ref', p_snapshot || jsonb_build_object('account_id', v_account_id),
      v_order.id), NULL::subscriptions;
    RETURN;
  END IF;
  v_now := account_time(v_account_id);
  INSERT INTO subscriptions (account_id, product_id, price_id, plan_ref, provider, mode,
    provider_ref, customer_ref, status, interval, started_at)
  VALUES (v_account_id, v_price.product_id, v_price.id, p_snapshot ->> 'plan_ref', p_provider,
    p_mode, p_snapshot ->> 'ref', p_snapshot ->> 'customer_ref', 'incomplete', v_price.interval,
    coalesce((p_snapshot ->> 'period_start')::timestamptz, v_now))
  RETURNING * INTO subscription;
  UPDATE payments SET subscription_id = subscription.id
  WHERE id = v_order.id AND subscription_id IS NULL;
  IF p_snapshot ->> 'customer_ref' IS NOT NULL THEN
    PERFORM save_customer(v_account_id, p_provider, p_mode, p_snapshot ->> 'customer_ref');
  END IF;
  PERFORM note_second_subscription(subscription);
  RETURN QUERY SELECT 'applied', subscription;
END $$;

-- The account of a provider's customer; null when there is none, or when several share it.
CREATE OR REPLACE FUNCTION ducat.find_customer_account(
  p_provider text, p_mode text, p_customer_ref text)
RETURNS uuid LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN count(*) = 1 THEN min(account_id::text)::uuid END FROM provider_customers
  WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref
$$;

-- An account that pays for two plans at once is for a person to look at.
CREATE OR REPLACE FUNCTION ducat.note_second_subscription(p_subscription ducat.subscriptions)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_other uuid;
BEGIN
  SELECT id INTO v_other FROM subscriptions
  WHERE account_id = p_subscription.account_id AND id <> p_subscription.id
    AND status IN ('trialing', 'active', 'past_due', 'unpaid', 'paused')
  ORDER BY id DESC LIMIT 1;
  IF FOUND THEN
    PERFORM report_anomaly(p_subscription.provider, p_subscription.mode, 'second_subscription',
      coalesce(p_subscription.provider_ref, p_subscription.id::text), jsonb_build_object(
        'account_id', p_subscription.account_id, 'subscription_id', p_subscription.id,
        'other_subscription_id', v_other));
  END IF;
END $$;

-- A subscription with a snapshot's state and times; the plan is place_plan's.
-- A period never goes back: what was paid since the fetch began may have moved it on.
CREATE OR REPLACE FUNCTION ducat.merge_snapshot(
  p_before ducat.subscriptions, p_snapshot jsonb, p_interval text)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_before;
  v_now timestamptz := account_time(p_before.account_id);
  v_start timestamptz := (p_snapshot ->> 'period_start')::timestamptz;
  v_end timestamptz := (p_snapshot ->> 'period_end')::timestamptz;
BEGIN
  v_after.status := p_snapshot ->> 'status';
  v_after.pause := CASE WHEN v_after.status = 'paused'
                        THEN coalesce(p_snapshot ->> 'pause', 'no_access') END;
  v_after.customer_ref := coalesce(p_snapshot ->> 'customer_ref', p_before.customer_ref);
  v_after.cancel_at := (p_snapshot ->> 'cancel_at')::timestamptz;
  v_after.trial_ends_at :=
    coalesce((p_snapshot ->> 'trial_ends_at')::timestamptz, p_before.trial_ends_at);
  v_after.fetched_at := (p_snapshot ->> 'fetched_at')::timestamptz;
  IF v_start IS NULL AND v_end IS NOT NULL THEN
    -- Told is only when it renews. A trial has begun with the subscription.
    v_start := CASE
      WHEN v_end = p_before.period_end THEN p_before.period_start
      WHEN v_after.status = 'trialing' THEN least(p_before.started_at, v_end)
      ELSE add_months(v_end, -months_of(p_interval)) END;
  END IF;
  IF v_start < v_end AND v_start >= coalesce(p_before.period_start, v_start) THEN
    v_after.period_start := v_start;
    v_after.period_end := v_end;
  END IF;
  v_after.past_due_at := CASE
    WHEN v_after.status IN ('past_due', 'unpaid') THEN coalesce(p_before.past_due_at, v_now) END;
  v_after.ended_at := CASE WHEN v_after.status = 'canceled'
    THEN coalesce(p_before.ended_at, least(v_after.cancel_at, v_now)) END;
  RETURN v_after;
END $$;

-- Where a plan that the provider names belongs: in force now, or, a step down within a period that
-- was paid for more, from the next period on.
CREATE OR REPLACE FUNCTION ducat.place_plan(
  p_before ducat.subscriptions, p_after ducat.subscriptions, p_price ducat.prices,
  p_plan_ref text)
RETURNS ducat.subscriptions LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_after subscriptions := p_after;
  v_current prices;
BEGIN
  SELECT * INTO v_current FROM prices WHERE id = p_before.price_id;
  IF p_before.period_start IS NOT NULL AND p_after.period_start = p_before.period_start
     AND p_price.id <> v_current.id AND is_cheaper(v_current, p_price) THEN
    v_after.next_product_id := p_price.product_id;
    v_after.next_price_id := p_price.id;
  ELSE
    v_after.product_id := p_price.product_id;
    v_after.price_id := p_price.id;
    v_after.plan_ref := p_plan_ref;
    v_after.interval := p_price.interval;
    v_after.next_product_id := NULL;
    v_after.next_price_id := NULL;
  END IF;
  RETURN v_after;
END $$;
