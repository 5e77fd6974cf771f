-- Orders: what somebody is asked to pay, from the row that is written first to the page where it
-- is paid. What becomes of the money is payments.sql.

-- Write down what an account is about to be asked to pay, once per p_key. The amount, the currency
-- and the credits are those of the price and its product at this moment.
-- Returns {payment, replayed}; a repeat returns the row as it is now.
--   DU002 idempotency_conflict   p_key came with another request
--   and what open_payment refuses
-- Locks nothing but the new row. Safe to retry by p_key.
CREATE OR REPLACE FUNCTION ducat.request_payment(
  p_account_id uuid, p_purpose text, p_price_id uuid, p_provider text, p_mode text,
  p_subject text DEFAULT NULL, p_return_url text DEFAULT NULL, p_metadata jsonb DEFAULT '{}',
  p_key text DEFAULT NULL, p_fingerprint bytea DEFAULT NULL,
  p_saves_method boolean DEFAULT false, p_expires_in_s int DEFAULT NULL,
  p_subscription_id uuid DEFAULT NULL)
RETURNS TABLE (payment ducat.payments, replayed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  payment := find_keyed_payment(p_account_id, p_key, p_fingerprint);
  replayed := payment.id IS NOT NULL;
  IF NOT replayed THEN
    payment := open_payment(p_account_id, p_purpose, p_price_id, p_provider, p_mode, p_subject,
      p_return_url, p_metadata, p_key, p_fingerprint, p_saves_method, p_expires_in_s,
      p_subscription_id);
  END IF;
  IF payment.id IS NULL THEN
    -- A parallel request with this key has committed first.
    payment := find_keyed_payment(p_account_id, p_key, p_fingerprint);
    replayed := true;
  END IF;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.request_payment TO ducat_app, ducat_worker;

-- The same for callers inside the database. Returns the new row; null when p_key is taken.
-- p_purpose: pack | reload (a pack), pass, subscription | renewal (a plan); null: by the product.
--   DU003 not_found              no such account, price or subscription; the price or product is
--                                retired, of another provider or not for this kind of account
--   DU004 account_frozen         (a renewal is written all the same: its page does not open)
--   DU006 invalid_state          {reason: has_subscription} a plan is running already
--   DU007 validation_failed      {reason: purpose | subject | nothing_to_pay | subscription}
-- Locks nothing but the new row.
CREATE OR REPLACE FUNCTION ducat.open_payment(
  p_account_id uuid, p_purpose text, p_price_id uuid, p_provider text, p_mode text,
  p_subject text DEFAULT NULL, p_return_url text DEFAULT NULL, p_metadata jsonb DEFAULT '{}',
  p_key text DEFAULT NULL, p_fingerprint bytea DEFAULT NULL,
  p_saves_method boolean DEFAULT false, p_expires_in_s int DEFAULT NULL,
  p_subscription_id uuid DEFAULT NULL)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_price prices;
  v_product products;
  v_purpose text;
  v_payment payments;
BEGIN
  SELECT * INTO v_price FROM prices WHERE id = p_price_id;
  SELECT * INTO v_product FROM products WHERE id = v_price.product_id;
  v_purpose := coalesce(p_purpose,
    CASE v_product.kind WHEN 'plan' THEN 'subscription' ELSE v_product.kind END);
  PERFORM refuse_price(p_account_id, v_price, v_product, p_provider, v_purpose = 'renewal');
  PERFORM refuse_order(v_price, v_product, v_purpose, p_subject);
  PERFORM refuse_buyer(p_account_id, v_purpose, p_subscription_id);
  INSERT INTO payments (account_id, reference, purpose, provider, mode, product_id, price_id,
    subscription_id, subject, amount, currency, credits, return_url, metadata, idempotency_key,
    fingerprint, saves_method, expires_at)
  VALUES (p_account_id, new_reference(), v_purpose, p_provider, p_mode, v_product.id, v_price.id,
    p_subscription_id, p_subject, v_price.amount, v_price.currency,
    v_product.credits + v_product.bonus, p_return_url, coalesce(p_metadata, '{}'), p_key,
    p_fingerprint, coalesce(p_saves_method, false),
    clock_timestamp() + make_interval(secs => p_expires_in_s))
  ON CONFLICT ON CONSTRAINT payments_idempotency_key DO NOTHING
  RETURNING * INTO v_payment;
  RETURN v_payment;
END $$;

-- What a provider hears of an order and a pay link names: nothing that can be guessed.
CREATE OR REPLACE FUNCTION ducat.new_reference() RETURNS text
LANGUAGE sql VOLATILE SET search_path = ducat, pg_temp AS $$
  SELECT replace(gen_random_uuid()::text, '-', '')
$$;

-- The payment that an account's request with this key made; null when there is none.
--   DU002 idempotency_conflict   the key came with another request
CREATE OR REPLACE FUNCTION ducat.find_keyed_payment(
  p_account_id uuid, p_key text, p_fingerprint bytea)
RETURNS ducat.payments LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
BEGIN
  SELECT * INTO v_payment FROM payments
  WHERE account_id = p_account_id AND idempotency_key = p_key;
  IF FOUND AND v_payment.fingerprint IS DISTINCT FROM p_fingerprint THEN
    PERFORM refuse('DU002', 'idempotency_conflict');
  END IF;
  RETURN v_payment;
END $$;

-- Refuse a price that this account can't buy at this provider. What is retired is still renewed.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.refuse_price(
  p_account_id uuid, p_price ducat.prices, p_product ducat.products, p_provider text,
  p_retired boolean)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_kind text := (SELECT kind FROM accounts WHERE id = p_account_id);
BEGIN
  IF v_kind IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  IF p_product.id IS NULL OR NOT (p_retired OR p_price.is_active AND p_product.is_active)
    OR coalesce(p_price.provider, p_provider) <> p_provider
    OR coalesce(p_product.audience, v_kind) <> v_kind
  THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "price"}');
  END IF;
END $$;

-- Refuse an order that makes no sense for its product. Only a plan may cost nothing.
--   DU007 validation_failed
CREATE OR REPLACE FUNCTION ducat.refuse_order(
  p_price ducat.prices, p_product ducat.products, p_purpose text, p_subject text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_kind text := CASE p_purpose WHEN 'pack' THEN 'pack' WHEN 'reload' THEN 'pack'
    WHEN 'pass' THEN 'pass' WHEN 'subscription' THEN 'plan' WHEN 'renewal' THEN 'plan' END;
BEGIN
  IF v_kind IS DISTINCT FROM p_product.kind THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "purpose"}');
  END IF;
  IF p_product.needs_subject AND p_subject IS NULL OR v_kind = 'plan' AND p_subject IS NOT NULL
  THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "subject"}');
  END IF;
  IF p_price.amount = 0 AND v_kind <> 'plan' THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "nothing_to_pay"}');
  END IF;
END $$;

-- Refuse an account that may not buy this now.
--   DU003 not_found       the subscription is not this account's
--   DU004 account_frozen
--   DU006 invalid_state   {reason: has_subscription}
--   DU007 validation_failed   a renewal of nothing
CREATE OR REPLACE FUNCTION ducat.refuse_buyer(
  p_account_id uuid, p_purpose text, p_subscription_id uuid)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
BEGIN
  SELECT * INTO v_account FROM credit_accounts WHERE account_id = p_account_id;
  IF p_purpose = 'renewal' THEN
    IF p_subscription_id IS NULL THEN
      PERFORM refuse('DU007', 'validation_failed', '{"reason": "subscription"}');
    END IF;
  ELSE
    PERFORM refuse_frozen(v_account);
  END IF;
  PERFORM FROM subscriptions WHERE account_id = p_account_id AND id = p_subscription_id;
  IF NOT FOUND AND p_subscription_id IS NOT NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "subscription"}');
  END IF;
  IF p_purpose = 'subscription' AND EXISTS (
    SELECT FROM subscriptions WHERE account_id = p_account_id
      AND status IN ('trialing', 'active', 'past_due', 'unpaid', 'paused'))
  THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "has_subscription"}');
  END IF;
END $$;

-- Take the right to ask the provider for this payment's page, for p_seconds (1 to 600): whoever
-- asks at the same time is told false and waits. record_checkout ends it.
--   DU003 not_found · DU004 account_frozen
--   DU006 invalid_state       {status} it is paid or quarantined
--   DU007 validation_failed   p_seconds is out of bounds
-- Locks the payment. Not to be retried blindly: a repeat is another caller.
CREATE OR REPLACE FUNCTION ducat.claim_opening(p_payment_id uuid, p_seconds int)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_account credit_accounts;
BEGIN
  IF p_seconds IS NULL OR p_seconds NOT BETWEEN 1 AND 600 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 600}');
  END IF;
  SELECT * INTO v_payment FROM payments WHERE id = p_payment_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "payment"}');
  END IF;
  SELECT * INTO v_account FROM credit_accounts WHERE account_id = v_payment.account_id;
  PERFORM refuse_frozen(v_account);
  IF v_payment.status IN ('succeeded', 'quarantined') THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_payment.status));
  END IF;
  IF v_payment.opening_until > clock_timestamp() THEN
    RETURN false;
  END IF;
  UPDATE payments SET opening_until = clock_timestamp() + make_interval(secs => p_seconds)
  WHERE id = p_payment_id;
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_opening TO ducat_app, ducat_worker;

-- Keep the page that the provider opened for a payment, and the customer it made for the account.
-- A payment that had failed or expired waits again. p_amount and p_currency are what was sent.
-- Returns the payment.
--   DU003 not_found
--   DU006 invalid_state   {reason: page_taken} the page is another payment's
-- Locks the payment. Safe to retry: a page is kept once.
CREATE OR REPLACE FUNCTION ducat.record_checkout(
  p_payment_id uuid, p_ref text, p_url text, p_amount bigint, p_currency text,
  p_expires_at timestamptz DEFAULT NULL, p_customer_ref text DEFAULT NULL)
RETURNS SETOF ducat.payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_payment payments;
  v_owner uuid;
BEGIN
  SELECT * INTO v_payment FROM payments WHERE id = p_payment_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "payment"}');
  END IF;
  INSERT INTO payment_attempts (account_id, payment_id, kind, status, provider, mode,
    provider_ref, amount, currency)
  VALUES (v_payment.account_id, p_payment_id, 'checkout', 'sent', v_payment.provider,
    v_payment.mode, p_ref, p_amount, p_currency)
  ON CONFLICT (provider, mode, provider_ref) WHERE provider_ref IS NOT NULL DO NOTHING;
  SELECT payment_id INTO v_owner FROM payment_attempts
  WHERE provider = v_payment.provider AND mode = v_payment.mode AND provider_ref = p_ref;
  IF v_owner <> p_payment_id THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "page_taken"}');
  END IF;
  IF p_customer_ref IS NOT NULL THEN
    PERFORM save_customer(v_payment.account_id, v_payment.provider, v_payment.mode,
      p_customer_ref);
  END IF;
  RETURN QUERY
    UPDATE payments SET
      status = CASE WHEN status IN ('failed', 'expired') THEN 'created' ELSE status END,
      failure_code = CASE WHEN status IN ('failed', 'expired') THEN NULL ELSE failure_code END,
      checkout_url = p_url, opening_until = NULL,
      customer_ref = coalesce(p_customer_ref, customer_ref),
      expires_at = coalesce(p_expires_at,
                            CASE WHEN expires_at > clock_timestamp() THEN expires_at END),
      updated_at = clock_timestamp()
    WHERE id = p_payment_id RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.record_checkout TO ducat_app, ducat_worker;

-- A page (or charge) of an order as a provider is asked about it; times are RFC 3339.
CREATE OR REPLACE FUNCTION ducat.describe_attempt(
  p_attempt ducat.payment_attempts, p_payment ducat.payments)
RETURNS jsonb LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', (p_attempt).id, 'kind', (p_attempt).kind,
    'status', (p_attempt).status, 'payment_id', (p_payment).id,
    'account_id', (p_payment).account_id, 'ref', (p_attempt).provider_ref,
    'reference', (p_payment).reference, 'purpose', (p_payment).purpose,
    'sent', jsonb_build_object('amount', (p_attempt).amount, 'currency', (p_attempt).currency),
    'created_at', (p_attempt).created_at,
    'price_ref', (SELECT provider_ref FROM prices WHERE id = (p_payment).price_id),
    'email', (SELECT email FROM accounts WHERE id = (p_payment).account_id))
  WHERE (p_attempt).id IS NOT NULL
$$;

-- An order by a page or charge of it at a provider (p_ref), with that; or by its reference, with
-- the newest, null when there is none. No row when there is no such order. Sees every account: for
-- callbacks and pay links, whose callers know nothing but this.
CREATE OR REPLACE FUNCTION ducat.find_order(
  p_provider text DEFAULT NULL, p_mode text DEFAULT NULL, p_ref text DEFAULT NULL,
  p_reference text DEFAULT NULL)
RETURNS TABLE (payment ducat.payments, attempt jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT p, describe_attempt(a, p)
  FROM payments p
  LEFT JOIN LATERAL (
    SELECT * FROM payment_attempts t
    WHERE t.payment_id = p.id AND (p_ref IS NULL OR t.provider_ref = p_ref)
    ORDER BY t.id DESC LIMIT 1) a ON true
  WHERE p.id = CASE
    WHEN p_ref IS NULL THEN (SELECT id FROM payments WHERE reference = p_reference)
    ELSE (SELECT payment_id FROM payment_attempts
          WHERE provider = p_provider AND mode = p_mode AND provider_ref = p_ref) END
$$;
GRANT EXECUTE ON FUNCTION ducat.find_order TO ducat_app, ducat_worker;

-- Pages that may still be paid, older than p_older_than_s, oldest first, after p_after_id, up to
-- p_limit (1000 at most). A page beside the one that was paid is asked about for three days: it
-- may have been paid too. After 30 days nothing is.
CREATE OR REPLACE FUNCTION ducat.list_open_orders(
  p_provider text, p_mode text, p_older_than_s int, p_limit int, p_after_id uuid DEFAULT NULL)
RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT describe_attempt(a, p)
  FROM payment_attempts a JOIN payments p ON p.id = a.payment_id
  WHERE a.provider = p_provider AND a.mode = p_mode AND a.kind = 'checkout'
    AND a.status = 'sent' AND (p_after_id IS NULL OR a.id > p_after_id)
    AND a.created_at < clock_timestamp() - make_interval(secs => p_older_than_s)
    AND a.created_at > clock_timestamp() - CASE
      WHEN p.status IN ('succeeded', 'quarantined') THEN interval '3 days'
      ELSE interval '30 days' END
  ORDER BY a.id LIMIT least(p_limit, 1000)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_open_orders TO ducat_app, ducat_worker;

-- Payments that succeeded since p_since, in the order of their success, after p_after_id, up to
-- p_limit (1000 at most). Sees every account: for reconciliation.
CREATE OR REPLACE FUNCTION ducat.list_succeeded(
  p_provider text, p_mode text, p_since timestamptz, p_limit int, p_after_id uuid DEFAULT NULL)
RETURNS SETOF ducat.payments
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT * FROM payments
  WHERE provider = p_provider AND mode = p_mode AND status = 'succeeded' AND paid_at >= p_since
    AND (p_after_id IS NULL
         OR (paid_at, id) > (SELECT paid_at, id FROM payments WHERE id = p_after_id))
  ORDER BY paid_at, id LIMIT least(p_limit, 1000)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_succeeded TO ducat_app, ducat_worker;

-- End up to p_limit (500 at most) orders that nobody paid and whose provider has not said so: an
-- hour after their own end, two weeks after it where money was said to be on its way, and 30 days
-- after they were made where they have no end. A charge that is open keeps its order. Their pages
-- are asked about for 30 days, then end too; a late payment still counts.
-- Returns how many orders ended.
-- Locks the payments, then pages, only, skipping those in use. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.expire_orders(p_limit int) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH due AS (
    SELECT id FROM payments p
    WHERE status IN ('created', 'pending')
      AND coalesce(expires_at, created_at + interval '30 days') < clock_timestamp()
        - CASE status WHEN 'created' THEN interval '1 hour' ELSE interval '14 days' END
      AND NOT EXISTS (
        SELECT FROM payment_attempts a WHERE a.payment_id = p.id AND a.kind = 'charge'
          AND a.status IN ('reserved', 'sent', 'processing', 'unknown'))
    LIMIT least(p_limit, 500) FOR NO KEY UPDATE SKIP LOCKED
  ), ended AS (
    UPDATE payments p SET status = 'expired', updated_at = clock_timestamp()
    FROM due WHERE p.id = due.id RETURNING 1
  ), past AS (
    SELECT id FROM payment_attempts
    WHERE kind = 'checkout' AND status = 'sent'
      AND created_at < clock_timestamp() - interval '30 days'
    LIMIT least(p_limit, 500) FOR NO KEY UPDATE SKIP LOCKED
  ), closed AS (
    UPDATE payment_attempts a SET status = 'expired', updated_at = clock_timestamp()
    FROM past WHERE a.id = past.id
  )
  SELECT count(*)::int FROM ended
$$;
GRANT EXECUTE ON FUNCTION ducat.expire_orders TO ducat_worker;
