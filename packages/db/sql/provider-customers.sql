-- Who an account is at a provider, and the card that may be charged while its owner is away.

-- Keep an account's customer at a provider. Another customer has not the first one's card.
-- Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_customer(
  p_account_id uuid, p_provider text, p_mode text, p_customer_ref text)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO provider_customers AS c (account_id, provider, mode, customer_ref)
  VALUES (p_account_id, p_provider, p_mode, p_customer_ref)
  ON CONFLICT ON CONSTRAINT provider_customers_pkey DO UPDATE
  SET customer_ref = excluded.customer_ref, removed_at = NULL, method_ref = NULL,
      method_told_at = NULL, updated_at = clock_timestamp()
  WHERE c.customer_ref <> excluded.customer_ref
$$;

-- Keep the card that a customer saved, of each account that is this customer. What was told of
-- cards later (p_told_at, the provider's time) stays.
-- Returns applied, known, or unknown (no account is this customer yet).
-- Locks the customers' rows. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_method(
  p_provider text, p_mode text, p_customer_ref text, p_method_ref text, p_told_at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE provider_customers
  SET method_ref = p_method_ref, method_told_at = p_told_at, updated_at = clock_timestamp()
  WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref
    AND removed_at IS NULL AND method_ref IS DISTINCT FROM p_method_ref
    AND coalesce(method_told_at < p_told_at, true);
  IF FOUND THEN
    RETURN 'applied';
  END IF;
  PERFORM FROM provider_customers
  WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref;
  RETURN CASE WHEN FOUND THEN 'known' ELSE 'unknown' END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.save_method TO ducat_app, ducat_worker;

-- Forget a saved card that the provider no longer has, and switch off the auto-reloads that would
-- have charged it. Where its customer is known and has no card, an older word of one being saved
-- is from then on too late: it may be told after this.
-- Returns applied, or known (no account has it).
-- Locks the customers' rows, then what disable_auto_reload locks. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remove_method(
  p_provider text, p_mode text, p_customer_ref text, p_method_ref text, p_told_at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid;
  v_outcome text := 'known';
BEGIN
  FOR v_account_id IN
    UPDATE provider_customers
    SET method_ref = NULL, method_told_at = p_told_at, updated_at = clock_timestamp()
    WHERE provider = p_provider AND mode = p_mode AND method_ref = p_method_ref
      AND coalesce(method_told_at <= p_told_at, true)
    RETURNING account_id
  LOOP
    PERFORM disable_auto_reload(v_account_id, 'method_removed', p_provider);
    v_outcome := 'applied';
  END LOOP;
  UPDATE provider_customers SET method_told_at = p_told_at
  WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref
    AND method_ref IS NULL AND coalesce(method_told_at < p_told_at, true);
  RETURN v_outcome;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_method TO ducat_app, ducat_worker;

-- Forget a customer that the provider has deleted, with the saved card, and switch off the
-- auto-reloads that would have charged it. The next checkout makes a new one.
-- Returns applied, known, or unknown (no account is this customer yet).
-- Locks the customers' rows, then what disable_auto_reload locks. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remove_customer(
  p_provider text, p_mode text, p_customer_ref text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid;
  v_outcome text;
BEGIN
  PERFORM FROM provider_customers
  WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref;
  v_outcome := CASE WHEN FOUND THEN 'known' ELSE 'unknown' END;
  FOR v_account_id IN
    UPDATE provider_customers
    SET method_ref = NULL, removed_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE provider = p_provider AND mode = p_mode AND customer_ref = p_customer_ref
      AND removed_at IS NULL
    RETURNING account_id
  LOOP
    PERFORM disable_auto_reload(v_account_id, 'customer_removed', p_provider);
    v_outcome := 'applied';
  END LOOP;
  RETURN v_outcome;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_customer TO ducat_app, ducat_worker;
