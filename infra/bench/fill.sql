-- Accounts and a ledger as months of use leave them, in the shapes that our own functions write:
-- fill.test.ts holds them against the invariants. Run as a superuser.
CREATE SCHEMA fill;

-- Accounts with one purchase of a billion credits each.
CREATE FUNCTION fill.accounts(p_count int) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO accounts (external_id, kind)
  SELECT 'bench-' || i, 'user' FROM generate_series(1, p_count) AS i;
  INSERT INTO credit_grants (account_id, source, amount, remaining, starts_at, effect_key)
  SELECT id, 'purchase', 1000000000, 1000000000, created_at, 'bench' FROM accounts;
  INSERT INTO credit_entries (account_id, seq, type, amount, available_after, allocations)
  SELECT account_id, 1, 'purchase', amount, amount,
    jsonb_build_array(jsonb_build_array(id, amount))
  FROM credit_grants;
  INSERT INTO credit_accounts (account_id, available, seq, head_grant_id, head_remaining,
    lifetime_granted)
  SELECT account_id, amount, 1, id, amount, amount FROM credit_grants;
$$;

-- One more completed generation of one item and one credit for every account, with its entry. Two
-- months old: its event has left the outbox.
-- p_round counts from 1, so that the rows of an account lie as far apart as in real use.
CREATE FUNCTION fill.generations(p_round int) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  WITH made AS (
    INSERT INTO generations (account_id, idempotency_key, fingerprint, style_id, style_version,
      kind, input, params, metadata, status, item_count, open_items, cost, trial_cost, captured,
      entry_seq, balance_after, created_at, deadline_at, completed_at)
    SELECT a.account_id, gen_random_uuid()::text, sha256(a.account_id::text::bytea), s.id,
      s.version, s.kind, '{"type": "text", "prompt": "A ceramic mug with a bamboo lid."}', '{}',
      '{}', 'completed', 1, 0, 1, 0, 1, p_round + 1, a.lifetime_granted - p_round,
      now() - interval '60 days', now() - interval '60 days', now() - interval '60 days'
    FROM credit_accounts a CROSS JOIN styles s
    WHERE s.id = 'product_description' AND s.is_current
    RETURNING account_id, id, entry_seq, balance_after
  ), items AS (
    INSERT INTO generation_items (account_id, generation_id, position, status, due_at, attempt,
      attempt_token, output, cost, cost_from, captured, response_time_ms, started_at,
      completed_at)
    SELECT account_id, id, 0, 'completed', now() - interval '60 days', 1, gen_random_uuid(),
      '{"kind": "text", "text": "Keeps tea warm, and the lid is a coaster."}', 1, 0, 1, 900,
      now() - interval '60 days', now() - interval '60 days'
    FROM made
  )
  INSERT INTO credit_entries (account_id, seq, type, amount, available_after, allocations,
    generation_id)
  SELECT m.account_id, m.entry_seq, 'generation', -1, m.balance_after,
    jsonb_build_array(jsonb_build_array(a.head_grant_id, 1)), m.id
  FROM made m JOIN credit_accounts a ON a.account_id = m.account_id;
$$;

-- Bring the balances up to date with p_rounds rounds of fill.generations.
CREATE FUNCTION fill.balances(p_rounds int) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  UPDATE credit_accounts SET
    available = available - p_rounds, head_remaining = head_remaining - p_rounds,
    seq = seq + p_rounds, lifetime_used = lifetime_used + p_rounds
$$;
