-- What raw rows come to: the lines of the roll-ups, computed from generations, items, ledger and
-- tracked use, never from other roll-ups. rollups.sql writes them, recount.sql compares them.
-- docs/statistics.md defines every number. Days and hours are UTC.

-- The bounds of the classes of response times, in ms: class 1 is below the first, class 16 from
-- the last on. src/usage-rollups.ts reads percentiles with the same.
CREATE OR REPLACE FUNCTION ducat.response_bounds() RETURNS int[]
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT ARRAY[100, 250, 500, 1000, 2000, 3000, 5000, 7500, 10000, 15000, 20000, 30000, 60000,
    120000, 300000]
$$;

-- A text of a request's params that use is told apart by: at most 64 characters, empty where it
-- has none. The API stores no NUL and no lone surrogate; what came another way counts as none
-- instead of breaking the hour for everybody. (This and those below that have no search path are
-- inlined: they are called for each item.)
CREATE OR REPLACE FUNCTION ducat.read_param(p_params json, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN strpos(p_params::text, '"' || p_key || '"') = 0
      OR p_params::text ~* '\\u(0000|d[89a-f])' THEN ''
    WHEN json_typeof(p_params -> p_key) = 'string' THEN btrim(left(btrim(p_params ->> p_key), 64))
    ELSE '' END
$$;

-- Likewise of an item: a row of a batch has params of its own, which come first.
CREATE OR REPLACE FUNCTION ducat.read_row_param(p_own jsonb, p_shared json, p_key text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT ducat.read_param(
    CASE WHEN p_own -> 'params' ? p_key THEN (p_own -> 'params')::json ELSE p_shared END, p_key)
$$;

-- A count that a provider told, or 0: workers check little of what they hand on.
CREATE OR REPLACE FUNCTION ducat.read_count(p_usage jsonb, p_key text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(p_usage -> p_key) = 'number'
    THEN least(greatest(trunc((p_usage ->> p_key)::numeric), 0), 1000000000000)::bigint
    ELSE 0 END
$$;

-- Who did the work of a style: its generator, and the model that its params name.
CREATE OR REPLACE FUNCTION ducat.model_of(p_style ducat.styles) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT left(coalesce(
    p_style.generator || coalesce(':' || nullif(p_style.params ->> 'model', ''), ''), ''), 200)
$$;

-- Lines of use from p_from until before p_to, of one account or of all. p_by_day: their hour is 24.
-- Of an account's languages and categories the 50 most frequent of each hour are told apart, of
-- equals the first by alphabet; the rest is `other`.
-- A custom plan: of one account and of all are two different queries. An hour's rows lie together,
-- so that their generations are better looked up than found by reading the whole table.
CREATE OR REPLACE FUNCTION ducat.usage_lines(
  p_from timestamptz, p_to timestamptz, p_account_id uuid DEFAULT NULL,
  p_by_day boolean DEFAULT false)
RETURNS SETOF ducat.usage_rollups LANGUAGE plpgsql STABLE
SET search_path = ducat, pg_temp SET plan_cache_mode = force_custom_plan
SET random_page_cost = 1.1 AS $$
BEGIN
  RETURN QUERY
  WITH items AS MATERIALIZED (
    SELECT i.account_id, date_trunc('hour', i.completed_at, 'UTC') AS at, g.style_id,
      g.style_version, model_of(s) AS model,
      read_row_param(i.input, g.params, 'language') AS language,
      read_row_param(i.input, g.params, 'category') AS category,
      i.input IS NOT NULL AS is_batch, i.status,
      i.captured, i.refunded, read_count(i.usage, 'input_tokens') AS input_tokens,
      read_count(i.usage, 'output_tokens') AS output_tokens, i.response_time_ms AS ms,
      width_bucket(i.response_time_ms, response_bounds()) + 1 AS class,
      i.provider_cost_micros AS micros, g.usage AS taken
    FROM generation_items i
    JOIN generations g ON g.account_id = i.account_id AND g.id = i.generation_id
    LEFT JOIN styles s ON s.id = g.style_id AND s.version = g.style_version
    WHERE i.completed_at >= p_from AND i.completed_at < p_to
      AND (p_account_id IS NULL OR i.account_id = p_account_id)
  ), names AS (
    SELECT account_id, at, kind, name, row_number() OVER (
        PARTITION BY account_id, at, kind ORDER BY count(*) DESC, name COLLATE "C") AS nth
    FROM items CROSS JOIN LATERAL (VALUES ('language', language), ('category', category))
      AS n (kind, name)
    WHERE name <> '' GROUP BY 1, 2, 3, 4
  ), rare AS (
    SELECT * FROM names WHERE nth > 50
  ), worked AS (
    SELECT i.account_id, i.at, i.style_id, i.style_version, i.model,
      CASE WHEN l.name IS NULL THEN i.language ELSE 'other' END AS language,
      CASE WHEN c.name IS NULL THEN i.category ELSE 'other' END AS category,
      i.is_batch, i.status, i.captured, i.refunded, i.input_tokens, i.output_tokens, i.ms,
      i.class, i.micros
    FROM items i
    LEFT JOIN rare l ON l.kind = 'language' AND l.account_id = i.account_id AND l.at = i.at
      AND l.name = i.language
    LEFT JOIN rare c ON c.kind = 'category' AND c.account_id = i.account_id AND c.at = i.at
      AND c.name = i.category
  )
  SELECT w.account_id, (w.at AT TIME ZONE 'UTC')::date, hour_of(w.at, p_by_day), 'generation',
    w.style_id, w.style_version, w.model, '', w.language, w.category, w.is_batch,
    count(*) FILTER (WHERE w.status = 'completed'), count(*) FILTER (WHERE w.status = 'failed'),
    count(*) FILTER (WHERE w.status = 'canceled'), 0::bigint,
    sum(w.captured)::bigint, sum(w.refunded)::bigint, sum(w.input_tokens)::bigint,
    sum(w.output_tokens)::bigint, count(w.ms), coalesce(sum(w.ms), 0)::bigint,
    coalesce(max(w.ms), 0)::bigint, ARRAY[
      count(*) FILTER (WHERE w.class = 1), count(*) FILTER (WHERE w.class = 2),
      count(*) FILTER (WHERE w.class = 3), count(*) FILTER (WHERE w.class = 4),
      count(*) FILTER (WHERE w.class = 5), count(*) FILTER (WHERE w.class = 6),
      count(*) FILTER (WHERE w.class = 7), count(*) FILTER (WHERE w.class = 8),
      count(*) FILTER (WHERE w.class = 9), count(*) FILTER (WHERE w.class = 10),
      count(*) FILTER (WHERE w.class = 11), count(*) FILTER (WHERE w.class = 12),
      count(*) FILTER (WHERE w.class = 13), count(*) FILTER (WHERE w.class = 14),
      count(*) FILTER (WHERE w.class = 15), count(*) FILTER (WHERE w.class = 16)],
    count(w.micros), coalesce(sum(w.micros), 0)::bigint
  FROM worked w GROUP BY 1, 2, 3, 5, 6, 7, 9, 10, 11
  UNION ALL
  SELECT u.account_id, (u.at AT TIME ZONE 'UTC')::date, hour_of(u.at, p_by_day), 'feature', '', 0,
    '', u.feature, '', '', false, 0, 0, 0, sum(u.amount)::bigint, 0, 0, 0, 0, 0, 0, 0,
    array_fill(0::bigint, ARRAY[16]), 0, 0
  FROM (
    SELECT l.account_id, date_trunc('hour', l.created_at, 'UTC') AS at,
      left(l.feature, 64) AS feature, l.amount
    FROM usage_logs l
    WHERE l.created_at >= p_from AND l.created_at < p_to AND l.released_at IS NULL
      AND (p_account_id IS NULL OR l.account_id = p_account_id)
    UNION ALL
    SELECT i.account_id, i.at, left(q.feature, 64), q.amount
    FROM items i CROSS JOIN LATERAL jsonb_to_recordset(i.taken) AS q (feature text, amount bigint)
    WHERE i.status = 'completed' AND q.amount > 0 AND left(q.feature, 1) <> '_'
  ) AS u GROUP BY 1, 2, 3, 8
  UNION ALL
  SELECT s.account_id, (s.at AT TIME ZONE 'UTC')::date, hour_of(s.at, p_by_day), 'spend', '', 0,
    '', '', '', '', false, 0, 0, 0, count(*) FILTER (WHERE s.amount < 0),
    coalesce(-sum(s.amount) FILTER (WHERE s.amount < 0), 0)::bigint,
    coalesce(sum(s.amount) FILTER (WHERE s.amount > 0), 0)::bigint, 0, 0, 0, 0, 0,
    array_fill(0::bigint, ARRAY[16]), 0, 0
  FROM (
    SELECT e.account_id, date_trunc('hour', e.created_at, 'UTC') AS at, e.amount
    FROM credit_entries e
    WHERE e.created_at >= p_from AND e.created_at < p_to
      AND (p_account_id IS NULL OR e.account_id = p_account_id)
      AND (e.type = 'usage' OR e.type = 'refund' AND e.hold_id IS NOT NULL)
  ) AS s GROUP BY 1, 2, 3;
END $$;

-- The hour of a line: 0 to 23, or 24 for the whole day.
CREATE OR REPLACE FUNCTION ducat.hour_of(p_at timestamptz, p_by_day boolean) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_by_day THEN 24
         ELSE extract(hour FROM p_at AT TIME ZONE 'UTC') END::smallint
$$;

-- How many credits a payment's money is spread over: those that it gave, and of what gives more
-- later (a year is paid at once and given by the month) those that were promised. What an update
-- gives is a difference, of which nothing was promised.
CREATE OR REPLACE FUNCTION ducat.credits_paid_for(
  p_granted bigint, p_promised bigint, p_reason text, p_interval text)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT greatest(1, p_granted, CASE WHEN p_reason = 'update' THEN 0
    WHEN p_interval = 'year' THEN 12 * p_promised ELSE p_promised END)
$$;

-- What a credit of a payment's grants has brought: net / credits of the currency's smallest unit.
CREATE OR REPLACE VIEW ducat.payment_worths WITH (security_invoker = true) AS
SELECT p.id, p.account_id, p.currency, greatest(p.charged - p.reversed, 0) AS net,
  ducat.credits_paid_for(p.credits_granted, p.credits, p.reason, r.interval) AS credits
FROM ducat.payments p LEFT JOIN ducat.prices r ON r.id = p.price_id
WHERE p.charged > 0;
GRANT SELECT ON ducat.payment_worths TO ducat_app, ducat_worker;

-- What the credits that were captured by items had cost, in millionths of the smallest unit: each
-- slice of a grant by itself, rounded down. An item's slices are where its price began in what its
-- generation took. Free grants have no line. Parameters are those of usage_lines.
CREATE OR REPLACE FUNCTION ducat.revenue_lines(
  p_from timestamptz, p_to timestamptz, p_account_id uuid DEFAULT NULL,
  p_by_day boolean DEFAULT false)
RETURNS SETOF ducat.revenue_rollups LANGUAGE plpgsql STABLE
SET search_path = ducat, pg_temp SET plan_cache_mode = force_custom_plan
SET random_page_cost = 1.1 AS $$
BEGIN
  RETURN QUERY
  SELECT i.account_id, (i.completed_at AT TIME ZONE 'UTC')::date,
    hour_of(i.completed_at, p_by_day), g.style_id, g.style_version, model_of(s),
    w.currency,
    sum(div(part.n::numeric * w.net * 1000000, w.credits))
  FROM generation_items i
  JOIN generations g ON g.account_id = i.account_id AND g.id = i.generation_id
  JOIN credit_entries e ON e.account_id = g.account_id AND e.seq = g.entry_seq
  CROSS JOIN LATERAL (
    SELECT (e.allocations #>> '{0,0}')::uuid AS grant_id, i.captured AS n
    WHERE jsonb_array_length(e.allocations) = 1
    UNION ALL
    SELECT a.grant_id, a.n FROM slice_allocations(e.allocations, i.cost_from, i.captured) a
    WHERE jsonb_array_length(e.allocations) > 1
  ) AS part
  JOIN credit_grants c ON c.account_id = i.account_id AND c.id = part.grant_id
  JOIN payment_worths w ON w.id = c.payment_id AND w.net > 0
  LEFT JOIN styles s ON s.id = g.style_id AND s.version = g.style_version
  WHERE i.completed_at >= p_from AND i.completed_at < p_to AND i.captured > 0
    AND (p_account_id IS NULL OR i.account_id = p_account_id)
  GROUP BY 1, 2, 3, 4, 5, 6, 7;
END $$;

-- Flows of the whole deployment, by the hour: items by how they ended, generations by their state
-- (of the hour in which they were asked for), credits by ledger line, trials.
CREATE OR REPLACE FUNCTION ducat.stat_lines(
  p_from timestamptz, p_to timestamptz, p_by_day boolean DEFAULT false)
RETURNS SETOF ducat.stat_rollups LANGUAGE plpgsql STABLE
SET search_path = ducat, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY
  SELECT (i.completed_at AT TIME ZONE 'UTC')::date, hour_of(i.completed_at, p_by_day), 'items',
    jsonb_strip_nulls(jsonb_build_object('status', i.status,
      'error_code', CASE i.status WHEN 'failed' THEN i.error_code END)), count(*)::numeric
  FROM generation_items i WHERE i.completed_at >= p_from AND i.completed_at < p_to
  GROUP BY 1, 2, 4
  UNION ALL
  SELECT (g.created_at AT TIME ZONE 'UTC')::date, hour_of(g.created_at, p_by_day), 'generations',
    jsonb_build_object('status', status_of(g)), count(*)
  FROM generations g WHERE g.created_at >= p_from AND g.created_at < p_to
  GROUP BY 1, 2, 4
  UNION ALL
  SELECT e.day, hour_of(e.at, p_by_day), n.name, n.labels, sum(n.value)
  FROM (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day,
      date_trunc('hour', created_at, 'UTC') AS at, type,
      sum(amount) FILTER (WHERE amount > 0) AS inflow,
      -sum(amount) FILTER (WHERE amount < 0) AS outflow, sum(debt_change) AS debt, count(*) AS n
    FROM credit_entries WHERE created_at >= p_from AND created_at < p_to
    GROUP BY 1, 2, 3
  ) AS e CROSS JOIN LATERAL (VALUES
    ('credits', jsonb_build_object('type', e.type, 'direction', 'in'), e.inflow),
    ('credits', jsonb_build_object('type', e.type, 'direction', 'out'), e.outflow),
    ('debt', '{}', nullif(e.debt, 0)),
    ('trials_granted', '{}', CASE e.type WHEN 'trial' THEN e.n END)
  ) AS n (name, labels, value)
  WHERE n.value IS NOT NULL
  GROUP BY 1, 2, 3, 4;
END $$;

-- Flows that are cheap to tell by the day: accounts that came and went, money by the day it was
-- paid (with what was given back of it by now), subscriptions that began and ended, trials that
-- became customers with their first payment.
CREATE OR REPLACE FUNCTION ducat.day_lines(p_day date) RETURNS SETOF ducat.stat_rollups
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  v_from timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
  v_to timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  RETURN QUERY
  SELECT p_day, 24::smallint, lines.name, lines.labels, lines.value FROM (
    SELECT 'accounts_created' AS name, jsonb_build_object('kind', a.kind) AS labels,
      count(*)::numeric AS value
    FROM accounts a WHERE a.created_at >= v_from AND a.created_at < v_to GROUP BY 2
    UNION ALL
    SELECT 'accounts_erased', jsonb_build_object('kind', a.kind), count(*)
    FROM accounts a WHERE a.erased_at >= v_from AND a.erased_at < v_to GROUP BY 2
    UNION ALL
    SELECT 'payments', jsonb_build_object('provider', p.provider, 'currency', p.currency,
      'measure', m.name), sum(m.value)
    FROM payments p CROSS JOIN LATERAL (VALUES ('count', 1), ('gross', p.charged),
      ('refunded', least(p.refunded, p.charged)), ('disputed', p.disputed),
      ('reversed', p.reversed)) AS m (name, value)
    WHERE p.paid_at >= v_from AND p.paid_at < v_to AND p.status = 'succeeded' AND p.charged > 0
    GROUP BY 2
    UNION ALL
    SELECT 'subscriptions_started', jsonb_build_object('provider', s.provider), count(*)
    FROM subscriptions s
    WHERE s.started_at >= v_from AND s.started_at < v_to AND is_counted(s) GROUP BY 2
    UNION ALL
    SELECT 'subscriptions_ended', jsonb_build_object('provider', s.provider), count(*)
    FROM subscriptions s
    WHERE s.ended_at >= v_from AND s.ended_at < v_to AND is_counted(s) GROUP BY 2
    UNION ALL
    SELECT 'trials_converted', '{}'::jsonb, count(*) FROM (
      SELECT DISTINCT p.account_id FROM payments p
      WHERE p.paid_at >= v_from AND p.paid_at < v_to AND p.charged > 0
        AND EXISTS (SELECT FROM credit_grants c
          WHERE c.account_id = p.account_id AND c.source = 'trial' AND c.created_at < v_to)
        AND NOT EXISTS (SELECT FROM payments b
          WHERE b.account_id = p.account_id AND b.paid_at < v_from AND b.charged > 0)) AS t
    HAVING count(*) > 0
  ) AS lines;
END $$;

-- Whether somebody pays for a subscription: it was begun, and not given by an administrator.
CREATE OR REPLACE FUNCTION ducat.is_counted(p_subscription ducat.subscriptions) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT p_subscription.provider <> 'manual' AND p_subscription.status <> 'incomplete'
    AND p_subscription.period_start IS NOT NULL
$$;

-- Levels as they are now: subscriptions by plan and status, what they bring a month, and the sums
-- of all balances. What a year brings counts by its twelfth, each currency rounded down; past_due
-- counts while its grace lasts, by the machine's time; what an administrator gave brings nothing.
CREATE OR REPLACE FUNCTION ducat.level_lines(p_day date) RETURNS SETOF ducat.stat_rollups
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT p_day, 24::smallint, lines.name, lines.labels, lines.value FROM (
    SELECT 'subscriptions' AS name, jsonb_build_object('plan', p.key, 'status', s.status,
      'is_manual', (s.provider = 'manual')::text) AS labels, count(*)::numeric AS value
    FROM subscriptions s JOIN products p ON p.id = s.product_id
    WHERE s.status NOT IN ('incomplete', 'canceled') GROUP BY 2
    UNION ALL
    SELECT 'mrr', jsonb_build_object('currency', r.currency),
      div(sum(r.amount * CASE r.interval WHEN 'year' THEN 1 ELSE 12 END), 12)
    FROM subscriptions s JOIN products p ON p.id = s.product_id
    JOIN prices r ON r.id = s.price_id
    WHERE s.provider <> 'manual' AND (s.status = 'active' OR s.status = 'past_due'
      AND clock_timestamp() < s.past_due_at + make_interval(days => p.grace_days)) GROUP BY 2
    UNION ALL
    SELECT 'subscriptions_unpriced', '{}'::jsonb, count(*) FROM subscriptions s
    WHERE s.provider <> 'manual' AND s.status = 'active'
      AND NOT EXISTS (SELECT FROM prices r WHERE r.id = s.price_id)
    HAVING count(*) > 0
    UNION ALL
    SELECT 'balances', jsonb_build_object('part', part.name), sum(part.n)
    FROM (SELECT sum(available) AS available, sum(trial) AS trial, sum(bound) AS bound,
            sum(held) AS held, sum(debt) AS debt FROM credit_accounts) AS a
    CROSS JOIN LATERAL (VALUES ('available', a.available), ('trial', a.trial), ('bound', a.bound),
      ('held', a.held), ('debt', a.debt)) AS part (name, n)
    WHERE part.n > 0 GROUP BY 2
    UNION ALL
    -- So that a level which has gone to nothing is told from one that was not looked at.
    SELECT 'levels_read', '{}'::jsonb, 1
  ) AS lines;
END $$;
