-- Auto-reload: a pack that is bought by itself when the paid credits run low. A spend only marks
-- the account (reload_due_at); what decides is reserve_reload, under the account's lock. A charge
-- of a saved card is a payment with one attempt, whose id is the key that the provider hears, and
-- an account has one open attempt at most (payment_attempts_one_open).
--
-- Its times are the machine's, the month of the cap too, as those of payments are: an account's
-- clock that was moved lifts no limit on money.

-- Make a reload due when a spend of p_paid credits that were neither trial nor bound has left less
-- than the threshold. The account is open, p_account is what open_account returned; the fast
-- paths of create_generation say the same in their one UPDATE.
CREATE OR REPLACE FUNCTION ducat.mark_reload(p_account ducat.credit_accounts, p_paid bigint)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_account.reload_below IS NULL OR p_account.reload_due_at IS NOT NULL OR p_paid <= 0 THEN
    RETURN;
  END IF;
  UPDATE credit_accounts SET reload_due_at = clock_timestamp()
  WHERE account_id = p_account.account_id AND available - trial - bound < reload_below;
END $$;

-- The settings of auto-reload as its account sees them: the price and the pack, what this month
-- has cost, and whether a card is saved. No row where it was never set.
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.get_auto_reload(p_account_id uuid)
RETURNS TABLE (
  enabled boolean, threshold int, price_id uuid, provider text, amount bigint,
  price_amount bigint, price_currency text, product_key text, product_name jsonb,
  monthly_cap bigint, spent_this_month bigint, failures int, disabled_reason text,
  last_attempt_at timestamptz, consented_at timestamptz, has_method boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT r.enabled, r.threshold, r.price_id, r.provider, r.amount, p.amount, p.currency, g.key,
    g.name, r.monthly_cap, sum_reloads(r.account_id, p.currency), r.failures, r.disabled_reason,
    r.last_attempt_at, r.consented_at,
    EXISTS (SELECT FROM provider_customers c
            WHERE c.account_id = r.account_id AND c.provider = r.provider
              AND c.method_ref IS NOT NULL)
  FROM auto_reloads r
  JOIN prices p ON p.id = r.price_id
  JOIN products g ON g.id = p.product_id
  WHERE r.account_id = p_account_id
$$;
GRANT EXECUTE ON FUNCTION ducat.get_auto_reload TO ducat_app;

-- Switch auto-reload on, with what it buys and below how many credits, or off. Switched on anew
-- it forgets the charges that failed before. On takes p_consent: the customer has agreed to be
-- charged while they are away. Off keeps what was set, also of a pack that is no longer sold.
--   DU003 not_found {what: account | price}   see refuse_reload_price
--   DU007 validation_failed {what: threshold (1 to 100) | consent | pack | monthly_cap}
-- Locks the account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_auto_reload(
  p_account_id uuid, p_enabled boolean, p_threshold int, p_price_id uuid, p_provider text,
  p_monthly_cap bigint, p_consent boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM credit_accounts WHERE account_id = p_account_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  ELSIF (p_threshold BETWEEN 1 AND 100) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "threshold"}');
  ELSIF p_enabled AND p_consent IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "consent"}');
  END IF;
  UPDATE auto_reloads
  SET enabled = false, threshold = p_threshold, updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND price_id = p_price_id AND NOT p_enabled;
  IF NOT FOUND THEN
    INSERT INTO auto_reloads AS r (account_id, enabled, threshold, price_id, provider, amount,
      monthly_cap, consented_at)
    VALUES (p_account_id, p_enabled, p_threshold, p_price_id, p_provider,
      refuse_reload_price(p_account_id, p_price_id, p_provider, p_monthly_cap), p_monthly_cap,
      CASE WHEN p_enabled THEN clock_timestamp() END)
    ON CONFLICT (account_id) DO UPDATE
    SET enabled = excluded.enabled, threshold = excluded.threshold,
        price_id = excluded.price_id, provider = excluded.provider, amount = excluded.amount,
        monthly_cap = excluded.monthly_cap,
        consented_at = coalesce(excluded.consented_at, r.consented_at),
        failures = CASE WHEN excluded.enabled AND NOT r.enabled THEN 0 ELSE r.failures END,
        disabled_reason = CASE WHEN NOT excluded.enabled THEN r.disabled_reason END,
        updated_at = clock_timestamp();
  END IF;
  UPDATE credit_accounts
  SET reload_below = CASE WHEN p_enabled THEN p_threshold END,
      reload_due_at = CASE WHEN p_enabled THEN reload_due_at END
  WHERE account_id = p_account_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_auto_reload TO ducat_app;

-- Refuse a price that auto-reload can't buy; returns the credits that one reload gives.
--   DU003 not_found {what: price}   it is not sold, not to this kind of account, or not by
--                                   p_provider
--   DU007 validation_failed {what: pack (one that is bought once, with 10 credits at least and for
--         no subject) | monthly_cap (at least the price)}
CREATE OR REPLACE FUNCTION ducat.refuse_reload_price(
  p_account_id uuid, p_price_id uuid, p_provider text, p_monthly_cap bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
  v_product products;
BEGIN
  SELECT * INTO v_price FROM prices
  WHERE id = p_price_id AND is_active AND coalesce(provider, p_provider) = p_provider;
  SELECT g.* INTO v_product FROM products g JOIN accounts a ON a.id = p_account_id
  WHERE g.id = v_price.product_id AND g.is_active AND coalesce(g.audience, a.kind) = a.kind;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "price"}');
  ELSIF v_product.kind <> 'pack' OR v_price."interval" <> 'once' OR v_product.needs_subject
     OR v_product.credits + v_product.bonus < 10 OR v_price.amount < 1 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "pack"}');
  ELSIF p_monthly_cap < v_price.amount THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "monthly_cap"}');
  END IF;
  RETURN v_product.credits + v_product.bonus;
END $$;

-- Switch auto-reload off for the account's sake and tell it why: failures (three in a row),
-- method_removed, customer_removed, price_retired. With p_provider only where that is who charges.
-- Returns whether it was on. Locks the account row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.disable_auto_reload(
  p_account_id uuid, p_reason text, p_provider text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM credit_accounts WHERE account_id = p_account_id FOR NO KEY UPDATE;
  UPDATE auto_reloads
  SET enabled = false, disabled_reason = p_reason, updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND enabled AND coalesce(p_provider, provider) = provider;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE credit_accounts SET reload_below = NULL, reload_due_at = NULL
  WHERE account_id = p_account_id;
  PERFORM emit(p_account_id, 'auto_reload.disabled', jsonb_build_object('reason', p_reason));
  PERFORM queue_message(p_account_id, 'reload_disabled',
    jsonb_build_object('reason', p_reason), 'reload_disabled:' || uuid_v7());
  RETURN true;
END $$;

-- Up to p_limit (500 at most) accounts whose reload is due, longest due first; the caller reserves
-- each in its own transaction.
CREATE OR REPLACE FUNCTION ducat.find_due_reloads(p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM credit_accounts WHERE reload_due_at <= clock_timestamp()
  ORDER BY reload_due_at LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_reloads TO ducat_worker;

-- The money of the account's reloads in this calendar month (UTC): those that were paid in it and
-- all that may still be.
CREATE OR REPLACE FUNCTION ducat.sum_reloads(p_account_id uuid, p_currency text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(sum(coalesce(p.charged, p.amount)), 0)::bigint FROM payments p
  WHERE p.account_id = p_account_id AND p.purpose = 'reload' AND p.currency = p_currency
    AND CASE p.status
      WHEN 'succeeded' THEN p.paid_at >= date_trunc('month', clock_timestamp(), 'UTC')
      WHEN 'created' THEN p.expires_at > clock_timestamp() OR EXISTS (
        SELECT FROM payment_attempts t
        WHERE t.payment_id = p.id AND t.kind = 'charge'
          AND t.status IN ('reserved', 'sent', 'processing', 'unknown'))
      ELSE p.status = 'pending' END
$$;

-- Decide about a reload that is due, and if it is to be, write down its payment before anybody is
-- asked for money. p_charging: the providers that can charge a saved card here.
-- Returns one action:
--   charge   attempt_id and payment_id: charge the saved card, with the attempt's id as the key
--   link     payment_id: no card can be charged; the customer is sent a link to pay, at most once
--            in 24 hours
--   none     reason: not_due, off, frozen, above (the threshold), quarantined (a reload was charged
--            and not credited: a person looks first), failures, attempt_open, later (than the last
--            attempt by less than a minute), price_retired (switches it off), cap, link_sent.
--            With attempt_open and later it stays due a minute on, else until the next spend.
--   DU003 not_found   no such account
-- Locks the account row. Safe to retry: of parallel calls one reserves.
CREATE OR REPLACE FUNCTION ducat.reserve_reload(
  p_account_id uuid, p_mode text, p_charging text[],
  OUT action text, OUT reason text, OUT attempt_id uuid, OUT payment_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_reload auto_reloads;
  v_method provider_customers;
  v_payment payments;
BEGIN
  PERFORM open_account(p_account_id);
  v_account := close_account(p_account_id);
  SELECT * INTO v_reload FROM auto_reloads WHERE account_id = p_account_id FOR NO KEY UPDATE;
  SELECT * INTO v_method FROM provider_customers c
  WHERE c.account_id = p_account_id AND c.provider = v_reload.provider AND c.mode = p_mode
    AND c.method_ref IS NOT NULL AND c.provider = ANY (p_charging);
  reason := refuse_reload(v_account, v_reload, v_method.method_ref IS NOT NULL);
  IF reason IS NULL THEN
    v_payment := CASE WHEN v_method.method_ref IS NULL THEN open_reload_link(v_reload, p_mode)
                      ELSE open_reload(v_reload, p_mode) END;
    reason := CASE WHEN v_payment.id IS NULL THEN 'price_retired' END;
  END IF;
  action := CASE WHEN reason IS NOT NULL THEN 'none'
                 WHEN v_method.method_ref IS NULL THEN 'link' ELSE 'charge' END;
  payment_id := v_payment.id;
  UPDATE credit_accounts SET reload_due_at = CASE reason
    WHEN 'later' THEN v_reload.last_attempt_at + interval '60 seconds'
    WHEN 'attempt_open' THEN clock_timestamp() + interval '60 seconds' END
  WHERE account_id = p_account_id AND reason IS DISTINCT FROM 'not_due';
  IF reason = 'price_retired' THEN
    PERFORM disable_auto_reload(p_account_id, reason);
  ELSIF action = 'link' THEN
    PERFORM tell_reload_link(v_payment, 'no_method');
  ELSIF action = 'charge' THEN
    UPDATE payments p SET customer_ref = v_method.customer_ref WHERE p.id = v_payment.id;
    INSERT INTO payment_attempts AS t (account_id, payment_id, kind, status, provider, mode,
      method_ref, amount, currency, due_at)
    VALUES (p_account_id, v_payment.id, 'charge', 'reserved', v_reload.provider, p_mode,
      v_method.method_ref, v_payment.amount, v_payment.currency,
      clock_timestamp() + interval '2 minutes')
    RETURNING t.id INTO attempt_id;
  END IF;
  UPDATE auto_reloads SET last_attempt_at = clock_timestamp()
  WHERE account_id = p_account_id AND action <> 'none';
END $$;
GRANT EXECUTE ON FUNCTION ducat.reserve_reload TO ducat_worker;

-- Why a reload may not be now, null when it may. The account row is locked.
CREATE OR REPLACE FUNCTION ducat.refuse_reload(
  p_account ducat.credit_accounts, p_reload ducat.auto_reloads, p_has_method boolean)
RETURNS text LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
BEGIN
  SELECT p.* INTO v_price FROM prices p JOIN products g ON g.id = p.product_id
  WHERE p.id = p_reload.price_id AND p.is_active AND g.is_active;
  RETURN CASE
    WHEN coalesce(p_account.reload_due_at, 'infinity') > clock_timestamp() THEN 'not_due'
    WHEN p_reload.enabled IS NOT TRUE OR p_account.reload_below IS NULL THEN 'off'
    WHEN cardinality(p_account.frozen) > 0 THEN 'frozen'
    WHEN p_account.available - p_account.trial - p_account.bound >= p_account.reload_below
      THEN 'above'
    WHEN EXISTS (
      SELECT FROM payments p JOIN payment_anomalies x ON x.payment_id = p.id
      WHERE p.account_id = p_account.account_id AND p.purpose = 'reload'
        AND p.status = 'quarantined' AND x.resolved_at IS NULL) THEN 'quarantined'
    WHEN p_reload.failures >= 3 THEN 'failures'
    WHEN EXISTS (
      SELECT FROM payment_attempts t
      WHERE t.account_id = p_account.account_id AND t.kind = 'charge'
        AND t.status IN ('reserved', 'sent', 'processing', 'unknown')) THEN 'attempt_open'
    WHEN p_reload.last_attempt_at > clock_timestamp() - interval '60 seconds' THEN 'later'
    WHEN v_price.id IS NULL THEN 'price_retired'
    WHEN sum_reloads(p_account.account_id, v_price.currency) + v_price.amount
         > p_reload.monthly_cap THEN 'cap'
    WHEN NOT p_has_method
      AND p_reload.last_attempt_at > clock_timestamp() - interval '24 hours' THEN 'link_sent' END;
END $$;

-- A payment of the pack that auto-reload buys; all null where open_payment refuses it: DU003
-- not_found (retired), DU004 account_frozen. The account row is locked.
CREATE OR REPLACE FUNCTION ducat.open_reload(p_reload ducat.auto_reloads, p_mode text)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN open_payment(p_account_id => p_reload.account_id, p_purpose => 'reload',
    p_price_id => p_reload.price_id, p_provider => p_reload.provider, p_mode => p_mode,
    p_expires_in_s => 86400);
EXCEPTION
  WHEN SQLSTATE 'DU003' OR SQLSTATE 'DU004' THEN
    RETURN NULL;
END $$;

-- The payment behind a link that the customer is sent: the one that still waits to be paid, else
-- a new one; all null as above. For a day it counts against the month's cap; paid later (the link
-- opens it again), it counts when it is paid. The account row is locked.
CREATE OR REPLACE FUNCTION ducat.open_reload_link(p_reload ducat.auto_reloads, p_mode text)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
BEGIN
  SELECT p.* INTO v_payment FROM payments p
  WHERE p.account_id = p_reload.account_id AND p.purpose = 'reload' AND p.status = 'created'
    AND p.price_id = p_reload.price_id AND p.provider = p_reload.provider AND p.mode = p_mode
    AND p.expires_at > clock_timestamp() + interval '1 hour'
    AND NOT EXISTS (SELECT FROM payment_attempts t
                    WHERE t.payment_id = p.id AND t.kind = 'charge')
  ORDER BY p.id DESC LIMIT 1;
  IF NOT FOUND THEN
    v_payment := open_reload(p_reload, p_mode);
  END IF;
  RETURN v_payment;
END $$;

-- Ask the customer to pay a reload themselves, by event and by message. p_code says why.
CREATE OR REPLACE FUNCTION ducat.tell_reload_link(p_payment ducat.payments, p_code text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM emit(p_payment.account_id, 'auto_reload.needs_customer', jsonb_build_object(
    'payment_id', p_payment.id, 'reference', p_payment.reference, 'code', p_code));
  PERFORM queue_message(p_payment.account_id, 'reload_needs_customer', jsonb_build_object(
      'payment_id', p_payment.id, 'reference', p_payment.reference, 'amount', p_payment.amount,
      'currency', p_payment.currency, 'credits', p_payment.credits, 'code', p_code),
    'reload_link:' || uuid_v7());
END $$;
