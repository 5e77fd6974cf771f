-- Whether the roll-ups are what their raw rows come to. Reads only.

-- Compare the roll-ups of a day with the raw rows: all of a final day, of another those hours that
-- have settled (summed up ten minutes after their end or later, with nothing left that ran). What
-- is marked to be summed up anew is passed over. Levels can't be counted again. Of features only
-- while their events are kept.
-- Returns {day, state: final | open | none, skipped: accounts passed over, differences: [{what,
-- account_id, key, rolled, raw}]}, at most 1,000 of them. Takes no lock. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.recount_day(p_day date) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_day rollup_days;
  v_hours smallint[] := ARRAY[24];
  v_skipped uuid[];
BEGIN
  SELECT * INTO v_day FROM rollup_days WHERE day = p_day;
  IF NOT FOUND OR EXISTS (SELECT FROM rollup_dirty_days
      WHERE scope = 'all' AND p_day BETWEEN from_day AND to_day) THEN
    RETURN jsonb_build_object('day', p_day, 'state', 'none', 'skipped', 0,
      'differences', '[]'::jsonb);
  END IF;
  IF NOT v_day.is_final THEN
    v_hours := ARRAY(SELECT hour_of(hour, false) FROM rollup_hours
      WHERE hour >= start_of(p_day) AND hour < start_of(p_day + 1)
        AND computed_at >= hour + interval '70 minutes' AND open = 0);
  END IF;
  v_skipped := ARRAY(SELECT DISTINCT account_id FROM rollup_dirty_days
    WHERE scope = 'usage' AND p_day BETWEEN from_day AND coalesce(to_day, utc_day()));
  RETURN jsonb_build_object('day', p_day, 'skipped', cardinality(v_skipped),
    'state', CASE WHEN v_day.is_final THEN 'final' ELSE 'open' END,
    'differences', (SELECT coalesce(jsonb_agg(to_jsonb(d)), '[]') FROM (
      SELECT * FROM recount_usage(v_day, v_hours, v_skipped)
      UNION ALL
      SELECT * FROM recount_revenue(v_day, v_hours, v_skipped)
      UNION ALL
      SELECT * FROM recount_stats(v_day, v_hours)
      LIMIT 1000) AS d));
END $$;
GRANT EXECUTE ON FUNCTION ducat.recount_day TO ducat_worker;

-- The lines of use that differ, of these hours and of all but these accounts.
CREATE OR REPLACE FUNCTION ducat.recount_usage(
  p_day ducat.rollup_days, p_hours smallint[], p_skipped uuid[])
RETURNS TABLE (what text, account_id uuid, key jsonb, rolled jsonb, raw jsonb)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_names constant text[] := ARRAY['account_id', 'day', 'hour', 'source', 'style_id',
    'style_version', 'model', 'feature', 'language', 'category', 'is_batch'];
BEGIN
  RETURN QUERY
  WITH found AS (
    SELECT u.* FROM usage_lines(start_of((p_day).day), start_of((p_day).day + 1), NULL,
      (p_day).is_final) u
    WHERE u.hour = ANY (p_hours) AND u.account_id <> ALL (p_skipped)
      AND ((p_day).day >= rollup_horizon() OR u.source <> 'feature')
  ), kept AS (
    SELECT u.* FROM usage_rollups u
    WHERE u.day = (p_day).day AND u.hour = ANY (p_hours) AND u.account_id <> ALL (p_skipped)
      AND ((p_day).day >= rollup_horizon() OR u.source <> 'feature')
  )
  SELECT 'usage', coalesce(f.account_id, k.account_id),
    coalesce(to_jsonb(f), to_jsonb(k)) - 'account_id'
      - ARRAY(SELECT n FROM jsonb_object_keys(coalesce(to_jsonb(f), to_jsonb(k))) n
              WHERE n <> ALL (v_names)),
    to_jsonb(k) - v_names, to_jsonb(f) - v_names
  FROM found f FULL JOIN kept k ON (f.account_id, f.day, f.hour, f.source, f.style_id,
      f.style_version, f.model, f.feature, f.language, f.category, f.is_batch)
    = (k.account_id, k.day, k.hour, k.source, k.style_id, k.style_version, k.model, k.feature,
      k.language, k.category, k.is_batch)
  WHERE f.* IS DISTINCT FROM k.*;
END $$;

-- The lines of revenue that differ.
CREATE OR REPLACE FUNCTION ducat.recount_revenue(
  p_day ducat.rollup_days, p_hours smallint[], p_skipped uuid[])
RETURNS TABLE (what text, account_id uuid, key jsonb, rolled jsonb, raw jsonb)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  WITH raw AS (
    SELECT * FROM revenue_lines(start_of((p_day).day), start_of((p_day).day + 1), NULL,
      (p_day).is_final) r
    WHERE r.hour = ANY (p_hours) AND r.account_id <> ALL (p_skipped)
  ), rolled AS (
    SELECT * FROM revenue_rollups r
    WHERE r.day = (p_day).day AND r.hour = ANY (p_hours) AND r.account_id <> ALL (p_skipped)
  )
  SELECT 'revenue', account_id, jsonb_build_object('day', day, 'hour', hour, 'style_id', style_id,
      'style_version', style_version, 'model', model, 'currency', currency),
    CASE WHEN o.amount_micros IS NOT NULL
      THEN jsonb_build_object('amount_micros', o.amount_micros) END,
    CASE WHEN w.amount_micros IS NOT NULL
      THEN jsonb_build_object('amount_micros', w.amount_micros) END
  FROM raw w FULL JOIN rolled o
    USING (account_id, day, hour, style_id, style_version, model, currency)
  WHERE w.amount_micros IS DISTINCT FROM o.amount_micros
$$;

-- The statistics that differ: of these hours, and those told by the day once that has settled.
CREATE OR REPLACE FUNCTION ducat.recount_stats(p_day ducat.rollup_days, p_hours smallint[])
RETURNS TABLE (what text, account_id uuid, key jsonb, rolled jsonb, raw jsonb)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  WITH day AS (
    SELECT (p_day).computed_at >= start_of((p_day).day + 1) + interval '10 minutes'
      AND NOT EXISTS (SELECT FROM rollup_dirty_days
        WHERE scope = 'day' AND from_day = (p_day).day) AS is_settled
  ), raw AS (
    SELECT * FROM stat_lines(start_of((p_day).day), start_of((p_day).day + 1), (p_day).is_final) s
    WHERE s.hour = ANY (p_hours)
    UNION ALL
    SELECT s.* FROM day CROSS JOIN LATERAL day_lines((p_day).day) s WHERE day.is_settled
    UNION ALL
    SELECT (p_day).day, 24::smallint, 'active_accounts', '{}'::jsonb, count(DISTINCT u.account_id)
    FROM usage_rollups u CROSS JOIN day
    WHERE day.is_settled AND u.day = (p_day).day HAVING count(*) > 0
  ), rolled AS (
    SELECT s.* FROM stat_rollups s CROSS JOIN day
    WHERE s.day = (p_day).day AND CASE WHEN s.name = ANY (day_names()) THEN day.is_settled
      ELSE s.hour = ANY (p_hours) AND s.name <> ALL (level_names()) END
  )
  SELECT 'statistic', NULL::uuid,
    jsonb_build_object('day', day, 'hour', hour, 'name', name, 'labels', labels),
    CASE WHEN o.value IS NOT NULL THEN jsonb_build_object('value', o.value) END,
    CASE WHEN w.value IS NOT NULL THEN jsonb_build_object('value', w.value) END
  FROM raw w FULL JOIN rolled o USING (day, hour, name, labels)
  WHERE w.value IS DISTINCT FROM o.value
$$;
