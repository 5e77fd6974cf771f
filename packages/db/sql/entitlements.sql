-- What an account may do now: its plan, its passes, what an administrator said instead, and what
-- of it is used. One rule for everybody who asks: list_allowed. All times are the account's.
--
-- The plan is the one of the newest subscription that gives access, else the default plan of its
-- kind of account. Of plan and passes the more generous value counts; an override goes before both.

-- What a subscription is at a moment, whatever has not been written down yet: one of ours is past
-- due from the end of what is paid, and over when the grace is. Paused with `free` gives access.
-- changes_at: when this answer changes by itself; null when it doesn't.
CREATE OR REPLACE FUNCTION ducat.subscription_state(
  p_subscription ducat.subscriptions, p_grace_days int, p_at timestamptz,
  OUT status text, OUT is_live boolean, OUT changes_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_own boolean := p_subscription.provider_ref IS NULL;
  v_grace interval := make_interval(days => p_grace_days);
  v_paid timestamptz := p_subscription.period_end;
  v_end timestamptz;
BEGIN
  IF v_own AND v_paid <= p_at THEN
    v_paid := paid_until(p_subscription);
  END IF;
  v_end := least(p_subscription.cancel_at, CASE
    WHEN v_own THEN v_paid + v_grace
    WHEN p_subscription.status = 'past_due' THEN p_subscription.past_due_at + v_grace END);
  status := CASE
    WHEN p_subscription.status IN ('canceled', 'incomplete') THEN p_subscription.status
    WHEN p_subscription.cancel_at <= p_at OR v_own AND v_end <= p_at THEN 'canceled'
    WHEN v_own AND p_subscription.status = 'active' AND v_paid <= p_at THEN 'past_due'
    ELSE p_subscription.status END;
  is_live := coalesce(v_end > p_at, true) AND (status IN ('trialing', 'active', 'past_due')
    OR status = 'paused' AND p_subscription.pause = 'free');
  SELECT min(m) INTO changes_at
  FROM unnest(ARRAY[v_end, v_paid, p_subscription.period_end, p_subscription.trial_ends_at]) AS m
  WHERE m > p_at;
END $$;

-- The day that a subscription's months are counted from: of monthly periods the first one's, as
-- long as they follow it, so that the 31st comes back after February. After a trial or a change of
-- plan they follow another day: of a month that ends on a later day than it began on, its end's
-- (48 months before it, which has every day that the end can have).
CREATE OR REPLACE FUNCTION ducat.anchor_of(p_subscription ducat.subscriptions)
RETURNS timestamptz LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN (p_subscription).period_start IS NULL
      OR (p_subscription).interval = 'month'
        AND end_of_period((p_subscription).started_at, (p_subscription).period_start, 0)
          = (p_subscription).period_start
    THEN (p_subscription).started_at
    WHEN (p_subscription).interval = 'month'
      AND add_months((p_subscription).period_start, 1) <> (p_subscription).period_end
      AND add_months((p_subscription).period_end, -1) = (p_subscription).period_start
    THEN add_months((p_subscription).period_end, -48)
    ELSE (p_subscription).period_start END
$$;

-- The month of an anchor that a moment falls into: the anchor's day, or a shorter month's last.
CREATE OR REPLACE FUNCTION ducat.anchored_month(
  p_anchor timestamptz, p_at timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql IMMUTABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_anchor timestamp := p_anchor AT TIME ZONE 'UTC';
  v_at timestamp := p_at AT TIME ZONE 'UTC';
  v_n int := (extract(year FROM v_at) - extract(year FROM v_anchor)) * 12
    + extract(month FROM v_at) - extract(month FROM v_anchor);
BEGIN
  IF add_months(p_anchor, v_n) > p_at THEN
    v_n := v_n - 1;
  END IF;
  starts_at := add_months(p_anchor, greatest(v_n, 0));
  ends_at := add_months(p_anchor, greatest(v_n, 0) + 1);
END $$;

-- The plan that accounts of a kind have when they pay for none; all null when there is none.
CREATE OR REPLACE FUNCTION ducat.find_default_plan(p_kind text) RETURNS ducat.products
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT * FROM products
  WHERE is_active AND is_default AND kind = 'plan' AND coalesce(audience, p_kind) = p_kind
  LIMIT 1
$$;

-- What an account stands on: its kind, its time, the subscription that gives access (null: none),
-- how the newest one stands (`none`: never had one), its plan, the day its months are counted from
-- and when the period that was paid ends.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.find_standing(
  p_account_id uuid, OUT kind text, OUT at timestamptz, OUT clock_offset interval,
  OUT status text, OUT subscription ducat.subscriptions, OUT plan ducat.products,
  OUT anchor timestamptz, OUT until timestamptz, OUT changes_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  SELECT a.kind, a.created_at, c.clock_offset, clock_timestamp() + c.clock_offset AS at INTO v
  FROM accounts a JOIN credit_accounts c ON c.account_id = a.id WHERE a.id = p_account_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  END IF;
  kind := v.kind;
  at := v.at;
  clock_offset := v.clock_offset;
  anchor := v.created_at;
  SELECT s AS subscribed, d AS product, t.* INTO v
  FROM subscriptions s JOIN products d ON d.id = s.product_id
  CROSS JOIN LATERAL subscription_state(s, d.grace_days, v.at) t
  WHERE s.account_id = p_account_id AND s.status <> 'incomplete'
  ORDER BY t.is_live DESC, s.id DESC LIMIT 1;
  status := coalesce(v.status, 'none');
  IF v.is_live THEN
    subscription := v.subscribed;
    plan := v.product;
    changes_at := v.changes_at;
    anchor := anchor_of(subscription);
    until := CASE WHEN subscription.period_end > at THEN subscription.period_end END;
  ELSE
    plan := find_default_plan(kind);
  END IF;
END $$;

-- What plan, passes and overrides together allow: a row for each feature, or for p_feature. A pass
-- that is bound to a subject counts when it is p_subject. A limit of null has no end. Limits of a
-- `request` and stocks that are spent have no counter: period_start is null.
CREATE OR REPLACE FUNCTION ducat.list_allowed(
  p_account_id uuid, p_at timestamptz, p_plan ducat.products, p_anchor timestamptz,
  p_until timestamptz, p_feature text DEFAULT NULL, p_subject text DEFAULT NULL)
RETURNS TABLE (
  feature text, definition jsonb, kind text, counts text, is_enabled boolean, "limit" bigint,
  source text, period_start timestamptz, resets_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH given AS (
    SELECT f.key, f.value, 'plan' AS source
    FROM jsonb_each(p_plan.features) f WHERE p_feature IS NULL OR f.key = p_feature
    UNION ALL
    SELECT f.key, f.value, 'pass'
    FROM passes s JOIN products d ON d.id = s.product_id CROSS JOIN jsonb_each(d.features) f
    WHERE s.account_id = p_account_id AND s.revoked_at IS NULL
      AND s.starts_at <= p_at AND s.ends_at > p_at
      AND (s.subject IS NULL OR s.subject = p_subject)
      AND (p_feature IS NULL OR f.key = p_feature)
      AND coalesce(p_plan.features -> f.key ->> 'kind', f.value ->> 'kind') = f.value ->> 'kind'
  ), best AS (
    SELECT DISTINCT ON (key) key, value, source, value ->> 'kind' AS kind,
           coalesce(p_plan.features -> key, value) AS definition
    FROM given
    ORDER BY key, value -> 'enabled' DESC NULLS LAST, value -> 'limit' = 'null' DESC NULLS LAST,
             (value ->> 'limit')::bigint DESC NULLS LAST, source DESC
  ), decided AS (
    SELECT b.key, b.definition - '{enabled,limit}'::text[] AS definition, b.kind,
           CASE WHEN o.feature IS NULL THEN b.source ELSE 'override' END AS source,
           coalesce(o.value, b.value -> CASE b.kind WHEN 'flag' THEN 'enabled' ELSE 'limit' END)
             AS value
    FROM best b LEFT JOIN feature_overrides o
      ON o.account_id = p_account_id AND o.feature = b.key
      AND (o.expires_at IS NULL OR o.expires_at > p_at)
      AND CASE b.kind WHEN 'flag' THEN jsonb_typeof(o.value) = 'boolean'
                      ELSE jsonb_typeof(o.value) IN ('number', 'null') END
  )
  SELECT d.key, d.definition, d.kind, d.definition ->> 'counts',
    CASE d.kind WHEN 'flag' THEN d.value::boolean END,
    CASE WHEN d.kind <> 'flag' THEN (d.value #>> '{}')::bigint END, d.source,
    CASE WHEN d.definition ->> 'counts' = 'held' THEN '-infinity' ELSE p.starts_at END, p.ends_at
  FROM decided d CROSS JOIN LATERAL period_of(d.definition, p_at, p_anchor, p_until) p;
END $$;

-- The period of a limit that a moment falls into; both null for what has none.
CREATE OR REPLACE FUNCTION ducat.period_of(
  p_definition jsonb, p_at timestamptz, p_anchor timestamptz, p_until timestamptz,
  OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_period text := p_definition ->> 'period';
  v_month record;
BEGIN
  IF v_period = 'month' AND p_definition ->> 'reset' = 'anchor' THEN
    v_month := anchored_month(p_anchor, p_at);
    starts_at := v_month.starts_at;
    ends_at := least(v_month.ends_at, p_until);
  ELSIF v_period IN ('hour', 'day', 'month') THEN
    starts_at := date_trunc(v_period, p_at, 'UTC');
    ends_at := CASE v_period WHEN 'month' THEN add_months(starts_at, 1)
                             WHEN 'day' THEN starts_at + interval '24 hours'
                             ELSE starts_at + interval '1 hour' END;
  END IF;
END $$;

-- What one feature allows an account now, as in list_allowed; no row when its catalog has no such
-- feature. Internal: for whoever takes a quota in a transaction of its own.
--   DU003 not_found   no such account
CREATE OR REPLACE FUNCTION ducat.feature_limit(
  p_account_id uuid, p_feature text, p_subject text DEFAULT NULL)
RETURNS TABLE (
  feature text, definition jsonb, kind text, counts text, is_enabled boolean, "limit" bigint,
  source text, period_start timestamptz, resets_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v record := find_standing(p_account_id);
BEGIN
  RETURN QUERY
  SELECT * FROM list_allowed(p_account_id, v.at, v.plan, v.anchor, v.until, p_feature, p_subject);
END $$;

-- For each feature of p_features ({key: {kind, enabled | limit, counts?}}, what an account has) the
-- product on sale that allows more: the cheapest plan, for a stock that is spent else the cheapest
-- pack; no row where there is none. Cheap is what a month costs in the currency that the account
-- pays in, else in the one that most is sold in.
CREATE OR REPLACE FUNCTION ducat.list_upgrades(
  p_kind text, p_plan ducat.products, p_price_id uuid, p_features jsonb)
RETURNS TABLE (feature text, product text)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH sold AS (
    SELECT d.key, d.kind, d.position, d.features, d.allowances, r.currency,
           min(r.amount / CASE r.interval WHEN 'year' THEN 12.0 ELSE 1 END) AS cost
    FROM products d JOIN prices r ON r.product_id = d.id AND r.is_active
    WHERE d.is_active AND d.kind IN ('plan', 'pack') AND coalesce(d.audience, p_kind) = p_kind
    GROUP BY d.id, r.currency
  ), chosen AS (
    SELECT coalesce((SELECT currency FROM prices WHERE id = p_price_id),
      (SELECT mode() WITHIN GROUP (ORDER BY currency) FROM sold)) AS currency
  )
  SELECT DISTINCT ON (f.key) f.key, s.key
  FROM jsonb_each(p_features) f CROSS JOIN chosen JOIN sold s ON CASE
    WHEN f.value ->> 'kind' = 'flag' THEN
      f.value -> 'enabled' = 'false' AND s.features -> f.key -> 'enabled' = 'true'
    WHEN f.value ->> 'counts' = 'spent' THEN (s.allowances ->> f.key)::bigint
      > CASE s.kind WHEN 'plan' THEN coalesce((p_plan.allowances ->> f.key)::bigint, 0) ELSE 0 END
    ELSE s.features -> f.key -> 'limit' = 'null' AND f.value -> 'limit' <> 'null'
      OR (s.features -> f.key ->> 'limit')::bigint > (f.value ->> 'limit')::bigint END
  ORDER BY f.key, s.kind DESC, s.currency <> chosen.currency, s.cost, s.position;
END $$;

-- Everything that an account may do now, in one answer:
--   {account_id, kind, now, offset_s, plan {key, name} | null, status, trial {ends_at} | null,
--    period {start, end} | null, cancel_at, features {key: …}, passes [{id, product, subject,
--    starts_at, ends_at, features}], rate_limits, limits, upgrade {feature: product},
--    next_change_at}
-- A feature has the members of the catalog and: of a flag {enabled, source}; of a limit or of
-- places {limit | null, used, period_start, resets_at, source}; of a stock that is spent {granted,
-- remaining, source}. Those of `passes` are not in `features` when they are bound to a subject.
-- next_change_at: the soonest moment, by the account's time, at which it changes by itself.
--   DU003 not_found
-- Takes no lock.
CREATE OR REPLACE FUNCTION ducat.find_entitlements(p_account_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v record := find_standing(p_account_id);
  v_features jsonb;
  v_passes jsonb;
  v_resets_at timestamptz;
BEGIN
  SELECT coalesce(jsonb_object_agg(feature, described), '{}'), min(resets_at)
  INTO v_features, v_resets_at
  FROM (SELECT l.feature, l.resets_at, describe_allowed(p_account_id, v.at, l) AS described
        FROM list_allowed(p_account_id, v.at, v.plan, v.anchor, v.until) l) AS allowed;
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'product', d.key,
    'subject', p.subject, 'starts_at', p.starts_at, 'ends_at', p.ends_at, 'features', d.features)
    ORDER BY p.ends_at, p.id), '[]')
  INTO v_passes
  FROM passes p JOIN products d ON d.id = p.product_id
  WHERE p.account_id = p_account_id AND p.revoked_at IS NULL
    AND p.starts_at <= v.at AND p.ends_at > v.at;
  RETURN jsonb_build_object(
    'account_id', p_account_id, 'kind', v.kind, 'now', v.at,
    'offset_s', extract(epoch FROM v.clock_offset), 'status', v.status,
    'plan', CASE WHEN (v.plan).id IS NOT NULL THEN
      jsonb_build_object('key', (v.plan).key, 'name', (v.plan).name) END,
    'trial', CASE WHEN v.status = 'trialing' THEN
      jsonb_build_object('ends_at', (v.subscription).trial_ends_at) END,
    'period', CASE WHEN (v.subscription).period_start IS NOT NULL THEN jsonb_build_object(
      'start', (v.subscription).period_start, 'end', (v.subscription).period_end) END,
    'cancel_at', (v.subscription).cancel_at, 'features', v_features, 'passes', v_passes,
    'rate_limits', coalesce((v.plan).rate_limits, '{}'),
    'limits', coalesce((v.plan).limits, '{}'),
    'upgrade', (SELECT coalesce(jsonb_object_agg(u.feature, u.product), '{}')
      FROM list_upgrades(v.kind, v.plan, (v.subscription).price_id, v_features) u),
    'next_change_at', least(v.changes_at, v_resets_at, next_gift_change(p_account_id, v.at)));
END $$;
GRANT EXECUTE ON FUNCTION ducat.find_entitlements TO ducat_app, ducat_worker;

-- One feature of find_entitlements, from its row of list_allowed.
CREATE OR REPLACE FUNCTION ducat.describe_allowed(
  p_account_id uuid, p_at timestamptz, p_allowed record)
RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_stock record;
BEGIN
  IF p_allowed.kind = 'flag' THEN
    RETURN p_allowed.definition
      || jsonb_build_object('enabled', p_allowed.is_enabled, 'source', p_allowed.source);
  ELSIF p_allowed.counts = 'spent' THEN
    v_stock := count_stock(p_account_id, p_allowed.feature, p_at);
    RETURN p_allowed.definition || jsonb_build_object(
      'granted', v_stock.granted, 'remaining', v_stock.remaining, 'source', p_allowed.source);
  END IF;
  RETURN p_allowed.definition || jsonb_build_object(
    'limit', p_allowed."limit", 'period_start', p_allowed.period_start,
    'resets_at', p_allowed.resets_at, 'source', p_allowed.source,
    'used', coalesce((SELECT used FROM usage_counters WHERE account_id = p_account_id
      AND feature = p_allowed.feature AND period_start = p_allowed.period_start), 0));
END $$;

-- What is left of a stock that is spent, and of how much, by the grants that count at a moment.
CREATE OR REPLACE FUNCTION ducat.count_stock(
  p_account_id uuid, p_feature text, p_at timestamptz, OUT granted bigint, OUT remaining bigint)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(sum(amount), 0)::bigint, coalesce(sum(remaining), 0)::bigint
  FROM allowance_grants
  WHERE account_id = p_account_id AND feature = p_feature AND revoked_at IS NULL
    AND starts_at <= p_at AND (expires_at IS NULL OR expires_at > p_at)
$$;

-- When passes, overrides and stocks next begin or end after a moment; null when none does.
CREATE OR REPLACE FUNCTION ducat.next_gift_change(p_account_id uuid, p_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT min(m) FROM (
    SELECT CASE WHEN starts_at > p_at THEN starts_at ELSE ends_at END AS m FROM passes
    WHERE account_id = p_account_id AND revoked_at IS NULL AND ends_at > p_at
    UNION ALL
    SELECT expires_at FROM feature_overrides
    WHERE account_id = p_account_id AND expires_at > p_at
    UNION ALL
    SELECT CASE WHEN starts_at > p_at THEN starts_at ELSE expires_at END FROM allowance_grants
    WHERE account_id = p_account_id AND revoked_at IS NULL
      AND (starts_at > p_at OR expires_at > p_at)
  ) AS changes
$$;
