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
