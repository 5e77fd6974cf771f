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
