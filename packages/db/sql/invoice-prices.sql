-- Which plan an invoice of a subscription pays. Lemon Squeezy's name none.

-- The price that an invoice pays: by the plan it names, else the subscription's. Null: not ours.
-- The subscription may have moved on since: a first invoice or a renewal that names no plan may
-- also pay what was ordered, or what was in force then.
CREATE OR REPLACE FUNCTION ducat.price_of_invoice(
  p_subscription ducat.subscriptions, p_fact jsonb)
RETURNS ducat.prices LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
BEGIN
  IF p_fact ->> 'plan_ref' IS NOT NULL AND p_fact ->> 'reason' <> 'other' THEN
    RETURN find_plan_price(p_subscription.provider, p_subscription.mode, p_fact ->> 'plan_ref',
      p_subscription);
  END IF;
  SELECT * INTO v_price FROM prices WHERE id = p_subscription.price_id;
  RETURN CASE p_fact ->> 'reason'
    WHEN 'initial' THEN choose_price(price_ordered(p_subscription, p_fact), v_price, p_fact)
    WHEN 'renewal' THEN choose_price(price_then(p_subscription, p_fact), v_price, p_fact)
    ELSE v_price END;
END $$;

-- Of two prices that an invoice may pay the dearer one that its money covers (taxes may come on
-- top), else the cheaper one. Where there is only one, that one.
CREATE OR REPLACE FUNCTION ducat.choose_price(
  p_likely ducat.prices, p_other ducat.prices, p_fact jsonb)
RETURNS ducat.prices LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
BEGIN
  SELECT r.* INTO v_price
  FROM prices r, LATERAL (SELECT r.currency = p_fact ->> 'currency' AS fits,
    r.amount <= read_invoiced(p_fact) AS covered) AS money
  WHERE r.id IN (p_likely.id, p_other.id)
  ORDER BY fits DESC, covered DESC, CASE WHEN covered THEN -r.amount ELSE r.amount END,
    r.id = p_likely.id DESC NULLS LAST
  LIMIT 1;
  RETURN v_price;
END $$;

-- The price of the order that began a subscription; all null when there is none of ours.
CREATE OR REPLACE FUNCTION ducat.price_ordered(
  p_subscription ducat.subscriptions, p_fact jsonb)
RETURNS ducat.prices LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT r.* FROM payments p JOIN prices r ON r.id = p.price_id
  WHERE p.account_id = p_subscription.account_id AND p.provider = p_subscription.provider
    AND p.mode = p_subscription.mode AND p.purpose = 'subscription'
    AND (p.subscription_id = p_subscription.id
         OR p.reference = p_fact ->> 'order_ref' AND p.subscription_id IS NULL)
  ORDER BY p.reference = p_fact ->> 'order_ref' DESC NULLS LAST, p.id LIMIT 1
$$;

-- The price in force when the period of a renewal began: what waited for it, else the last one
-- that was paid before, else what was ordered. All null when the books tell none.
CREATE OR REPLACE FUNCTION ducat.price_then(
  p_subscription ducat.subscriptions, p_fact jsonb)
RETURNS ducat.prices LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_from timestamptz := lower(period_of_invoice(p_subscription, NULL, p_fact));
  v_price prices;
BEGIN
  SELECT * INTO v_price FROM prices
  WHERE id = p_subscription.next_price_id AND v_from >= p_subscription.period_end;
  IF NOT FOUND THEN
    SELECT r.* INTO v_price FROM payments p JOIN prices r ON r.id = p.price_id
    WHERE p.subscription_id = p_subscription.id AND p.status = 'succeeded'
      AND p.reason IN ('initial', 'renewal', 'restart', 'update') AND p.period_start < v_from
    ORDER BY p.period_start DESC, p.id DESC LIMIT 1;
  END IF;
  RETURN CASE WHEN v_price.id IS NULL THEN price_ordered(p_subscription, p_fact) ELSE v_price END;
END $$;
