-- Use as it is told: the lines of the roll-ups, added up by what a reader asks for.

DROP FUNCTION IF EXISTS ducat.sum_usage(uuid, date, date, text[], int);
-- What all accounts used, or only one: for administrators. Lines by p_group (of day, account,
-- style, model, feature, language, category), the days p_from to p_to (inclusive), the largest
-- first within a day, p_limit of them, 5,001 at most.
-- What is no item has no style: with a feature it is told of features, with anything but day and
-- account of items alone; all_features and all_items choose so for a total without naming any.
-- A custom plan: one account and all are two different queries. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.summarize_all_usage(
  p_only uuid, p_from date, p_to date, p_group text[], p_limit int)
RETURNS TABLE (
  day date, account uuid, style text, model text, feature text, language text, category text,
  completed numeric, failed numeric, canceled numeric, batch_items numeric, amount numeric,
  charged numeric, paid_back numeric, consumed numeric, input_tokens numeric,
  output_tokens numeric, response_count numeric, response_ms numeric, response_ms_max bigint,
  response_buckets bigint[], costed numeric, provider_cost_micros numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY
  SELECT CASE WHEN 'day' = ANY (p_group) THEN u.day END,
    CASE WHEN 'account' = ANY (p_group) THEN u.account_id END,
    CASE WHEN 'style' = ANY (p_group) THEN u.style_id END,
    CASE WHEN 'model' = ANY (p_group) THEN u.model END,
    CASE WHEN 'feature' = ANY (p_group) THEN u.feature END,
    CASE WHEN 'language' = ANY (p_group) THEN u.language END,
    CASE WHEN 'category' = ANY (p_group) THEN u.category END,
    sum(u.completed), sum(u.failed), sum(u.canceled),
    coalesce(sum(u.completed + u.failed + u.canceled) FILTER (WHERE u.is_batch), 0),
    coalesce(sum(u.amount) FILTER (WHERE u.source = 'feature'), 0),
    coalesce(sum(u.charged) FILTER (WHERE u.source = 'generation'), 0),
    coalesce(sum(u.paid_back) FILTER (WHERE u.source = 'generation'), 0),
    coalesce(sum(u.charged - u.paid_back) FILTER (WHERE u.source = 'spend'), 0),
    sum(u.input_tokens), sum(u.output_tokens), sum(u.response_count), sum(u.response_ms),
    max(u.response_ms_max), ARRAY[
      sum(b[1]), sum(b[2]), sum(b[3]), sum(b[4]), sum(b[5]), sum(b[6]), sum(b[7]), sum(b[8]),
      sum(b[9]), sum(b[10]), sum(b[11]), sum(b[12]), sum(b[13]), sum(b[14]), sum(b[15]),
      sum(b[16])]::bigint[],
    sum(u.costed), sum(u.provider_cost_micros)
  FROM usage_rollups u, LATERAL (SELECT u.response_buckets AS b) AS classes
  WHERE u.day BETWEEN p_from AND p_to AND (p_only IS NULL OR u.account_id = p_only)
    AND CASE WHEN p_group && ARRAY['feature', 'all_features'] THEN u.source = 'feature'
      WHEN p_group <@ ARRAY['day', 'account'] THEN u.source <> 'feature'
      ELSE u.source = 'generation' END
  GROUP BY 1, 2, 3, 4, 5, 6, 7
  ORDER BY 1, sum(u.charged) DESC, sum(u.amount) DESC,
    sum(u.completed + u.failed + u.canceled) DESC, 2, 3, 4, 5, 6, 7
  LIMIT least(p_limit, 5001);
END $$;
GRANT EXECUTE ON FUNCTION ducat.summarize_all_usage TO ducat_app;

-- What one account used, see summarize_all_usage. Takes no lock; only its own lines.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.summarize_usage(
  p_account_id uuid, p_from date, p_to date, p_group text[], p_limit int)
RETURNS TABLE (
  day date, account uuid, style text, model text, feature text, language text, category text,
  completed numeric, failed numeric, canceled numeric, batch_items numeric, amount numeric,
  charged numeric, paid_back numeric, consumed numeric, input_tokens numeric,
  output_tokens numeric, response_count numeric, response_ms numeric, response_ms_max bigint,
  response_buckets bigint[], costed numeric, provider_cost_micros numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM account_time(p_account_id);
  RETURN QUERY
  SELECT * FROM summarize_all_usage(p_account_id, p_from, p_to, p_group, p_limit);
END $$;
GRANT EXECUTE ON FUNCTION ducat.summarize_usage TO ducat_app;

-- What items brought, by p_group (of day, account, style, model) and currency, in millionths of the
-- currency's smallest unit. p_keys: [[day, account, style, model]], only of these lines (null where
-- p_group has no such name), so that no more is told than a reader shows; null: of all. Of all
-- accounts, or only one: for administrators. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.summarize_revenue(
  p_only uuid, p_from date, p_to date, p_group text[], p_keys jsonb)
RETURNS TABLE (
  day date, account uuid, style text, model text, currency text, amount_micros numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY
  SELECT s.* FROM (
    SELECT CASE WHEN 'day' = ANY (p_group) THEN r.day END AS day,
      CASE WHEN 'account' = ANY (p_group) THEN r.account_id END AS account,
      CASE WHEN 'style' = ANY (p_group) THEN r.style_id END AS style,
      CASE WHEN 'model' = ANY (p_group) THEN r.model END AS model, r.currency,
      sum(r.amount_micros) AS amount_micros
    FROM revenue_rollups r
    WHERE r.day BETWEEN p_from AND p_to AND (p_only IS NULL OR r.account_id = p_only)
    GROUP BY 1, 2, 3, 4, 5) AS s
  WHERE p_keys IS NULL OR jsonb_build_array(s.day, s.account, s.style, s.model) IN (
    SELECT k.value FROM jsonb_array_elements(p_keys) AS k)
  ORDER BY 1, 2, 3, 4, 5;
END $$;
GRANT EXECUTE ON FUNCTION ducat.summarize_revenue TO ducat_app;

-- When the newest of these days was last summed up: null when it was not yet.
CREATE OR REPLACE FUNCTION ducat.read_rollup_age(
  p_from date, p_to date, OUT computed_at timestamptz, OUT pending_days int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT (SELECT nullif(d.computed_at, '-infinity') FROM rollup_days d
          WHERE d.day <= p_to ORDER BY d.day DESC LIMIT 1),
    (SELECT count(*)::int FROM rollup_days d
     WHERE d.day BETWEEN p_from AND p_to AND d.computed_at = '-infinity')
$$;
GRANT EXECUTE ON FUNCTION ducat.read_rollup_age TO ducat_app;
