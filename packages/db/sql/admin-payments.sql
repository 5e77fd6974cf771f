-- Payments of every account, for administrators.

-- As the former release had it.
DROP FUNCTION IF EXISTS ducat.search_payments(int, uuid, text, text, text, text, uuid);

-- Payments newest first, before p_before_id and not before p_floor (ids), up to p_limit (1001 at
-- most), by any of the filters: p_text is one payment's id, our reference, the receipt's number, or
-- what the provider calls payment or invoice; p_min and p_max are of what was charged, else asked.
-- Each with its product's key, whether a dispute is open, and its refunds, newest first, 20 at
-- most. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.search_payments(
  p_limit int, p_account_id uuid DEFAULT NULL, p_provider text DEFAULT NULL,
  p_status text DEFAULT NULL, p_purpose text DEFAULT NULL, p_text text DEFAULT NULL,
  p_before_id uuid DEFAULT NULL, p_floor uuid DEFAULT NULL, p_from timestamptz DEFAULT NULL,
  p_to timestamptz DEFAULT NULL, p_min bigint DEFAULT NULL, p_max bigint DEFAULT NULL,
  p_currency text DEFAULT NULL)
RETURNS TABLE (
  payment ducat.payments, product_key text, is_disputed boolean, refunds jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_ids uuid[];
BEGIN
  IF p_text IS NOT NULL THEN
    v_ids := list_meant_payments(p_text);
  END IF;
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  RETURN QUERY EXECUTE $query$
    SELECT p, (SELECT key FROM products WHERE id = p.product_id),
      EXISTS (SELECT FROM payment_disputes d
              WHERE d.payment_id = p.id AND d.status = 'opened'), (
      SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'status', r.status,
          'amount', r.amount, 'reason', r.reason, 'error', r.error, 'actor', r.actor,
          'created_at', r.created_at) ORDER BY r.id DESC), '[]')
      FROM (SELECT * FROM payment_refunds WHERE payment_id = p.id ORDER BY id DESC LIMIT 20) r)
    FROM payments p
    WHERE p.id < $1 AND p.id >= $2 AND ($3 IS NULL OR p.account_id = $3)
      AND ($4 IS NULL OR p.provider = $4) AND ($5 IS NULL OR p.status = $5)
      AND ($6 IS NULL OR p.purpose = $6) AND ($7 IS NULL OR p.id = ANY ($7))
      AND ($8 IS NULL OR p.created_at >= $8) AND ($9 IS NULL OR p.created_at < $9)
      AND ($10 IS NULL OR coalesce(p.charged, p.amount) >= $10)
      AND ($11 IS NULL OR coalesce(p.charged, p.amount) <= $11)
      AND ($12 IS NULL OR p.currency = $12)
    ORDER BY p.id DESC LIMIT least($13, 1001)$query$
  USING coalesce(p_before_id, last_id()), coalesce(p_floor, first_id()), p_account_id, p_provider,
    p_status, p_purpose, v_ids, p_from, p_to, p_min, p_max, p_currency, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.search_payments TO ducat_app;

-- The payments that p_text may name; each of these has an index.
CREATE OR REPLACE FUNCTION ducat.list_meant_payments(p_text text) RETURNS uuid[]
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(array_agg(id), '{}') FROM (
    SELECT id FROM payments
    WHERE id = CASE WHEN lower(p_text) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    THEN lower(p_text)::uuid END
    UNION SELECT id FROM payments WHERE reference = p_text
    UNION SELECT id FROM payments WHERE mode IN ('test', 'live') AND provider_ref = p_text
      AND provider IN ('stripe', 'lemonsqueezy', 'zarinpal', 'sandbox')
    UNION SELECT id FROM payments WHERE mode IN ('test', 'live') AND invoice_ref = p_text
      AND provider IN ('stripe', 'lemonsqueezy', 'zarinpal', 'sandbox')
    UNION (SELECT id FROM payments WHERE receipt_ref = p_text LIMIT 1000)) AS meant
$$;

-- Whose payment this is; null when there is none. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.find_payment_account(p_payment_id uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM payments WHERE id = p_payment_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_payment_account TO ducat_app;
