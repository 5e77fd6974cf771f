-- Counters of what was done lately: log-ins, mails, codes. A window begins with the first use and
-- its end is the machine's time. Keys are the callers': they hash what names a person.

-- Take from several limits at once, all of them or none. p_limits: [{key, limit, window_s,
-- amount?}], each key once, 20 at most; amount is 1 unless given. Returns null when everything was
-- taken, else the limit that refused: {key, retry_after_s}.
--   DU007 validation_failed   no such list
--   DU099                     never seen outside: undoes what was taken before the one that refused
-- Locks the keys in their order, so that two callers can't wait for each other. Not repeatable.
CREATE OR REPLACE FUNCTION ducat.take_limits(p_limits jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit record;
  v_isnew boolean;
  v_made boolean := false;
  v_refused jsonb;
BEGIN
  IF (jsonb_typeof(p_limits) = 'array' AND jsonb_array_length(p_limits) <= 20) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "limits"}');
  END IF;
  -- What was taken before the one that refuses is given back by the end of this block.
  BEGIN
    FOR v_limit IN
      SELECT key, "limit" AS most, make_interval(secs => window_s) AS span,
        coalesce(amount, 1) AS amount
      FROM jsonb_to_recordset(p_limits)
        AS l (key text, "limit" int, window_s float8, amount int) ORDER BY key COLLATE "C"
    LOOP
      v_isnew := NULL;
      INSERT INTO rate_limits AS r (key, taken, resets_at)
      SELECT v_limit.key, v_limit.amount, clock_timestamp() + v_limit.span
      WHERE v_limit.amount <= v_limit.most
      ON CONFLICT (key) DO UPDATE SET
        taken = CASE WHEN r.resets_at <= clock_timestamp() THEN v_limit.amount
                     ELSE r.taken + v_limit.amount END,
        resets_at = CASE WHEN r.resets_at <= clock_timestamp() THEN clock_timestamp() + v_limit.span
                         ELSE r.resets_at END
      WHERE r.resets_at <= clock_timestamp() OR r.taken + v_limit.amount <= v_limit.most
      RETURNING xmax = 0 INTO v_isnew;
      IF v_isnew IS NULL THEN
        v_refused := jsonb_build_object('key', v_limit.key, 'retry_after_s', coalesce((
          SELECT ceil(greatest(extract(epoch FROM resets_at - clock_timestamp()), 1))
          FROM rate_limits WHERE key = v_limit.key), ceil(extract(epoch FROM v_limit.span))));
        RAISE EXCEPTION USING ERRCODE = 'DU099';
      END IF;
      v_made := v_made OR v_isnew;
    END LOOP;
  EXCEPTION WHEN SQLSTATE 'DU099' THEN
    RETURN v_refused;
  END;
  -- A row comes, two old ones go: the table stays as small as what is remembered.
  IF v_made THEN
    PERFORM forget_limits(2);
  END IF;
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.take_limits TO ducat_app;

-- As take_limits, and says how every limit stands afterwards. It is for requests: what a crash of
-- the server forgets of the last moments harms nobody, so that the commit waits for no disk.
-- Returns {taken: boolean, windows: [{key, used, resets_ms}]}; a window that is not open is left
-- out.
--   DU007 validation_failed   no such list
-- Locks as take_limits does. Not repeatable.
CREATE OR REPLACE FUNCTION ducat.take_windows(p_limits jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_refused jsonb;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  v_refused := take_limits(p_limits);
  RETURN jsonb_build_object('taken', v_refused IS NULL, 'windows', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('key', key, 'used', taken, 'resets_ms',
      ceil(extract(epoch FROM resets_at - clock_timestamp()) * 1000))), '[]')
    FROM rate_limits
    WHERE key = ANY (ARRAY(SELECT l ->> 'key' FROM jsonb_array_elements(p_limits) l))
      AND resets_at > clock_timestamp()));
END $$;
GRANT EXECUTE ON FUNCTION ducat.take_windows TO ducat_app;
