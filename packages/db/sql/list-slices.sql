-- Lists over all accounts are read in slices: a filter that fits few rows is never looked for in
-- more rows than a slice has by one statement.

-- The id of the p_rows-th row (10000 at most) of a list, newest first, from just before p_before:
-- where the slice ends that begins there. Null: the list ends first. p_list: accounts, payments,
-- webhook_events or webhook_deliveries. For administrators: ids of any account.
--   DU007 validation_failed {what: list}
-- Reads one index. Safe to repeat.
CREATE OR REPLACE FUNCTION ducat.find_slice_floor(p_list text, p_before uuid, p_rows int)
RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid;
BEGIN
  IF p_list NOT IN ('accounts', 'payments', 'webhook_events', 'webhook_deliveries') THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "list"}');
  END IF;
  EXECUTE format('SELECT id FROM %I WHERE id < $1 ORDER BY id DESC OFFSET $2 - 1 LIMIT 1', p_list)
  INTO v_id USING coalesce(p_before, last_id()), least(p_rows, 10000);
  RETURN v_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.find_slice_floor TO ducat_app;

-- No id comes after it.
CREATE OR REPLACE FUNCTION ducat.last_id() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid $$;

-- No id comes before it.
CREATE OR REPLACE FUNCTION ducat.first_id() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT '00000000-0000-0000-0000-000000000000'::uuid $$;

-- The first id that can be made in the millisecond of a moment: ids begin with it (RFC 9562). There
-- is none before 1970.
CREATE OR REPLACE FUNCTION ducat.first_id_at(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT encode(substring(int8send(floor(1000 * extract(epoch FROM
      CASE WHEN p_at < to_timestamp(0) THEN to_timestamp(0) ELSE p_at END))::bigint)
    FROM 3) || '\x00000000000000000000'::bytea, 'hex')::uuid
$$;
