-- The catalog: what is sold. Only push_catalog writes products and prices.

-- Of the release before, whose callers go on with the first two parameters.
DROP FUNCTION IF EXISTS ducat.push_catalog(jsonb, boolean);

-- Make the database sell what p_catalog says: {catalog, trial_credits, products: [a row of products
-- with `prices`: [{provider, currency, interval, amount, provider_ref}]]}, each member given.
-- Nothing is deleted: what left the catalog is retired, a price of another amount or reference is
-- retired for a new row, and what comes back is restored. A provider's own price that is not
-- listed stays while the general one says the same amount: `catalog push` made it.
-- Returns what changed: [{action: add | change | retire | restore, what: product | price | setting,
-- product?, price?, before?, after?}]; [] for the same again. With p_dry_run nothing is written.
-- What is not the same again becomes the next row of catalog_versions, with p_document, the file
-- that the rows were made of (json, because the order of its features means something). p_audit
-- {actor, request_id, ip} leaves an audit line, changes or not.
--   DU006 invalid_state       a product's kind changed; {reason, product}
--   DU007 validation_failed   an amount below 1, or not one default plan for users and one for
--                             vendors; {reason, …}
-- One at a time. Locks what it changes. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.push_catalog(
  p_catalog jsonb, p_dry_run boolean DEFAULT false, p_document json DEFAULT NULL,
  p_audit jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_changes jsonb := '[]';
  v_product jsonb;
  v_version int;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.push_catalog'));
  BEGIN
    v_changes := retire_products(ARRAY(
      SELECT p ->> 'key' FROM jsonb_array_elements(p_catalog -> 'products') AS p));
    FOR v_product IN SELECT * FROM jsonb_array_elements(p_catalog -> 'products') LOOP
      v_changes := v_changes || push_product(v_product);
    END LOOP;
    PERFORM refuse_defaults();
    v_changes := v_changes || push_setting('catalog', p_catalog -> 'catalog')
      || push_setting('trial_credits', p_catalog -> 'trial_credits');
    PERFORM seed_base_refills();
    v_version := keep_catalog_version(p_catalog, p_document, v_changes, p_audit);
    IF p_dry_run THEN
      RAISE EXCEPTION USING ERRCODE = 'DRYRN'; -- undoes this block, and keeps v_changes
    END IF;
    IF p_audit IS NOT NULL THEN
      PERFORM audit(NULL, 'catalog.push', 'catalog', v_version::text, p_audit, jsonb_build_object(
        'catalog', p_catalog -> 'catalog', 'changes', jsonb_array_length(v_changes)));
    END IF;
  EXCEPTION WHEN SQLSTATE 'DRYRN' THEN
    NULL;
  END;
  RETURN v_changes;
END $$;

-- push_catalog for an operator of the API: always with its audit line.
CREATE OR REPLACE FUNCTION ducat.publish_catalog(
  p_catalog jsonb, p_dry_run boolean, p_document json, p_audit jsonb)
RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT push_catalog(p_catalog, p_dry_run, p_document, coalesce(p_audit, '{}'))
$$;
GRANT EXECUTE ON FUNCTION ducat.publish_catalog TO ducat_app;

-- Keep what was pushed as the next version, unless it is what the last one was. Returns the number
-- of the version that is in force. The caller pushes, one at a time. Internal.
CREATE OR REPLACE FUNCTION ducat.keep_catalog_version(
  p_catalog jsonb, p_document json, p_changes jsonb, p_audit jsonb)
RETURNS int LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_last catalog_versions;
BEGIN
  SELECT * INTO v_last FROM catalog_versions ORDER BY version DESC LIMIT 1;
  IF v_last.version IS NOT NULL AND p_changes = '[]' AND v_last.rows = p_catalog
     AND (p_document IS NULL OR p_document::text = v_last.document::text) THEN
    RETURN v_last.version;
  END IF;
  INSERT INTO catalog_versions (version, catalog, document, rows, changes, pushed_by)
  VALUES (coalesce(v_last.version, 0) + 1, p_catalog ->> 'catalog', p_document, p_catalog,
    p_changes, coalesce(p_audit ->> 'actor', 'start'))
  RETURNING * INTO v_last;
  RETURN v_last.version;
END $$;

-- Begin to change prices at a provider for a push, which takes a while and several requests: nobody
-- else does for p_lease_s seconds. Leaves the audit line `catalog.prices`. Returns the token that
-- end_catalog_push takes; null while somebody else is at it.
-- Locks the row `lease:catalog` of admin_config. A repeat returns null until the first has ended.
CREATE OR REPLACE FUNCTION ducat.begin_catalog_push(
  p_catalog text, p_lease_s int, p_audit jsonb)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_token uuid := gen_random_uuid();
BEGIN
  INSERT INTO admin_config AS c (key, value, requires_admin)
  VALUES ('lease:catalog', jsonb_build_object('token', v_token,
    'until', clock_timestamp() + make_interval(secs => p_lease_s)), true)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = clock_timestamp()
  WHERE (c.value ->> 'until')::timestamptz <= clock_timestamp();
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM audit(NULL, 'catalog.prices', 'catalog', p_catalog, p_audit, '{}');
  RETURN v_token;
END $$;
GRANT EXECUTE ON FUNCTION ducat.begin_catalog_push TO ducat_app;

-- Let the next push change prices. False when the lease was over and is another's.
-- Locks the row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.end_catalog_push(p_token uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  DELETE FROM admin_config WHERE key = 'lease:catalog' AND value ->> 'token' = p_token::text;
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.end_catalog_push TO ducat_app;

-- Retire every active product whose key is not in p_keys, with its prices; returns the changes.
CREATE OR REPLACE FUNCTION ducat.retire_products(p_keys text[]) RETURNS jsonb
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  WITH gone AS (
    UPDATE products SET is_active = false, is_default = false, updated_at = clock_timestamp()
    WHERE is_active AND key <> ALL (p_keys) RETURNING id, key, position
  ), unsold AS (
    UPDATE prices SET is_active = false
    WHERE is_active AND product_id IN (SELECT id FROM gone)
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object(
    'action', 'retire', 'what', 'product', 'product', key) ORDER BY position, key), '[]')
  FROM gone
$$;

-- Write one product of a catalog and its prices; returns the changes.
--   DU006 invalid_state   it is of another kind than the product of this key
-- Locks the product's row and those of its prices that change.
CREATE OR REPLACE FUNCTION ducat.push_product(p_product jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_old products;
  v_new products;
  v_change jsonb := jsonb_build_object('what', 'product', 'product', p_product -> 'key');
BEGIN
  SELECT * INTO v_old FROM products WHERE key = p_product ->> 'key' FOR UPDATE;
  IF v_old.kind <> p_product ->> 'kind' THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('reason', 'kind_changed', 'product', v_old.key));
  END IF;
  v_new := jsonb_populate_record(v_old, '{"limits": {}}' || p_product || '{"is_active": true}');
  IF v_old.id IS NULL THEN
    v_new.id := uuid_v7();
    v_new.created_at := clock_timestamp();
    v_new.updated_at := v_new.created_at;
    INSERT INTO products VALUES (v_new.*);
    RETURN jsonb_build_array(v_change || '{"action": "add"}') || push_prices(v_new, p_product);
  ELSIF v_new IS NOT DISTINCT FROM v_old THEN
    RETURN push_prices(v_new, p_product);
  END IF;
  UPDATE products SET
    name = v_new.name, description = v_new.description, audience = v_new.audience,
    credits = v_new.credits, bonus = v_new.bonus, trial_days = v_new.trial_days,
    trial_credits = v_new.trial_credits, rollover = v_new.rollover,
    rollover_cap = v_new.rollover_cap, grace_days = v_new.grace_days,
    valid_days = v_new.valid_days, needs_subject = v_new.needs_subject,
    features = v_new.features, allowances = v_new.allowances, rate_limits = v_new.rate_limits,
    limits = v_new.limits, is_default = v_new.is_default, is_active = true,
    position = v_new.position, updated_at = clock_timestamp()
  WHERE id = v_old.id;
  RETURN jsonb_build_array(v_change
    || jsonb_build_object('action', CASE WHEN v_old.is_active THEN 'change' ELSE 'restore' END)
    || diff_members(to_jsonb(v_old), to_jsonb(v_new))) || push_prices(v_new, p_product);
END $$;

-- Make the prices of a product those of p_product; returns the changes. A general price (provider
-- null) keeps the row that a provider has for the same amount, whose reference it doesn't know.
--   DU007 validation_failed   an amount below 1
CREATE OR REPLACE FUNCTION ducat.push_prices(p_row ducat.products, p_product jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_wanted jsonb := coalesce(p_product -> 'prices', '[]');
  v_old prices;
  v_new prices;
  v_is_kept boolean;
  v_changes jsonb := '[]';
BEGIN
  FOR v_old IN SELECT * FROM prices WHERE product_id = p_row.id AND is_active ORDER BY id LOOP
    SELECT coalesce(bool_or(
        w.provider IS NOT DISTINCT FROM v_old.provider
          AND coalesce(w.provider_ref = v_old.provider_ref, true)
        OR w.provider IS NULL AND v_old.provider_ref IS NOT NULL AND NOT EXISTS (
          SELECT FROM jsonb_populate_recordset(NULL::prices, v_wanted) AS own
          WHERE own.provider = v_old.provider AND own.currency = w.currency
            AND own.interval = w.interval)), false)
    INTO v_is_kept FROM jsonb_populate_recordset(NULL::prices, v_wanted) AS w
    WHERE w.currency = v_old.currency AND w.interval = v_old.interval AND w.amount = v_old.amount;
    CONTINUE WHEN v_is_kept;
    UPDATE prices SET is_active = false WHERE id = v_old.id;
    v_changes := v_changes || describe_price('retire', p_row.key, v_old);
  END LOOP;
  FOR v_new IN SELECT * FROM jsonb_populate_recordset(NULL::prices, v_wanted) LOOP
    IF v_new.amount IS NULL OR v_new.amount < 1 THEN
      PERFORM refuse('DU007', 'validation_failed', jsonb_build_object(
        'reason', 'amount', 'product', p_row.key, 'amount', v_new.amount));
    END IF;
    v_changes := v_changes || push_price(p_row, v_new);
  END LOOP;
  RETURN v_changes;
END $$;

-- Make one price be on sale: the active row of this amount, given the reference that it had not,
-- else a retired one of the same amount and reference, else a new row. Returns the changes.
CREATE OR REPLACE FUNCTION ducat.push_price(p_row ducat.products, p_price ducat.prices)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_found prices;
BEGIN
  SELECT * INTO v_found FROM prices
  WHERE product_id = p_row.id AND provider IS NOT DISTINCT FROM p_price.provider
    AND currency = p_price.currency AND interval = p_price.interval AND amount = p_price.amount
    AND (is_active OR provider_ref IS NOT DISTINCT FROM p_price.provider_ref)
  ORDER BY is_active DESC, id DESC LIMIT 1 FOR UPDATE;
  IF v_found.id IS NULL THEN
    INSERT INTO prices (product_id, provider, currency, interval, amount, provider_ref)
    VALUES (p_row.id, p_price.provider, p_price.currency, p_price.interval, p_price.amount,
      p_price.provider_ref);
    RETURN describe_price('add', p_row.key, p_price);
  END IF;
  p_price.provider_ref := coalesce(v_found.provider_ref, p_price.provider_ref);
  IF v_found.is_active AND v_found.provider_ref IS NOT DISTINCT FROM p_price.provider_ref THEN
    RETURN '[]';
  END IF;
  UPDATE prices SET is_active = true, provider_ref = p_price.provider_ref WHERE id = v_found.id;
  RETURN describe_price(CASE WHEN v_found.is_active THEN 'change' ELSE 'restore' END, p_row.key,
    p_price);
END $$;

-- One line of the list of changes about a price.
CREATE OR REPLACE FUNCTION ducat.describe_price(
  p_action text, p_product text, p_price ducat.prices)
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_array(jsonb_build_object('action', p_action, 'what', 'price',
    'product', p_product, 'price', jsonb_build_object(
      'provider', p_price.provider, 'currency', p_price.currency, 'interval', p_price.interval,
      'amount', p_price.amount, 'provider_ref', p_price.provider_ref)))
$$;

-- The members of two rows that differ: {before: {…}, after: {…}}.
CREATE OR REPLACE FUNCTION ducat.diff_members(p_before jsonb, p_after jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('before', coalesce(jsonb_object_agg(key, p_before -> key), '{}'),
                            'after', coalesce(jsonb_object_agg(key, value), '{}'))
  FROM jsonb_each(p_after) WHERE value IS DISTINCT FROM p_before -> key
$$;

-- Write one setting that the catalog has; returns the change. Null leaves it as it is, and so does
-- an operator who has set it: their word counts until they take it back (reset_setting).
CREATE OR REPLACE FUNCTION ducat.push_setting(p_key text, p_value jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before admin_config;
BEGIN
  SELECT * INTO v_before FROM admin_config WHERE key = p_key;
  IF p_value IS NULL OR p_value = 'null' OR p_value = v_before.value
     OR v_before.updated_by IS NOT NULL THEN
    RETURN '[]';
  END IF;
  INSERT INTO admin_config AS c (key, value) VALUES (p_key, p_value)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = clock_timestamp()
  WHERE c.updated_by IS NULL;
  PERFORM drop_cached('settings');
  RETURN jsonb_build_array(jsonb_build_object(
    'action', CASE WHEN v_before.key IS NULL THEN 'add' ELSE 'change' END, 'what', 'setting',
    'setting', p_key, 'before', v_before.value, 'after', p_value));
END $$;

-- Refuse a list of products that leaves somebody without a plan, or with two.
--   DU007 validation_failed
CREATE OR REPLACE FUNCTION ducat.refuse_defaults() RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_audience text;
BEGIN
  FOREACH v_audience IN ARRAY ARRAY['user', 'vendor'] LOOP
    IF 1 <> (SELECT count(*) FROM products
             WHERE is_active AND is_default AND kind = 'plan'
               AND coalesce(audience, v_audience) = v_audience) THEN
      PERFORM refuse('DU007', 'validation_failed', jsonb_build_object(
        'reason', 'default_plan', 'audience', v_audience));
    END IF;
  END LOOP;
END $$;
