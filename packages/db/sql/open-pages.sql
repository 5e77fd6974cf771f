-- Let go of the right to ask for a payment's page that claim_opening gave, where no page came of
-- it: the next caller need not wait. Locks the payment. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.release_opening(p_payment_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE payments SET opening_until = NULL WHERE id = p_payment_id AND opening_until IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION ducat.release_opening TO ducat_app, ducat_worker;
