-- Many creates that arrived together, in one statement: every account row is locked once, in id
-- order, and each account's requests are served in the order of arrival for as long as its head
-- grant covers them. What needs more than that (another grant, a subject where something is bound,
-- quotas, a free style, an expiry that is due, a frozen account, a key that exists or comes twice
-- here, an unknown style or account, a price that was quoted from another version of the style) is
-- not made and not judged: the caller asks for it singly, so that a request which doesn't fit holds
-- up none that does.
-- p_requests: [{account_id, key, fingerprint (hex), style, input, params, labels, subject,
-- reference, metadata, webhook_url, unit_cost, retry_of, terms, style_version}], 1,000 at most.
-- Returns one row per request that was made: its ordinal (from 1) and the columns of
-- create_generation.
--   23505   a parallel call with one of the keys has just won: nothing was made; ask singly
-- Locks account rows. Safe to retry. READ COMMITTED.
CREATE OR REPLACE FUNCTION ducat.create_generations(p_requests json)
RETURNS TABLE (
  ordinal int, id uuid, style_version int, kind text, cost bigint, trial_cost bigint,
  balance_after bigint, created_at timestamptz, deadline_at timestamptz, item_ids uuid[])
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ducat, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
  WITH asked AS MATERIALIZED (
    SELECT r.*, s.version, s.kind, coalesce(r.unit_cost, s.cost) AS unit,
           coalesce(r.unit_cost, s.cost) * cardinality(r.labels) AS price,
           v_now + make_interval(secs => s.deadline_s) AS deadline,
           row_number() OVER (PARTITION BY r.account_id, r.key ORDER BY r.ordinality) AS same_key
    FROM ROWS FROM (json_to_recordset(p_requests) AS (
        account_id uuid, key text, fingerprint text, style text, input json, params json,
        labels text[], subject text, reference text, metadata json, webhook_url text,
        unit_cost bigint, retry_of uuid, terms json, style_version int))
      WITH ORDINALITY AS r (account_id, key, fingerprint, style, input, params, labels, subject,
        reference, metadata, webhook_url, unit_cost, retry_of, terms, style_version, ordinality)
    JOIN styles s ON s.id = r.style AND s.is_current AND s.is_active
      AND CASE WHEN r.style_version IS NULL THEN s.pricing IS NULL
               ELSE s.version = r.style_version END
    WHERE NOT EXISTS (SELECT FROM generations g
                      WHERE g.account_id = r.account_id AND g.idempotency_key = r.key)
  ), locked AS MATERIALIZED (
    SELECT * FROM credit_accounts a
    WHERE a.account_id = ANY (ARRAY(SELECT account_id FROM asked))
    ORDER BY a.account_id FOR NO KEY UPDATE
  ), queued AS (
    SELECT asked.*, a.seq, a.available, a.bound, a.head_grant_id, a.head_trial,
           a.head_remaining, v_now + a.clock_offset AS at,
           (sum(price) OVER arrival)::bigint AS upto, row_number() OVER arrival AS nth
    FROM asked JOIN locked a USING (account_id)
    WHERE price > 0 AND cardinality(labels) <= 10000 AND same_key = 1 AND a.frozen = '{}'
      AND (subject IS NULL OR a.bound = 0)
      AND a.next_expiry_at > v_now + a.clock_offset
    WINDOW arrival AS (PARTITION BY account_id ORDER BY ordinality)
  ), made AS MATERIALIZED (
    SELECT *, uuid_v7() AS id, CASE WHEN head_trial THEN price ELSE 0 END AS trial
    FROM queued WHERE upto <= head_remaining
  ), spent AS (
    UPDATE credit_accounts a SET
      seq = a.seq + m.entries, available = a.available - m.total, held = a.held + m.total,
      trial = a.trial - CASE WHEN a.head_trial THEN m.total ELSE 0 END,
      head_remaining = a.head_remaining - m.total,
      reload_due_at = CASE
        WHEN NOT a.head_trial AND a.available - a.trial - a.bound - m.total < a.reload_below
        THEN coalesce(a.reload_due_at, v_now) ELSE a.reload_due_at END
    FROM (SELECT account_id, count(*) AS entries, max(upto) AS total FROM made GROUP BY 1) m
    WHERE a.account_id = m.account_id
  ), booked AS (
    INSERT INTO credit_entries (account_id, seq, type, amount, available_after, allocations,
      generation_id, created_at)
    SELECT account_id, seq + nth, 'generation', -price, available - upto,
      jsonb_build_array(jsonb_build_array(head_grant_id, price)), id, at
    FROM made
  ), written AS (
    INSERT INTO generations (account_id, id, idempotency_key, fingerprint, style_id,
      style_version, kind, input, params, subject, reference, metadata, webhook_url, retry_of,
      item_count, open_items, cost, trial_cost, entry_seq, balance_after, created_at, deadline_at,
      terms)
    SELECT account_id, id, key, decode(fingerprint, 'hex'), style, version, kind, input, params,
      subject, reference, metadata, webhook_url, retry_of, cardinality(labels),
      cardinality(labels), price, trial, seq + nth, available - bound - upto, v_now, deadline,
      terms
    FROM made
  ), items AS (
    INSERT INTO generation_items (account_id, generation_id, position, label, due_at, cost,
      cost_from)
    SELECT account_id, made.id, i - 1, labels[i], v_now + interval '30 seconds', unit,
      unit * (i - 1)
    FROM made CROSS JOIN LATERAL generate_series(1, cardinality(labels)) AS i
    RETURNING generation_items.id, generation_id, position
  )
  SELECT ordinality::int, m.id, version, m.kind, price, trial, available - bound - upto, v_now,
    deadline, array_agg(items.id ORDER BY items.position)
  FROM made m JOIN items ON items.generation_id = m.id
  GROUP BY ordinality, m.id, version, m.kind, price, trial, available, bound, upto, deadline;
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_generations TO ducat_app;
