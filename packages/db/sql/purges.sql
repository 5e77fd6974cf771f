-- What is forgotten when it is old, by upkeep: each function removes p_limit rows at most (1,000)
-- and is called again while it finds as many. Nothing here is money, and nothing is needed any
-- more by what is. Ages are the machine's time. All are safe to retry.

-- The first id of uuid_v7 that can have been made at that time or later. Internal.
CREATE OR REPLACE FUNCTION ducat.uuid_at(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM p_at) * 1000)::bigint), 12, '0')
    || '70008000000000000000')::uuid
$$;

-- Remove the oldest rows of a table whose key is (account_id, id), account by account, the next
-- 500 after p_after at most: by that key alone, so that no table needs an index for being cleaned.
-- p_where says more of what may go; both are the caller's own words. last_id is the last account
-- that is done with. Null is the end, unless p_limit rows were removed: then go on from p_after.
-- Locks the rows that it removes. Internal.
CREATE OR REPLACE FUNCTION ducat.forget_by_account(
  p_table text, p_where text, p_before timestamptz, p_after uuid, p_limit int,
  OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account uuid := p_after;
  v_next uuid;
  v_count int;
BEGIN
  removed := 0;
  FOR v_n IN 1..500 LOOP
    EXECUTE format('SELECT account_id FROM %I WHERE $1 IS NULL OR account_id > $1
      ORDER BY account_id LIMIT 1', p_table) INTO v_next USING v_account;
    IF v_next IS NULL THEN
      last_id := NULL;
      RETURN;
    END IF;
    EXECUTE format('DELETE FROM %1$I WHERE account_id = $1 AND id = ANY (ARRAY(
      SELECT id FROM %1$I WHERE account_id = $1 AND id < $2 AND created_at < $3 AND %2$s
      ORDER BY id LIMIT $4))', p_table, p_where)
    USING v_next, uuid_at(p_before), p_before, least(p_limit, 1000) - removed;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    removed := removed + v_count;
    -- Of this account there may be more: the next call begins with it.
    EXIT WHEN removed >= least(p_limit, 1000);
    v_account := v_next;
  END LOOP;
  last_id := v_account;
END $$;

-- Events that are older than 31 days: for 30 they can be read, and the books are checked by them.
-- Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_events(
  p_after uuid, p_limit int, OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  SELECT f.last_id, f.removed INTO last_id, removed FROM forget_by_account('outbox', 'true',
    clock_timestamp() - interval '31 days', p_after, p_limit) f;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_events TO ducat_worker;

-- Messages that ended 90 days ago, and those of nobody (codes for logging in) of yesterday.
-- Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_messages(
  p_after uuid, p_limit int, OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_nobody uuid := '00000000-0000-0000-0000-000000000000';
  v_codes int := 0;
BEGIN
  IF p_after IS NULL THEN
    DELETE FROM messages WHERE account_id = v_nobody AND id = ANY (ARRAY(
      SELECT id FROM messages
      WHERE account_id = v_nobody AND id < uuid_at(clock_timestamp() - interval '1 day')
      ORDER BY id LIMIT least(p_limit, 1000)));
    GET DIAGNOSTICS v_codes = ROW_COUNT;
  END IF;
  SELECT f.last_id, f.removed + v_codes INTO last_id, removed
  FROM forget_by_account('messages', 'status <> ''pending''',
    clock_timestamp() - interval '90 days', p_after, p_limit - v_codes) f;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_messages TO ducat_worker;

-- Moves of test clocks that were done 30 days ago, with their keys. Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_clock_runs(
  p_after uuid, p_limit int, OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  SELECT f.last_id, f.removed INTO last_id, removed
  FROM forget_by_account('clock_runs', 'done_at IS NOT NULL',
    clock_timestamp() - interval '30 days', p_after, p_limit) f;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_clock_runs TO ducat_worker;

-- First answers of requests after 30 days, with their keys: a repeat is a new request then. Those
-- of generations are in their rows and stay. Locks what it removes, passing over what others hold.
CREATE OR REPLACE FUNCTION ducat.forget_answers(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  DELETE FROM idempotency_keys WHERE (account_id, scope, key) IN (
    SELECT account_id, scope, key FROM idempotency_keys
    WHERE created_at < clock_timestamp() - interval '30 days'
    ORDER BY created_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_answers TO ducat_worker;

-- Sessions that ended or ran out 30 days ago, with their tokens, of the p_limit (1,000) next ones
-- after p_after: by their key, because an index on the times would be written by each refresh.
-- last_id is where to go on, null at the end. Locks what it removes, passing over what others hold.
CREATE OR REPLACE FUNCTION ducat.forget_sessions(
  p_after uuid, p_limit int, OUT last_id uuid, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_page uuid[];
BEGIN
  v_page := ARRAY(SELECT id FROM sessions WHERE p_after IS NULL OR id > p_after
    ORDER BY id LIMIT least(p_limit, 1000));
  last_id := CASE WHEN cardinality(v_page) = least(p_limit, 1000)
             THEN v_page[cardinality(v_page)] END;
  DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE id = ANY (v_page)
      AND coalesce(ended_at, expires_at) < clock_timestamp() - interval '30 days'
    ORDER BY id FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_sessions TO ducat_worker;

-- What let people in and does so no longer: codes sent to telephones and to new addresses, an hour
-- after their time; links, questions for a second factor and tickets, when it is over. p_limit of
-- each; returns the most that it was of one kind.
-- Locks what it removes, passing over what others hold.
CREATE OR REPLACE FUNCTION ducat.forget_codes(p_limit int, OUT most int, OUT removed int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := least(p_limit, 1000);
  v_now timestamptz := clock_timestamp();
  v_count int;
BEGIN
  DELETE FROM login_codes WHERE (phone, purpose) IN (
    SELECT phone, purpose FROM login_codes WHERE expires_at < v_now - interval '1 hour'
    ORDER BY expires_at LIMIT v_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  most := v_count;
  removed := v_count;
  DELETE FROM login_changes WHERE (login_id, channel) IN (
    SELECT login_id, channel FROM login_changes WHERE expires_at < v_now - interval '1 hour'
    ORDER BY expires_at LIMIT v_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  most := greatest(most, v_count);
  removed := removed + v_count;
  DELETE FROM verifications WHERE id IN (
    SELECT id FROM verifications WHERE expires_at < v_now
    ORDER BY expires_at LIMIT v_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  most := greatest(most, v_count);
  removed := removed + v_count;
  DELETE FROM totp_challenges WHERE hash IN (
    SELECT hash FROM totp_challenges WHERE expires_at < v_now
    ORDER BY expires_at LIMIT v_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  most := greatest(most, v_count);
  removed := removed + v_count;
  DELETE FROM stream_tickets WHERE hash = ANY (ARRAY(
    SELECT hash FROM stream_tickets WHERE expires_at < v_now
    ORDER BY expires_at LIMIT v_limit FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  most := greatest(most, v_count);
  removed := removed + v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_codes TO ducat_worker;

-- Counters of what was done lately whose window is over.
-- Locks what it removes, passing over what others hold.
CREATE OR REPLACE FUNCTION ducat.forget_limits(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  DELETE FROM rate_limits WHERE key = ANY (ARRAY(
    SELECT key FROM rate_limits WHERE resets_at < clock_timestamp() - interval '1 minute'
    ORDER BY resets_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_limits TO ducat_worker;

-- Runs of reconciliation that ended 90 days ago, but for the newest good one of each provider and
-- mode: the next run begins where that one began. finish_reconciliation removes more, sooner,
-- where runs go well. Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_reconciliations(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  DELETE FROM reconciliations WHERE id IN (
    SELECT r.id FROM reconciliations r
    WHERE r.finished_at < clock_timestamp() - interval '90 days'
      AND (r.status = 'failed' OR NOT r.is_gapless OR EXISTS (
        SELECT FROM reconciliations n
        WHERE n.provider = r.provider AND n.mode = r.mode AND n.started_at > r.started_at
          AND n.is_gapless AND n.status IN ('clean', 'differs')))
    ORDER BY r.finished_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_reconciliations TO ducat_worker;

-- Of the sandbox's books what nobody has touched for 400 days and will not go on by itself:
-- payments, visits, subscriptions that have ended, cards that were removed. Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_sandbox_documents(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  DELETE FROM sandbox_documents WHERE id IN (
    SELECT id FROM sandbox_documents
    WHERE changed_at < clock_timestamp() - interval '400 days' AND due_at IS NULL
      AND (document ->> 'kind' IN ('payment', 'portal') OR document ->> 'status' = 'canceled'
        OR (document ->> 'isRemoved')::boolean)
    ORDER BY changed_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_sandbox_documents TO ducat_worker;

-- Audit lines that are older than the setting audit_retention_days says (400 where it says nothing,
-- 90 to 3650), with a line of their own that tells how many. The table is append-only for
-- everybody else, and lines of 90 days for this function too (refuse_change).
-- Locks what it removes.
CREATE OR REPLACE FUNCTION ducat.forget_audit_lines(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_days int := least(greatest(read_setting('audit_retention_days', 400), 90), 3650);
  v_before timestamptz := clock_timestamp() - make_interval(days => v_days);
  v_count int;
BEGIN
  PERFORM set_config('ducat.forgets_audit', 'on', true);
  DELETE FROM audit_logs WHERE id = ANY (ARRAY(
    SELECT id FROM audit_logs WHERE id < uuid_at(v_before) AND created_at < v_before
    ORDER BY id LIMIT least(p_limit, 1000)));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  PERFORM set_config('ducat.forgets_audit', '', true);
  IF v_count > 0 THEN
    PERFORM audit(NULL, 'audit_log.forget', 'audit_log', NULL, '{}',
      jsonb_build_object('lines', v_count, 'days', v_days));
  END IF;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_audit_lines TO ducat_worker;
