-- A batch is a generation whose items came as rows: each has an input, params and a price of its
-- own. Beside the input's own members `params` and `line` stand in the item's `input`, which no
-- input has by these names.

-- What an item starts from: its own input where it came as a row, else the generation's.
-- (These two have no search path, so that they are inlined: each claim reads them.)
CREATE OR REPLACE FUNCTION ducat.input_of_row(p_own jsonb, p_shared json) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_own IS NULL THEN p_shared::jsonb ELSE p_own - 'params' - 'line' END
$$;

-- The params that an item is made with: the generation's, and those of its row before them.
CREATE OR REPLACE FUNCTION ducat.params_of_row(p_own jsonb, p_shared json) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_own ? 'params' THEN p_shared::jsonb || (p_own -> 'params')
              ELSE p_shared::jsonb END
$$;

DROP FUNCTION IF EXISTS ducat.create_batch(uuid, text, bytea, text, int, jsonb, json, json, json,
  text, text, json, jsonb, uuid, json, int);
-- Create a generation of rows and set their prices aside, in one call, once per p_key.
-- p_rows: [{label, input, cost}], from 1 to 10,000, each an item. p_batch is what its answers tell
-- of the rows as they came: {rows, rejected, errors, …}. p_style_version: as it was quoted; null
-- for any. p_terms as in create_generation, where all rows cost the same; p_webhook_url too.
-- Returns what the caller doesn't know yet of the answer. A repeat returns the same without
-- item_ids, and in `replay` what was asked the first time with its first 100 items; only key and
-- fingerprint are read then.
--   DU001 insufficient_credits {required, available, subject} · DU002 idempotency_conflict
--   DU003 not_found {what: account | style | generation} · DU004 account_frozen
--   DU005 quota_exceeded
--   DU006 invalid_state {what: style_version}   another version by now than was quoted: quote again
--   DU007 validation_failed   not from 1 to 10,000 rows, or a price below 0
--   23505 on generations_idempotency_key: a parallel call with this key has just won; call again
-- Locks one account row, and counters of p_usage before it. Safe to retry. READ COMMITTED.
--
-- The items are written before the account is locked: nobody sees them until the commit, and the
-- account's other requests wait for one UPDATE, its entry and the generation's row, however many
-- rows there are. That a price can't be paid is known last then, and what was written is undone.
CREATE OR REPLACE FUNCTION ducat.create_batch(
  p_account_id uuid, p_key text, p_fingerprint bytea, p_style text, p_style_version int,
  p_rows jsonb, p_input json, p_params json, p_batch json, p_subject text DEFAULT NULL,
  p_reference text DEFAULT NULL, p_metadata json DEFAULT '{}', p_usage jsonb DEFAULT NULL,
  p_retry_of uuid DEFAULT NULL, p_terms json DEFAULT NULL, p_deadline_s int DEFAULT 86400,
  p_webhook_url text DEFAULT NULL,
  OUT id uuid, OUT style_version int, OUT kind text, OUT cost bigint, OUT trial_cost bigint,
  OUT balance_after bigint, OUT created_at timestamptz, OUT deadline_at timestamptz,
  OUT item_ids uuid[], OUT replay json)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ducat, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  v_known record;
  v_items int;
  v_paid record;
BEGIN
  SELECT g.id, g.fingerprint INTO v_known FROM generations g
  WHERE g.account_id = p_account_id AND g.idempotency_key = p_key;
  IF FOUND THEN
    IF v_known.fingerprint <> p_fingerprint THEN
      PERFORM refuse('DU002', 'idempotency_conflict');
    END IF;
    SELECT * INTO id, style_version, kind, cost, trial_cost, balance_after, created_at,
      deadline_at, replay
    FROM replay_batch(p_account_id, v_known.id);
    RETURN;
  END IF;
  SELECT s.version, s.kind INTO style_version, kind
  FROM styles s WHERE s.id = p_style AND s.is_current AND s.is_active;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "style"}');
  ELSIF style_version <> p_style_version THEN
    PERFORM refuse('DU006', 'invalid_state', '{"what": "style_version"}');
  END IF;
  v_items := jsonb_array_length(p_rows);
  IF v_items IS NULL OR v_items NOT BETWEEN 1 AND 10000
     OR jsonb_path_exists(p_rows, '$[*].cost ? (@ < 0)') THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 10000}');
  END IF;
  id := uuid_v7();
  created_at := clock_timestamp();
  deadline_at := created_at + make_interval(secs => p_deadline_s);
  WITH asked AS MATERIALIZED (
    SELECT uuid_v7() AS id, n, r ->> 'label' AS label, r -> 'input' AS input,
           (r ->> 'cost')::bigint AS cost
    FROM jsonb_array_elements(p_rows) WITH ORDINALITY AS o (r, n)
  ), written AS (
    -- Who sweeps looks for the last rows later: a queue has them all, and is that long.
    INSERT INTO generation_items (account_id, id, generation_id, position, label, input, due_at,
      cost, cost_from)
    SELECT p_account_id, a.id, create_batch.id, n - 1, label, a.input,
      create_batch.created_at + interval '30 seconds' + n * interval '20 milliseconds', a.cost,
      sum(a.cost) OVER (ORDER BY n) - a.cost
    FROM asked a
  )
  SELECT sum(a.cost), array_agg(a.id ORDER BY n) INTO cost, item_ids FROM asked a;
  IF p_usage IS NOT NULL THEN
    PERFORM take_usage(p_account_id, p_key, p_usage, v_items);
  END IF;
  SELECT * INTO v_paid FROM hold_for_generation(p_account_id, p_key, id, cost, p_subject);
  trial_cost := v_paid.trial;
  balance_after := v_paid.unbound;
  INSERT INTO generations (account_id, id, idempotency_key, fingerprint, style_id, style_version,
    kind, input, params, subject, reference, metadata, webhook_url, retry_of, item_count,
    open_items, cost, trial_cost, entry_seq, balance_after, usage, created_at, deadline_at, terms,
    batch)
  VALUES (p_account_id, create_batch.id, p_key, p_fingerprint, p_style,
    create_batch.style_version, create_batch.kind, p_input, p_params, p_subject, p_reference,
    p_metadata, p_webhook_url, p_retry_of, v_items, v_items, create_batch.cost, v_paid.trial,
    v_paid.seq, v_paid.unbound, p_usage, create_batch.created_at, create_batch.deadline_at,
    p_terms, p_batch);
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_batch TO ducat_app, ducat_worker;

-- The create answer of a batch that exists, from columns that never change.
--   DU003 not_found   it was deleted; its key stays used
CREATE OR REPLACE FUNCTION ducat.replay_batch(
  p_account_id uuid, p_generation_id uuid, OUT id uuid, OUT style_version int, OUT kind text,
  OUT cost bigint, OUT trial_cost bigint, OUT balance_after bigint, OUT created_at timestamptz,
  OUT deadline_at timestamptz, OUT replay json)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  SELECT g.id, g.style_version, g.kind, g.cost, g.trial_cost, g.balance_after, g.created_at,
         g.deadline_at,
         json_build_object('style', g.style_id, 'input', g.input, 'params', g.params,
           'subject', g.subject, 'reference', g.reference, 'metadata', g.metadata,
           'retryOf', g.retry_of, 'terms', g.terms, 'batch', g.batch, 'items', i.items)
  INTO id, style_version, kind, cost, trial_cost, balance_after, created_at, deadline_at, replay
  FROM generations g CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object('id', i.id, 'label', i.label, 'cost', i.cost)
                    ORDER BY i.position) AS items
    FROM generation_items i
    WHERE i.account_id = g.account_id AND i.generation_id = g.id AND i.position < 100) i
  WHERE g.account_id = p_account_id AND g.id = p_generation_id AND g.deleted_at IS NULL;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation", "reason": "deleted"}');
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.input_of_row, ducat.params_of_row TO ducat_app, ducat_worker;
