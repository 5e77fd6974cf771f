-- Write a document of the sandbox's books, whole, if its version is still p_version; 0 means that
-- there is none yet. Returns false when somebody else was faster. The times are the sandbox's own,
-- as those of any provider are. In live mode nothing calls it: there is no sandbox.
-- Locks the one row. Safe to retry: a repeat finds another version and returns false.
CREATE OR REPLACE FUNCTION ducat.put_sandbox_document(
  p_id text, p_document jsonb, p_version integer, p_due_at timestamptz, p_changed_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_version = 0 THEN
    INSERT INTO sandbox_documents (id, document, version, due_at, changed_at)
    VALUES (p_id, p_document, 1, p_due_at, p_changed_at)
    ON CONFLICT (id) DO NOTHING;
  ELSE
    UPDATE sandbox_documents
    SET document = p_document, version = version + 1, due_at = p_due_at, changed_at = p_changed_at
    WHERE id = p_id AND version = p_version;
  END IF;
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.put_sandbox_document TO ducat_app, ducat_worker;

-- The time of the account that an order (payments.reference) belongs to, in milliseconds: in test
-- mode the sandbox's subscriptions live by it. Rounded up, so that what is due by the account's
-- clock is due there too. Null where there is no such order. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_order_time(p_reference text) RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN (
    SELECT ceil(extract(epoch FROM clock_timestamp() + a.clock_offset) * 1000)
    FROM payments p JOIN credit_accounts a ON a.account_id = p.account_id
    WHERE p.reference = p_reference);
END $$;
GRANT EXECUTE ON FUNCTION ducat.read_order_time TO ducat_app, ducat_worker;

-- What the pages of an account's subscription orders are called at a provider, the newest 20.
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_subscription_pages(p_account_id uuid, p_provider text)
RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT t.provider_ref FROM payments p
  JOIN payment_attempts t ON t.payment_id = p.id AND t.account_id = p.account_id
  WHERE p.account_id = p_account_id AND p.provider = p_provider AND p.purpose = 'subscription'
    AND t.kind = 'checkout' AND t.provider_ref IS NOT NULL
  ORDER BY t.created_at DESC LIMIT 20
$$;
GRANT EXECUTE ON FUNCTION ducat.list_subscription_pages TO ducat_app, ducat_worker;
