-- Runs of reconciliation: one at a time for each provider and mode, whoever starts it. A run is a
-- row with a lease and no session lock, so that it also works through a transaction pooler.

-- The date from which the next run has to look, in the provider's time: where the last good run
-- began, an hour earlier because things take a while to appear; once a day, and at first, at least
-- 30 days back (Stripe keeps events that long, and refunds come late). Takes no lock.
CREATE OR REPLACE FUNCTION ducat.next_since(p_provider text, p_mode text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_month timestamptz := clock_timestamp() - interval '30 days';
  v_last timestamptz;
  v_is_deep boolean;
BEGIN
  SELECT max(started_at) - interval '1 hour',
         bool_or(started_at > clock_timestamp() - interval '1 day'
                 AND since <= started_at - interval '29 days')
  INTO v_last, v_is_deep
  FROM reconciliations
  WHERE provider = p_provider AND mode = p_mode AND is_gapless
    AND status IN ('clean', 'differs');
  RETURN CASE WHEN v_is_deep THEN v_last ELSE least(v_last, v_month) END;
END $$;

-- Ask for a run as soon as possible; the workers look for what was asked for. A run that waits
-- already is the answer, with the earlier of the two dates. Returns the row that waits.
--   DU007 validation_failed   p_since lies in the future
-- p_audit: {actor, request_id, ip}. Serialised by provider and mode. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.request_reconciliation(
  p_provider text, p_mode text, p_since timestamptz, p_audit jsonb)
RETURNS ducat.reconciliations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_run reconciliations;
BEGIN
  PERFORM refuse_future(p_since);
  PERFORM lock_reconciliation(p_provider, p_mode);
  UPDATE reconciliations
  SET since = least(since, p_since),
      is_gapless = least(since, p_since) <= next_since(p_provider, p_mode)
  WHERE provider = p_provider AND mode = p_mode AND status = 'waiting' RETURNING * INTO v_run;
  IF NOT FOUND THEN
    INSERT INTO reconciliations (provider, mode, since, is_gapless, status)
    SELECT p_provider, p_mode, coalesce(p_since, n.since), coalesce(p_since <= n.since, true),
           'waiting'
    FROM (SELECT next_since(p_provider, p_mode) AS since) n
    RETURNING * INTO v_run;
  END IF;
  PERFORM audit(NULL, 'reconciliation.request', 'reconciliation', v_run.id::text, p_audit,
    jsonb_build_object('provider', p_provider, 'since', v_run.since));
  RETURN v_run;
END $$;
GRANT EXECUTE ON FUNCTION ducat.request_reconciliation TO ducat_app;

-- Begin a run: the one that waits, else one since p_since, else the scheduled one when the last
-- began at least p_every_seconds ago (after a failure: at most a minute ago). No row while another
-- one runs or none is due. A run whose lease lapsed is failed first: its process is gone, and the
-- new one looks at the same time again.
--   DU007 validation_failed   p_since lies in the future
-- Serialised by provider and mode. A lost answer costs one lease.
CREATE OR REPLACE FUNCTION ducat.start_reconciliation(
  p_provider text, p_mode text, p_every_seconds int, p_lease_seconds int,
  p_since timestamptz DEFAULT NULL)
RETURNS SETOF ducat.reconciliations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_last reconciliations;
  v_wait int;
BEGIN
  PERFORM refuse_future(p_since);
  PERFORM lock_reconciliation(p_provider, p_mode);
  UPDATE reconciliations
  SET status = 'failed', error = 'interrupted', finished_at = clock_timestamp(),
      lease_until = NULL
  WHERE provider = p_provider AND mode = p_mode AND status = 'running'
    AND lease_until <= clock_timestamp();
  SELECT * INTO v_last FROM reconciliations
  WHERE provider = p_provider AND mode = p_mode AND started_at IS NOT NULL
  ORDER BY started_at DESC LIMIT 1;
  IF v_last.status = 'running' THEN
    RETURN;
  END IF;
  IF p_since IS NULL THEN
    RETURN QUERY UPDATE reconciliations
    SET status = 'running', started_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    WHERE provider = p_provider AND mode = p_mode AND status = 'waiting' RETURNING *;
    IF FOUND THEN
      RETURN;
    END IF;
    v_wait := CASE v_last.status WHEN 'failed' THEN least(p_every_seconds, 60)
              ELSE p_every_seconds END;
    IF v_last.started_at > clock_timestamp() - make_interval(secs => v_wait) THEN
      RETURN;
    END IF;
  END IF;
  RETURN QUERY INSERT INTO reconciliations (provider, mode, since, is_gapless, status, started_at,
    lease_until)
  SELECT p_provider, p_mode, coalesce(p_since, n.since), coalesce(p_since <= n.since, true),
    'running', clock_timestamp(), clock_timestamp() + make_interval(secs => p_lease_seconds)
  FROM (SELECT next_since(p_provider, p_mode) AS since) n
  RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.start_reconciliation TO ducat_worker;

-- Say that a run goes on; false when it is ours no more, and then it must stop.
-- Locks one row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.extend_reconciliation(
  p_id uuid, p_facts int, p_lease_seconds int)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE reconciliations
  SET facts = p_facts, lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
  WHERE id = p_id AND status = 'running';
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.extend_reconciliation TO ducat_worker;

-- End a run with what it found; p_status: clean | differs | failed. Returns the row as it is then,
-- no row when it is not ours any more. Old runs go: clean ones after a week, others after 90 days.
-- Locks one row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.finish_reconciliation(
  p_id uuid, p_status text, p_facts int, p_differences jsonb, p_error text DEFAULT NULL)
RETURNS SETOF ducat.reconciliations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_run reconciliations;
BEGIN
  UPDATE reconciliations
  SET status = p_status, facts = p_facts, differences = p_differences, error = p_error,
      finished_at = clock_timestamp(), lease_until = NULL
  WHERE id = p_id AND status = 'running' RETURNING * INTO v_run;
  IF NOT FOUND THEN
    RETURN QUERY SELECT * FROM reconciliations WHERE id = p_id AND status = p_status;
    RETURN;
  END IF;
  -- Never the newest good one: the next run begins where it began.
  IF v_run.is_gapless AND p_status <> 'failed' THEN
    DELETE FROM reconciliations
    WHERE provider = v_run.provider AND mode = v_run.mode AND id <> p_id
      AND finished_at < clock_timestamp()
        - CASE status WHEN 'clean' THEN interval '7 days' ELSE interval '90 days' END;
  END IF;
  RETURN NEXT v_run;
END $$;
GRANT EXECUTE ON FUNCTION ducat.finish_reconciliation TO ducat_worker;

-- One transaction at a time decides about the runs of a provider and mode.
CREATE OR REPLACE FUNCTION ducat.lock_reconciliation(p_provider text, p_mode text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(
    hashtextextended('ducat.reconciliation:' || p_provider || ':' || p_mode, 0));
END $$;

-- Refuse a date that is still to come.
--   DU007 validation_failed
CREATE OR REPLACE FUNCTION ducat.refuse_future(p_date timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_date > clock_timestamp() THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "since"}');
  END IF;
END $$;
