-- Presets. A version never changes: generations keep the one that they were made with. Only whether
-- the current one is on offer is written in place. What an operator has published (published_by)
-- is theirs: a release that brings another preset of that name leaves it alone.

-- Publish the presets of a release: each that differs from its current version becomes the next
-- version. Returns the ids of the new versions. p_styles: [{id, name, description, category, kind,
-- generator, prompt, params, cost, deadline_s?, max_attempts?, pricing?, fallbacks?, cache_days?}].
-- Locks the styles' rows. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.publish_styles(p_styles jsonb) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_one jsonb;
  v_old styles;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.publish_styles'));
  FOR v_one IN SELECT * FROM jsonb_array_elements(p_styles) LOOP
    SELECT * INTO v_old FROM styles WHERE id = v_one ->> 'id' AND is_current FOR UPDATE;
    CONTINUE WHEN v_old.published_by IS NOT NULL OR NOT add_style_version(v_old, v_one);
    RETURN NEXT v_one ->> 'id';
  END LOOP;
END $$;

-- Make p_style the next version of a locked style, or the first one; what it doesn't say is the
-- default. False, and nothing is written, when that is what the current version says. The caller
-- publishes, one at a time. Internal.
CREATE OR REPLACE FUNCTION ducat.add_style_version(p_current ducat.styles, p_style jsonb)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_new styles := jsonb_populate_record(NULL::styles,
    '{"is_active": true, "deadline_s": 900, "max_attempts": 3, "fallbacks": [],
      "cache_days": 0}'::jsonb || p_style
    || '{"is_current": true}' || jsonb_build_object('created_at', clock_timestamp()));
BEGIN
  v_new.version := coalesce(p_current.version, 0);
  IF to_jsonb(v_new) - '{created_at,published_by}'::text[]
     = to_jsonb(p_current) - '{created_at,published_by}'::text[] THEN
    RETURN false;
  END IF;
  v_new.version := (SELECT coalesce(max(version), 0) + 1 FROM styles WHERE id = v_new.id);
  UPDATE styles SET is_current = false WHERE id = v_new.id AND is_current;
  INSERT INTO styles VALUES (v_new.*);
  RETURN true;
END $$;

-- Publish a preset by hand, with an audit line: a new one, or with p_is_new false the next version
-- of one that is there, on offer as it was. The same again writes no version. The caller has
-- checked the members, as in publish_styles. Returns its current row.
--   DU003 not_found        {what: style}
--   DU008 already_exists   {what: style}
-- Locks the style. Safe to retry, a new one but for its answer.
CREATE OR REPLACE FUNCTION ducat.publish_style(p_style jsonb, p_is_new boolean, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id text := p_style ->> 'id';
  v_old styles;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.publish_styles'));
  SELECT * INTO v_old FROM styles WHERE id = v_id AND is_current FOR UPDATE;
  IF p_is_new AND v_old.id IS NOT NULL THEN
    PERFORM refuse('DU008', 'already_exists', '{"what": "style"}');
  ELSIF NOT p_is_new AND v_old.id IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "style"}');
  END IF;
  RETURN write_style(v_old, p_style || jsonb_build_object(
    'is_active', coalesce(v_old.is_active, true)), 'style.publish', p_audit);
END $$;
GRANT EXECUTE ON FUNCTION ducat.publish_style TO ducat_app;

-- Make a former version's content the next version, with an audit line; whether the style is on
-- offer stays as it is. Returns its current row.
--   DU003 not_found   {what: style}: no such style, or no such version of it
-- Locks the style. Safe to retry: the same again writes no version.
CREATE OR REPLACE FUNCTION ducat.restore_style(p_id text, p_version int, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_old styles;
  v_former styles;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.publish_styles'));
  SELECT * INTO v_old FROM styles WHERE id = p_id AND is_current FOR UPDATE;
  SELECT * INTO v_former FROM styles WHERE id = p_id AND version = p_version;
  IF v_old.id IS NULL OR v_former.id IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "style"}');
  END IF;
  v_former.is_active := v_old.is_active;
  RETURN write_style(v_old, to_jsonb(v_former), 'style.restore', p_audit);
END $$;
GRANT EXECUTE ON FUNCTION ducat.restore_style TO ducat_app;

-- Write what an operator publishes of a locked style, with the audit line of p_action. Internal.
CREATE OR REPLACE FUNCTION ducat.write_style(
  p_current ducat.styles, p_style jsonb, p_action text, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_by text := coalesce(p_audit ->> 'actor', 'system');
  v_after styles;
BEGIN
  PERFORM add_style_version(p_current, p_style || jsonb_build_object('published_by', v_by));
  UPDATE styles SET published_by = v_by
  WHERE id = p_style ->> 'id' AND is_current RETURNING * INTO v_after;
  PERFORM audit(NULL, p_action, 'style', v_after.id, p_audit,
    diff_members(to_jsonb(p_current) - 'created_at', to_jsonb(v_after) - 'created_at'));
  RETURN to_jsonb(v_after);
END $$;

-- Put a style on offer or take it off, with an audit line. What is running goes on. Returns its
-- current row.
--   DU003 not_found   {what: style}
-- Locks the style. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_style_active(p_id text, p_is_active boolean, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before boolean;
  v_after styles;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.publish_styles'));
  SELECT is_active INTO v_before FROM styles WHERE id = p_id AND is_current FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "style"}');
  END IF;
  UPDATE styles SET is_active = p_is_active, published_by = coalesce(p_audit ->> 'actor', 'system')
  WHERE id = p_id AND is_current RETURNING * INTO v_after;
  PERFORM audit(NULL, CASE WHEN p_is_active THEN 'style.activate' ELSE 'style.deactivate' END,
    'style', p_id, p_audit,
    jsonb_build_object('before', v_before, 'after', p_is_active, 'version', v_after.version));
  RETURN to_jsonb(v_after);
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_style_active TO ducat_app;
