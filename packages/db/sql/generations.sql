-- A generation is what a caller asked for, and its own hold: cost, captured and refunded stand in
-- its row, the allocations in the ledger entry that its entry_seq names.

-- Take n per item of each quota in p_usage: [{feature, amount, limit, period_start, resets_at,
-- upgrade?, until?}]. Quotas whose feature begins with an underscore are the plan's limits of work
-- (docs/entitlements.md); one of amount 0 tells the workers something and takes nothing.
--   DU005 quota_exceeded   {quota, limit, current, resets_at, upgrade?}
--   23505 on generations_idempotency_key   see refuse_taken_key
-- Locks the counters by feature and period; an account is locked after its counters, never before.
CREATE OR REPLACE FUNCTION ducat.take_usage(
  p_account_id uuid, p_key text, p_usage jsonb, p_items int)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_quota record;
BEGIN
  FOR v_quota IN
    SELECT * FROM jsonb_to_recordset(p_usage) AS q (
      feature text, amount bigint, "limit" bigint, period_start timestamptz, resets_at text,
      upgrade text)
    WHERE amount > 0 ORDER BY feature, period_start
  LOOP
    CONTINUE WHEN take_counter(p_account_id, v_quota.feature, v_quota.period_start,
      v_quota.amount * p_items, v_quota."limit") IS NOT NULL;
    PERFORM refuse_taken_key(p_account_id, p_key);
    PERFORM refuse('DU005', 'quota_exceeded', jsonb_build_object(
      'quota', v_quota.feature, 'limit', v_quota."limit", 'resets_at', v_quota.resets_at,
      'current', count_used(p_account_id, v_quota.feature, v_quota.period_start))
      || CASE WHEN v_quota.upgrade IS NULL THEN '{}'
              ELSE jsonb_build_object('upgrade', v_quota.upgrade) END);
  END LOOP;
END $$;

-- Before there was p_is_undone.
DROP FUNCTION IF EXISTS ducat.return_usage(uuid, jsonb);

-- Give one item's quotas back as it ends: those that are taken until then (`until`: end), and all
-- when it came to nothing. Locks as take_usage does; the account must not be locked yet, or by the
-- transaction that has locked these counters before it.
CREATE OR REPLACE FUNCTION ducat.return_usage(
  p_account_id uuid, p_usage jsonb, p_is_undone boolean DEFAULT true)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_quota record;
BEGIN
  FOR v_quota IN
    SELECT * FROM jsonb_to_recordset(p_usage) AS q (
      feature text, amount bigint, period_start timestamptz, until text)
    WHERE amount > 0 AND (p_is_undone OR until = 'end') ORDER BY feature, period_start
  LOOP
    PERFORM return_counter(p_account_id, v_quota.feature, v_quota.period_start, v_quota.amount);
  END LOOP;
END $$;

-- Tell a call that has lost the race for its key so, before it is told that nothing is left: what
-- it lacks may be what the winner has taken.
--   23505 on generations_idempotency_key   a parallel call with this key has committed
CREATE OR REPLACE FUNCTION ducat.refuse_taken_key(p_account_id uuid, p_key text) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM generations WHERE account_id = p_account_id AND idempotency_key = p_key;
  IF FOUND THEN
    RAISE unique_violation USING CONSTRAINT = 'generations_idempotency_key',
      MESSAGE = 'this key has just made a generation';
  END IF;
END $$;

DROP FUNCTION IF EXISTS ducat.create_generation(uuid, text, bytea, text, json, json, text[], text,
  text, json, text, jsonb, bigint, jsonb, uuid);
-- Create a generation with its items and set its price aside, in one call, once per p_key.
-- p_labels has one element per item (null for none); p_inputs, when given, overrides p_input per
-- item. p_unit_cost overrides the style's price (0 = free by the plan: no hold, no entry); p_terms
-- says why it is that price ({unit, n?, lines}, as it was quoted from version p_style_version of
-- the style). p_deadline_s overrides the style's deadline; p_batch tells of a batch.
-- Returns what the caller doesn't know yet of the create answer. A repeat returns the same, and in
-- `replay` what was asked the first time: the answer is made of what stands in the row.
--   DU001 insufficient_credits {required, available, subject} · DU002 idempotency_conflict
--   DU003 not_found {what: account | style} · DU004 account_frozen · DU005 quota_exceeded
--   DU006 invalid_state {what: style_version}   the style is another version by now than the one
--   that was quoted, or its price has to be quoted and was not: quote again and call again
--   DU007 validation_failed   not from 1 to 10,000 items, or a price below 0
--   23505 on generations_idempotency_key: a parallel call with this key has just won; call again
-- Locks one account row, and counters of p_usage before it. Safe to retry. READ COMMITTED.
--
-- The hot path of the product: one UPDATE of the account row when its head grant covers the
-- price, then three inserts. Plans are generic by force: planning them anew costs more than they.
CREATE OR REPLACE FUNCTION ducat.create_generation(
  p_account_id uuid, p_key text, p_fingerprint bytea, p_style text, p_input json, p_params json,
  p_labels text[], p_subject text DEFAULT NULL, p_reference text DEFAULT NULL,
  p_metadata json DEFAULT '{}', p_webhook_url text DEFAULT NULL, p_usage jsonb DEFAULT NULL,
  p_unit_cost bigint DEFAULT NULL, p_inputs jsonb DEFAULT NULL, p_retry_of uuid DEFAULT NULL,
  p_terms json DEFAULT NULL, p_style_version int DEFAULT NULL, p_deadline_s int DEFAULT NULL,
  p_batch json DEFAULT NULL,
  OUT id uuid, OUT style_version int, OUT kind text, OUT cost bigint, OUT trial_cost bigint,
  OUT balance_after bigint, OUT created_at timestamptz, OUT deadline_at timestamptz,
  OUT item_ids uuid[], OUT replay json)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ducat, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  v_known record;
  v_items int := cardinality(p_labels);
  v_unit bigint;
  v_deadline interval;
  v_is_priced boolean;
  v_paid record;
BEGIN
  SELECT g.id, g.fingerprint INTO v_known FROM generations g
  WHERE g.account_id = p_account_id AND g.idempotency_key = p_key;
  IF FOUND THEN
    IF v_known.fingerprint <> p_fingerprint THEN
      PERFORM refuse('DU002', 'idempotency_conflict');
    END IF;
    SELECT * INTO id, style_version, kind, cost, trial_cost, balance_after, created_at,
      deadline_at, item_ids, replay
    FROM replay_generation(p_account_id, v_known.id);
    RETURN;
  END IF;
  SELECT s.version, s.kind, s.cost, make_interval(secs => coalesce(p_deadline_s, s.deadline_s)),
    s.pricing IS NOT NULL
  INTO style_version, kind, v_unit, v_deadline, v_is_priced
  FROM styles s WHERE s.id = p_style AND s.is_current AND s.is_active;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "style"}');
  END IF;
  IF style_version <> p_style_version OR v_is_priced AND p_style_version IS NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"what": "style_version"}');
  END IF;
  v_unit := coalesce(p_unit_cost, v_unit);
  cost := v_unit * v_items;
  IF v_items IS NULL OR v_items NOT BETWEEN 1 AND 10000 OR cost < 0 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 10000}');
  END IF;
  id := uuid_v7();
  created_at := clock_timestamp();
  deadline_at := created_at + v_deadline;
  IF p_usage IS NOT NULL THEN
    PERFORM take_usage(p_account_id, p_key, p_usage, v_items);
  END IF;
  UPDATE credit_accounts a SET
    seq = a.seq + 1, available = a.available - create_generation.cost,
    held = a.held + create_generation.cost,
    trial = a.trial - CASE WHEN a.head_trial THEN create_generation.cost ELSE 0 END,
    head_remaining = a.head_remaining - create_generation.cost,
    reload_due_at = CASE
      WHEN NOT a.head_trial
        AND a.available - a.trial - a.bound - create_generation.cost < a.reload_below
      THEN coalesce(a.reload_due_at, create_generation.created_at) ELSE a.reload_due_at END
  WHERE a.account_id = p_account_id AND create_generation.cost > 0
    AND a.head_remaining >= create_generation.cost AND a.frozen = '{}'
    AND (p_subject IS NULL OR a.bound = 0)
    AND a.next_expiry_at > create_generation.created_at + a.clock_offset
  RETURNING a.seq, a.available, a.available - a.bound AS unbound, a.head_grant_id,
    CASE WHEN a.head_trial THEN create_generation.cost ELSE 0 END AS trial,
    create_generation.created_at + a.clock_offset AS at
  INTO v_paid;
  IF FOUND THEN
    INSERT INTO credit_entries (account_id, seq, type, amount, available_after, allocations,
      generation_id, created_at)
    VALUES (p_account_id, v_paid.seq, 'generation', -create_generation.cost, v_paid.available,
      jsonb_build_array(jsonb_build_array(v_paid.head_grant_id, create_generation.cost)),
      create_generation.id, v_paid.at);
  ELSE
    SELECT * INTO v_paid FROM hold_for_generation(p_account_id, p_key, id, cost, p_subject);
  END IF;
  trial_cost := v_paid.trial;
  balance_after := v_paid.unbound;
  INSERT INTO generations (account_id, id, idempotency_key, fingerprint, style_id, style_version,
    kind, input, params, subject, reference, metadata, webhook_url, retry_of, item_count,
    open_items, cost, trial_cost, entry_seq, balance_after, usage, created_at, deadline_at, terms,
    batch)
  VALUES (p_account_id, create_generation.id, p_key, p_fingerprint, p_style,
    create_generation.style_version, create_generation.kind, p_input, p_params, p_subject,
    p_reference, p_metadata, p_webhook_url, p_retry_of, v_items, v_items, create_generation.cost,
    v_paid.trial, v_paid.seq, v_paid.unbound, p_usage, create_generation.created_at,
    create_generation.deadline_at, p_terms, p_batch);
  FOR n IN 1..v_items LOOP
    item_ids[n] := uuid_v7();
  END LOOP;
  INSERT INTO generation_items (account_id, id, generation_id, position, label, input, due_at,
    cost, cost_from)
  SELECT p_account_id, item.id, create_generation.id, n - 1, item.label,
    nullif(p_inputs -> (n - 1)::int, 'null'), create_generation.created_at + interval '30 seconds',
    v_unit, v_unit * (n - 1)
  FROM unnest(create_generation.item_ids, p_labels) WITH ORDINALITY AS item (id, label, n);
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_generation TO ducat_app, ducat_worker;

-- The slow path of create_generation: several grants, a subject, something due, a free style.
--   DU001 insufficient_credits · DU003 not_found · DU004 account_frozen
--   23505 on generations_idempotency_key   see refuse_taken_key
CREATE OR REPLACE FUNCTION ducat.hold_for_generation(
  p_account_id uuid, p_key text, p_generation_id uuid, p_cost bigint, p_subject text,
  OUT seq bigint, OUT unbound bigint, OUT trial bigint)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account credit_accounts;
  v_take record;
BEGIN
  v_account := open_account(p_account_id);
  PERFORM refuse_taken_key(p_account_id, p_key);
  PERFORM refuse_frozen(v_account);
  trial := 0;
  IF p_cost > 0 THEN
    v_take := take_credits(p_account_id, p_cost, p_subject);
    trial := v_take.trial;
    seq := book_entry(p_account_id, 'generation', -p_cost, v_take.allocations,
      p_trial => -v_take.trial, p_bound => -v_take.bound, p_held => p_cost,
      p_generation_id => p_generation_id);
    PERFORM mark_reload(v_account, p_cost - v_take.trial - v_take.bound);
  END IF;
  v_account := close_account(p_account_id);
  unbound := v_account.available - v_account.bound;
END $$;

-- The create answer of a generation that exists, from columns that never change.
--   DU003 not_found   it was deleted; its key stays used
CREATE OR REPLACE FUNCTION ducat.replay_generation(
  p_account_id uuid, p_generation_id uuid, OUT id uuid, OUT style_version int, OUT kind text,
  OUT cost bigint, OUT trial_cost bigint, OUT balance_after bigint, OUT created_at timestamptz,
  OUT deadline_at timestamptz, OUT item_ids uuid[], OUT replay json)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  SELECT g.id, g.style_version, g.kind, g.cost, g.trial_cost, g.balance_after, g.created_at,
         g.deadline_at, i.ids,
         json_build_object('style', g.style_id, 'input', g.input, 'params', g.params,
           'labels', i.labels, 'subject', g.subject, 'reference', g.reference,
           'metadata', g.metadata, 'retryOf', g.retry_of, 'terms', g.terms, 'batch', g.batch)
  INTO id, style_version, kind, cost, trial_cost, balance_after, created_at, deadline_at,
    item_ids, replay
  FROM generations g CROSS JOIN LATERAL (
    SELECT array_agg(i.id ORDER BY i.position) AS ids,
           json_agg(i.label ORDER BY i.position) AS labels
    FROM generation_items i WHERE i.account_id = g.account_id AND i.generation_id = g.id) i
  WHERE g.account_id = p_account_id AND g.id = p_generation_id AND g.deleted_at IS NULL;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation", "reason": "deleted"}');
  END IF;
END $$;

-- Lock a generation for a change of its items; null when there is none.
-- Everything that ends an item starts here: generation, then items by position, then the account.
CREATE OR REPLACE FUNCTION ducat.lock_generation(p_account_id uuid, p_generation_id uuid)
RETURNS ducat.generations LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT * FROM generations WHERE account_id = p_account_id AND id = p_generation_id
  FOR NO KEY UPDATE
$$;

-- Ask for a generation's end: what hasn't started ends now and is paid back; what is running
-- ends by its worker, or by what its provider says in the end.
-- Returns how many items were canceled at once and how many were asked to stop. Those are 500 at
-- most, since each change of a row is slower than the one before within a transaction: call it
-- again after 500. What is left starts no more, and the sweeper ends it if nobody calls.
--   DU003 not_found · DU006 invalid_state   it has ended already
-- Locks generation, items, account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.cancel_generation(
  p_account_id uuid, p_generation_id uuid, OUT canceled int, OUT asked int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_generation generations := lock_generation(p_account_id, p_generation_id);
  v_item generation_items;
BEGIN
  IF v_generation.id IS NULL OR v_generation.deleted_at IS NOT NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation"}');
  ELSIF v_generation.open_items = 0 THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_generation.status));
  END IF;
  canceled := 0;
  FOR v_item IN
    SELECT * FROM generation_items
    WHERE account_id = p_account_id AND generation_id = p_generation_id
      AND status = 'pending' AND provider_request_id IS NULL
    ORDER BY position LIMIT 500 FOR NO KEY UPDATE
  LOOP
    PERFORM end_item(v_generation, v_item, 'canceled', 0, 'canceled', 'Canceled on request.');
    canceled := canceled + 1;
  END LOOP;
  UPDATE generation_items SET cancel_requested_at = clock_timestamp()
  WHERE account_id = p_account_id AND generation_id = p_generation_id
    AND status IN ('pending', 'processing') AND cancel_requested_at IS NULL;
  asked := v_generation.open_items - canceled;
END $$;
GRANT EXECUTE ON FUNCTION ducat.cancel_generation TO ducat_app, ducat_worker;

DROP FUNCTION IF EXISTS ducat.refund_generation(uuid, uuid, uuid[], text, text, bytea, jsonb);
-- Pay completed items back by hand (null: all that are completed), each once, to the grants that
-- they came from, with an audit line. Once per p_key. p_at_once items at most, since each change of
-- the account's row is slower than the one before within a transaction: where `more` is returned,
-- call again with what was returned as p_done. The answer is kept by the last call.
-- Returns {items, credits, replayed}: how many items and credits were paid back, p_done included;
-- or {items, credits, more: true}.
--   DU002 idempotency_conflict
--   DU003 not_found       no such generation, or an item of p_items isn't in it
--   DU006 invalid_state   an item of p_items is not completed
--   23505 on idempotency_keys_pkey: another generation's refund with this key has just won; call
--   again (the generation's lock, not the account's, is what makes check and keep one step here)
-- Locks generation, items, account. Safe to retry: an item is paid back once.
CREATE OR REPLACE FUNCTION ducat.refund_generation(
  p_account_id uuid, p_generation_id uuid, p_items uuid[], p_reason text, p_key text,
  p_fingerprint bytea, p_audit jsonb, p_done jsonb DEFAULT NULL, p_at_once int DEFAULT 500)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_generation generations := lock_generation(p_account_id, p_generation_id);
  v_item generation_items;
  v_kept jsonb;
  v_items int := 0;
  v_credits bigint := 0;
  v_done jsonb;
BEGIN
  IF v_generation.id IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation"}');
  END IF;
  v_kept := find_answer(p_account_id, 'refund', p_key, p_fingerprint);
  IF v_kept IS NOT NULL THEN
    RETURN v_kept;
  END IF;
  PERFORM refuse_unpaid_items(p_account_id, p_generation_id, p_items);
  FOR v_item IN
    SELECT * FROM generation_items
    WHERE account_id = p_account_id AND generation_id = p_generation_id
      AND status = 'completed' AND captured > 0 AND (p_items IS NULL OR id = ANY (p_items))
    ORDER BY position LIMIT least(p_at_once, 500) FOR NO KEY UPDATE
  LOOP
    PERFORM refund_item(v_generation, v_item, p_reason);
    PERFORM mark_usage(p_account_id, v_item.completed_at, v_item.completed_at, 'refund');
    v_items := v_items + 1;
    v_credits := v_credits + v_item.captured;
  END LOOP;
  PERFORM audit(p_account_id, 'generation.refund', 'generation', p_generation_id::text, p_audit,
    jsonb_build_object('items', v_items, 'credits', v_credits, 'reason', p_reason));
  v_done := jsonb_build_object('items', v_items + coalesce((p_done ->> 'items')::int, 0),
    'credits', v_credits + coalesce((p_done ->> 'credits')::bigint, 0));
  IF v_items = least(p_at_once, 500) THEN
    RETURN v_done || '{"more": true}';
  END IF;
  RETURN keep_answer(p_account_id, 'refund', p_key, p_fingerprint, v_done);
END $$;
GRANT EXECUTE ON FUNCTION ducat.refund_generation TO ducat_app;

-- Refuse items that are not in a generation, or not completed; null names none. The generation
-- must be locked, so that none of them ends meanwhile. Internal.
--   DU003 not_found · DU006 invalid_state
CREATE OR REPLACE FUNCTION ducat.refuse_unpaid_items(
  p_account_id uuid, p_generation_id uuid, p_items uuid[])
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_open generation_items;
BEGIN
  SELECT * INTO v_open FROM generation_items
  WHERE account_id = p_account_id AND generation_id = p_generation_id AND id = ANY (p_items)
    AND status <> 'completed' ORDER BY position LIMIT 1;
  IF FOUND THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('item_id', v_open.id, 'status', v_open.status));
  END IF;
  IF cardinality(p_items) <> (
      SELECT count(*) FROM generation_items
      WHERE account_id = p_account_id AND generation_id = p_generation_id AND id = ANY (p_items))
  THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "item"}');
  END IF;
END $$;

-- Forget what a finished generation was about: inputs, texts and files go, the ledger, the key
-- and the counts stay, and so do pictures that are in the gallery. Returns the keys of the files
-- to remove.
--   DU003 not_found · DU006 invalid_state   it hasn't ended yet
-- Locks generation, items, its events, blobs. Safe to retry (the second call finds nothing).
CREATE OR REPLACE FUNCTION ducat.delete_generation(p_account_id uuid, p_generation_id uuid)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_generation generations := lock_generation(p_account_id, p_generation_id);
BEGIN
  IF v_generation.id IS NULL OR v_generation.deleted_at IS NOT NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation"}');
  ELSIF v_generation.open_items > 0 THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_generation.status));
  END IF;
  UPDATE generations SET deleted_at = clock_timestamp(), input = '{}', params = '{}',
    metadata = '{}', subject = NULL, reference = NULL, webhook_url = NULL, batch = NULL
  WHERE account_id = p_account_id AND id = p_generation_id;
  UPDATE generation_items
  -- What came as a row stays one: it is counted as such.
  SET input = CASE WHEN input IS NOT NULL THEN '{}'::jsonb END, label = NULL, output = NULL,
      error_message = NULL, result_key = NULL
  WHERE account_id = p_account_id AND generation_id = p_generation_id;
  PERFORM mark_usage(p_account_id, min(completed_at), max(completed_at), 'deleted')
  FROM generation_items WHERE account_id = p_account_id AND generation_id = p_generation_id;
  PERFORM erase_events(p_account_id, p_generation_id);
  RETURN QUERY SELECT drop_results(p_account_id, p_generation_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.delete_generation TO ducat_app, ducat_worker;

-- A generation's status as told to callers: stored once ended; until then `processing` from the
-- first claim of any item (a claim locks its item only and so can't write it here).
CREATE OR REPLACE FUNCTION ducat.status_of(p_generation ducat.generations) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN p_generation.open_items = 0 THEN p_generation.status::text
    WHEN p_generation.open_items < p_generation.item_count THEN 'processing'
    WHEN EXISTS (
      SELECT FROM ducat.generation_items i
      WHERE i.account_id = p_generation.account_id AND i.generation_id = p_generation.id
        AND i.attempt > 0) THEN 'processing'
    ELSE 'pending' END
$$;
GRANT EXECUTE ON FUNCTION ducat.status_of TO ducat_app, ducat_worker;
