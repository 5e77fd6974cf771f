-- What is done again and again, by whichever worker comes first: one row for each task. A run is
-- its holder's by a token until its lease is over; who lost it writes nothing here any more. All
-- times are this server's, so that workers whose clocks are wrong agree on what is due.
--
-- A task that is parallel needs no single holder, because the database gives each worker its own
-- rows of it; workers only tell what they did (note_upkeep_runs), and learn here that somebody
-- wants it done at once.

-- Say what this worker does: p_tasks [{name, about, every_s, is_parallel}], 200 at most. One that
-- is new is due within a minute, one that comes more often now as soon as that. Those that no
-- worker has named for a week are forgotten.
--   DU007 validation_failed   no such list
-- Locks the rows by name. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.register_upkeep_tasks(p_tasks jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  IF (jsonb_typeof(p_tasks) = 'array' AND jsonb_array_length(p_tasks) <= 200) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "tasks"}');
  END IF;
  INSERT INTO upkeep_tasks AS u (name, about, every_s, is_parallel, next_due_at)
  SELECT name, about, every_s, is_parallel, CASE WHEN is_parallel THEN 'infinity'
    ELSE v_now + make_interval(secs => least(every_s, 60) * random()) END
  FROM jsonb_to_recordset(p_tasks)
    AS t (name text, about text, every_s float8, is_parallel boolean)
  ORDER BY name COLLATE "C"
  ON CONFLICT (name) DO UPDATE SET about = excluded.about, every_s = excluded.every_s,
    is_parallel = excluded.is_parallel, seen_at = v_now,
    next_due_at = CASE WHEN excluded.is_parallel THEN 'infinity'
      ELSE least(u.next_due_at, v_now + make_interval(secs => excluded.every_s)) END;
  DELETE FROM upkeep_tasks WHERE name = ANY (ARRAY(
    SELECT name FROM upkeep_tasks WHERE seen_at < v_now - interval '7 days'
    ORDER BY name LIMIT 100 FOR UPDATE SKIP LOCKED));
END $$;
GRANT EXECUTE ON FUNCTION ducat.register_upkeep_tasks TO ducat_worker;

-- Take one of these tasks that is due or was asked for, for p_lease_s seconds; the longest waiting
-- first. A run that was cut short goes on with its cursor. Returns {name, token, cursor}; no row
-- when there is nothing to do. Of a parallel task the token is null: it was asked for, and this
-- worker is the one to do it.
-- Locks one row, passing over those that others hold. A lost answer costs one lease.
CREATE OR REPLACE FUNCTION ducat.claim_upkeep_task(p_names text[], p_lease_s float8)
RETURNS TABLE (name text, token uuid, cursor jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
  WITH due AS (
    SELECT u.name FROM upkeep_tasks u
    WHERE u.name = ANY (p_names) AND (u.next_due_at <= v_now OR u.requested_at IS NOT NULL)
      AND coalesce(u.lease_until, '-infinity') <= v_now
    ORDER BY u.requested_at IS NULL, u.next_due_at, u.name LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE upkeep_tasks u SET
    requested_at = NULL,
    lease_token = CASE WHEN NOT u.is_parallel THEN gen_random_uuid() END,
    lease_until = CASE WHEN NOT u.is_parallel THEN v_now + make_interval(secs => p_lease_s) END,
    -- Whoever dies in it leaves it due: the next one takes it when the lease is over.
    next_due_at = CASE WHEN u.is_parallel THEN u.next_due_at ELSE least(u.next_due_at, v_now) END,
    is_open = NOT u.is_parallel,
    started_at = CASE WHEN u.is_open THEN u.started_at ELSE v_now END,
    done = CASE WHEN u.is_open OR u.is_parallel THEN u.done ELSE 0 END
  FROM due WHERE u.name = due.name
  RETURNING u.name, u.lease_token, u.cursor;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_upkeep_task TO ducat_worker;

-- Say that a run goes on: p_done more was done, and p_cursor, unless it is null, is where whoever
-- goes on begins. False when the run is not the caller's any more: then nothing is written.
--   23514   the cursor is over 8 KiB
-- Locks one row. Safe to retry, but for what is counted.
CREATE OR REPLACE FUNCTION ducat.extend_upkeep_task(
  p_name text, p_token uuid, p_lease_s float8, p_done bigint, p_cursor jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE upkeep_tasks
  SET lease_until = clock_timestamp() + make_interval(secs => p_lease_s),
      done = done + p_done, done_total = done_total + p_done,
      cursor = coalesce(p_cursor, cursor)
  WHERE name = p_name AND lease_token = p_token AND lease_until > clock_timestamp();
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.extend_upkeep_task TO ducat_worker;

-- Let go of a run. p_outcome:
--   done     all of it: the next begins in p_every_s seconds and up to an eighth more
--   paused   there is more, and whoever comes next goes on from the cursor
--   failed   {p_error}: the next try comes in five minutes, or sooner where the task does;
--            p_keeps_cursor: it goes on where this one was, else it begins anew
-- False when the run is not the caller's any more: then nothing is written.
-- Locks one row. Safe to retry (the repeat returns false).
CREATE OR REPLACE FUNCTION ducat.finish_upkeep_task(
  p_name text, p_token uuid, p_outcome text, p_done bigint, p_every_s float8,
  p_error text DEFAULT NULL, p_keeps_cursor boolean DEFAULT true)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_ended boolean := p_outcome <> 'paused';
  v_failed boolean := p_outcome = 'failed';
  v_wait float8 := CASE p_outcome WHEN 'done' THEN p_every_s WHEN 'failed' THEN
    least(p_every_s, 300) ELSE 0 END;
BEGIN
  UPDATE upkeep_tasks
  SET lease_token = NULL, lease_until = NULL, is_open = NOT v_ended,
      done = done + p_done, done_total = done_total + p_done,
      cursor = CASE WHEN p_outcome = 'paused' OR v_failed AND p_keeps_cursor THEN cursor END,
      next_due_at = v_now + make_interval(secs => v_wait * (1 + random() / 8)),
      finished_at = CASE WHEN v_ended THEN v_now ELSE finished_at END,
      ok_at = CASE p_outcome WHEN 'done' THEN v_now ELSE ok_at END,
      error = CASE WHEN v_failed THEN left(p_error, 500) WHEN v_ended THEN NULL ELSE error END,
      runs = runs + v_ended::int, failures = failures + v_failed::int,
      failures_in_row = CASE WHEN v_failed THEN failures_in_row + 1
                             WHEN v_ended THEN 0 ELSE failures_in_row END
  WHERE name = p_name AND lease_token = p_token;
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.finish_upkeep_task TO ducat_worker;

-- Write down what a worker did of its parallel tasks since it last said so: p_notes [{name, runs,
-- failures, done, error?, is_ok}], 200 at most; is_ok says how the last of the runs ended.
--   DU007 validation_failed   no such list
-- Locks the rows by name. A repeat counts twice.
CREATE OR REPLACE FUNCTION ducat.note_upkeep_runs(p_notes jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  IF (jsonb_typeof(p_notes) = 'array' AND jsonb_array_length(p_notes) <= 200) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "notes"}');
  END IF;
  PERFORM FROM upkeep_tasks
  WHERE name IN (SELECT n ->> 'name' FROM jsonb_array_elements(p_notes) n)
  ORDER BY name COLLATE "C" FOR NO KEY UPDATE;
  UPDATE upkeep_tasks u
  SET started_at = v_now, finished_at = v_now, done = n.done, done_total = u.done_total + n.done,
      runs = u.runs + n.runs, failures = u.failures + n.failures,
      ok_at = CASE WHEN n.failures < n.runs THEN v_now ELSE u.ok_at END,
      error = CASE WHEN n.is_ok THEN NULL ELSE left(n.error, 500) END,
      failures_in_row = CASE WHEN n.failures < n.runs THEN (NOT n.is_ok)::int
                             ELSE u.failures_in_row + n.failures END
  FROM jsonb_to_recordset(p_notes)
    AS n (name text, runs int, failures int, done bigint, error text, is_ok boolean)
  WHERE u.name = n.name AND u.is_parallel;
END $$;
GRANT EXECUTE ON FUNCTION ducat.note_upkeep_runs TO ducat_worker;

-- A task as operators see it: all but the token and the cursor. state: running (somebody holds it)
-- | waiting (asked for, due, or cut short) | idle. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.show_upkeep_task(p_task ducat.upkeep_tasks) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN jsonb_build_object(
    'name', p_task.name, 'about', p_task.about, 'every_seconds', p_task.every_s,
    'is_parallel', p_task.is_parallel,
    'state', CASE WHEN p_task.lease_until > v_now THEN 'running'
      WHEN p_task.requested_at IS NOT NULL OR p_task.next_due_at <= v_now THEN 'waiting'
      ELSE 'idle' END,
    'next_due_at', CASE WHEN p_task.next_due_at < 'infinity' THEN p_task.next_due_at END,
    'requested_at', p_task.requested_at, 'requested_by', p_task.requested_by,
    'started_at', p_task.started_at, 'finished_at', p_task.finished_at, 'ok_at', p_task.ok_at,
    'error', p_task.error, 'done', p_task.done, 'done_total', p_task.done_total,
    'runs', p_task.runs, 'failures', p_task.failures,
    'failures_in_row', p_task.failures_in_row,
    'ok_age_seconds', extract(epoch FROM v_now - p_task.ok_at),
    'overdue_seconds', greatest(0, CASE WHEN p_task.next_due_at < 'infinity'
      THEN extract(epoch FROM v_now - p_task.next_due_at) END));
END $$;

-- All tasks by name, as show_upkeep_task has them, but for those that workers name no more while
-- they name others (each says so once an hour): of a former release, late for ever. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_upkeep_tasks() RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT show_upkeep_task(u) FROM upkeep_tasks u
  WHERE seen_at > (SELECT max(seen_at) - interval '3 hours' FROM upkeep_tasks)
  ORDER BY u.name COLLATE "C";
END $$;
GRANT EXECUTE ON FUNCTION ducat.list_upkeep_tasks TO ducat_app, ducat_worker;

-- Ask for a run as soon as possible, with an audit line: a worker takes it within seconds. Asking
-- again before it does changes nothing but the name. Returns what show_upkeep_task does.
--   DU003 not_found       no worker of the last week has such a task
--   DU006 invalid_state   {reason: running}: it is being done
-- Locks the row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.request_upkeep_run(p_name text, p_audit jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_task upkeep_tasks;
BEGIN
  SELECT * INTO v_task FROM upkeep_tasks WHERE name = p_name FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "task"}');
  ELSIF v_task.lease_until > clock_timestamp() THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "running"}');
  END IF;
  UPDATE upkeep_tasks
  SET requested_at = coalesce(requested_at, clock_timestamp()),
      requested_by = left(coalesce(p_audit ->> 'actor', 'system'), 200)
  WHERE name = p_name RETURNING * INTO v_task;
  PERFORM audit(NULL, 'task.run', 'task', p_name, p_audit, '{}');
  RETURN show_upkeep_task(v_task);
END $$;
GRANT EXECUTE ON FUNCTION ducat.request_upkeep_run TO ducat_app;
