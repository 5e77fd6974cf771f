-- The table admin_config: settings of operators (packages/types/src/config.ts has their keys, types
-- and defaults), and rows of our own, which no operator writes: catalog, queue_kind, round:*.

-- A setting that is a number; p_default where it is not set. Internal.
CREATE OR REPLACE FUNCTION ducat.read_setting(p_key text, p_default bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce((
    SELECT CASE jsonb_typeof(value) WHEN 'number' THEN trunc((value #>> '{}')::numeric) END::bigint
    FROM admin_config WHERE key = p_key), p_default)
$$;

-- Set one of the operators' settings, with an audit line; the caller has checked key and value.
-- p_seen is what the caller has seen as updated_at (a JSON text, or JSON's null: never set); null
-- compares nothing. Times grow by a millisecond at least, so that no two versions look the same.
-- Returns {key, value, updated_at, updated_by}.
--   DU006 invalid_state       {reason: changed}: it was set meanwhile
--   DU007 validation_failed   {reason: key | value}: a row of our own; over 16 KiB
-- Locks the row. Safe to retry without p_seen.
CREATE OR REPLACE FUNCTION ducat.set_setting(
  p_key text, p_value jsonb, p_is_public boolean, p_seen jsonb, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before admin_config := lock_setting(p_key, p_seen);
  v_after admin_config;
BEGIN
  IF (jsonb_typeof(p_value) <> 'null' AND octet_length(p_value::text) <= 16384) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "value"}');
  END IF;
  INSERT INTO admin_config (key, value, requires_admin, updated_at, updated_by)
  VALUES (p_key, p_value, NOT p_is_public, date_trunc('milliseconds', clock_timestamp()),
    coalesce(p_audit ->> 'actor', 'system'))
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, requires_admin = excluded.requires_admin,
    updated_by = excluded.updated_by,
    updated_at = greatest(excluded.updated_at, v_before.updated_at + interval '1 millisecond')
  RETURNING * INTO v_after;
  PERFORM audit(NULL, 'config.set', 'config', p_key, p_audit,
    jsonb_build_object('before', v_before.value, 'after', v_after.value));
  PERFORM drop_cached('settings');
  RETURN to_jsonb(v_after) - 'requires_admin';
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_setting TO ducat_app;

-- Take a setting of the operators' back, with an audit line: what the catalog says of it counts
-- again, else the default. Returns whether it was set.
--   DU006 invalid_state       {reason: changed}: it was set meanwhile
--   DU007 validation_failed   {reason: key}: a row of our own
-- Locks the row. Safe to retry: a repeat returns false.
CREATE OR REPLACE FUNCTION ducat.reset_setting(p_key text, p_seen jsonb, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before admin_config := lock_setting(p_key, p_seen);
  v_pushed jsonb := (SELECT rows -> p_key FROM catalog_versions ORDER BY version DESC LIMIT 1);
BEGIN
  IF v_before.updated_by IS NULL THEN
    RETURN false;
  END IF;
  DELETE FROM admin_config WHERE key = p_key;
  IF jsonb_typeof(v_pushed) = 'number' THEN
    INSERT INTO admin_config (key, value, requires_admin, updated_at)
    VALUES (p_key, v_pushed, v_before.requires_admin, greatest(
      date_trunc('milliseconds', clock_timestamp()),
      v_before.updated_at + interval '1 millisecond'));
  END IF;
  PERFORM audit(NULL, 'config.reset', 'config', p_key, p_audit,
    jsonb_build_object('before', v_before.value, 'after', v_pushed));
  PERFORM drop_cached('settings');
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.reset_setting TO ducat_app;

-- Lock the row of an operators' setting, if there is one, and compare what its writer has seen.
--   DU006 invalid_state {reason: changed} · DU007 validation_failed {reason: key}
-- One writer of a key at a time, also where there is no row to lock yet. Internal.
CREATE OR REPLACE FUNCTION ducat.lock_setting(p_key text, p_seen jsonb) RETURNS ducat.admin_config
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row admin_config;
BEGIN
  IF p_key !~ '^[a-z][a-z0-9_]{0,63}$' OR p_key IN ('catalog', 'queue_kind') THEN
    PERFORM refuse('DU007', 'validation_failed', '{"reason": "key"}');
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('ducat.setting:' || p_key));
  SELECT * INTO v_row FROM admin_config WHERE key = p_key FOR UPDATE;
  IF p_seen IS NOT NULL AND date_trunc('milliseconds', v_row.updated_at)
     IS DISTINCT FROM date_trunc('milliseconds', (p_seen #>> '{}')::timestamptz) THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "changed"}');
  END IF;
  RETURN v_row;
END $$;

-- The kind of queue (redis | postgres) that this deployment uses: the first caller's, for all.
-- An operator who moves from one to the other deletes the row `queue_kind` of admin_config.
CREATE OR REPLACE FUNCTION ducat.settle_queue_kind(p_kind text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  INSERT INTO admin_config (key, value) VALUES ('queue_kind', to_jsonb(p_kind))
  ON CONFLICT (key) DO NOTHING;
  RETURN (SELECT value #>> '{}' FROM admin_config WHERE key = 'queue_kind');
END $$;
GRANT EXECUTE ON FUNCTION ducat.settle_queue_kind TO ducat_app, ducat_worker;

-- Take a round that one process makes for all, p_every_s seconds after it was last begun by any.
-- Workers of the release before this one call it while they are replaced; ours have upkeep.sql.
-- Returns whether it is the caller's to make; one that dies in it has it made up for by the next.
-- Locks the row `round:<name>` of admin_config; an operator who deletes it has it made at once.
-- Safe to retry (a repeat after a lost answer skips the round).
CREATE OR REPLACE FUNCTION ducat.claim_round(p_name text, p_every_s double precision)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  INSERT INTO admin_config AS c (key, value, requires_admin)
  VALUES ('round:' || p_name, to_jsonb(clock_timestamp()), true)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = clock_timestamp()
  WHERE (c.value #>> '{}')::timestamptz <= clock_timestamp() - make_interval(secs => p_every_s);
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_round TO ducat_worker;
