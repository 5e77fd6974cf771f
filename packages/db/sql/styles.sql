-- Publish presets: each that differs from its current version becomes the next version, and
-- generations keep the one that they were made with. Returns the ids of the new versions.
-- p_styles: [{id, name, description, category, kind, generator, prompt, params, cost,
-- deadline_s?, max_attempts?}]. Locks the styles' rows. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.publish_styles(p_styles jsonb) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_new styles;
  v_old styles;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.publish_styles'));
  FOR v_new IN
    SELECT s.* FROM jsonb_array_elements(p_styles) AS one
    CROSS JOIN LATERAL jsonb_populate_record(NULL::styles,
      '{"version": 1, "is_current": true, "is_active": true, "deadline_s": 900,
        "max_attempts": 3}'::jsonb || one || jsonb_build_object('created_at', clock_timestamp()))
      AS s
  LOOP
    SELECT * INTO v_old FROM styles WHERE id = v_new.id AND is_current FOR UPDATE;
    v_new.version := coalesce(v_old.version, 0);
    CONTINUE WHEN to_jsonb(v_new) - 'created_at' = to_jsonb(v_old) - 'created_at';
    v_new.version := v_new.version + 1;
    UPDATE styles SET is_current = false WHERE id = v_new.id AND is_current;
    INSERT INTO styles VALUES (v_new.*);
    RETURN NEXT v_new.id;
  END LOOP;
END $$;
