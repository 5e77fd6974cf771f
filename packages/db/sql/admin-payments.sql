-- Payments of every account, for administrators.

-- Payments newest first, before p_before_id, up to p_limit (101 at most), by any of the filters:
-- p_text is one payment's id, our reference, or what the provider calls payment or invoice.
-- Each with its product's key, whether a dispute is open, and its refunds, newest first, 20 at
-- most. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.search_payments(
  p_limit int, p_account_id uuid DEFAULT NULL, p_provider text DEFAULT NULL,
  p_status text DEFAULT NULL, p_purpose text DEFAULT NULL, p_text text DEFAULT NULL,
  p_before_id uuid DEFAULT NULL)
RETURNS TABLE (
  payment ducat.payments, product_key text, is_disputed boolean, refunds jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT p, (SELECT key FROM products WHERE id = p.product_id),
    EXISTS (SELECT FROM payment_disputes d
            WHERE d.payment_id = p.id AND d.status = 'opened'), (
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'status', r.status,
        'amount', r.amount, 'reason', r.reason, 'error', r.error, 'actor', r.actor,
        'created_at', r.created_at) ORDER BY r.id DESC), '[]')
    FROM (SELECT * FROM payment_refunds WHERE payment_id = p.id ORDER BY id DESC LIMIT 20) r)
  FROM payments p
  WHERE (p_account_id IS NULL OR p.account_id = p_account_id)
    AND (p_provider IS NULL OR p.provider = p_provider)
    AND (p_status IS NULL OR p.status = p_status)
    AND (p_purpose IS NULL OR p.purpose = p_purpose)
    AND (p_text IS NULL OR p.id::text = p_text OR p.reference = p_text
         OR p.provider_ref = p_text OR p.invoice_ref = p_text)
    AND (p_before_id IS NULL OR p.id < p_before_id)
  ORDER BY p.id DESC LIMIT least(p_limit, 101)
$$;
GRANT EXECUTE ON FUNCTION ducat.search_payments TO ducat_app;

-- Whose payment this is; null when there is none. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.find_payment_account(p_payment_id uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM payments WHERE id = p_payment_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_payment_account TO ducat_app;
