-- Money or a message that could not be trusted or placed: kept for a person, credited to nobody.

-- Keep an anomaly, once per provider, mode, kind and what it is about.
-- Returns refused, or known when a person has resolved it, or when what could not be placed
-- (kind unknown_order) has meanwhile settled a payment under p_effect_key.
-- Locks nothing but the new row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.report_anomaly(
  p_provider text, p_mode text, p_kind text, p_about text, p_data jsonb,
  p_payment_id uuid DEFAULT NULL, p_effect_key text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_resolved boolean;
BEGIN
  IF p_kind = 'unknown_order' AND EXISTS (
    SELECT FROM payments WHERE effect_key = p_effect_key AND provider = p_provider
      AND mode = p_mode AND status = 'succeeded')
  THEN
    RETURN 'known';
  END IF;
  INSERT INTO payment_anomalies (provider, mode, kind, about, data, payment_id)
  VALUES (p_provider, p_mode, p_kind, left(p_about, 300), coalesce(p_data, '{}'), p_payment_id)
  ON CONFLICT ON CONSTRAINT payment_anomalies_once DO NOTHING;
  SELECT resolved_at IS NOT NULL INTO v_resolved FROM payment_anomalies
  WHERE provider = p_provider AND mode = p_mode AND kind = p_kind AND about = left(p_about, 300);
  RETURN CASE WHEN v_resolved THEN 'known' ELSE 'refused' END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.report_anomaly TO ducat_app, ducat_worker;

-- Anomalies, newest first, before p_before_id, up to p_limit (101 at most); open ones only where
-- p_open is true, resolved ones only where it is false. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.list_anomalies(
  p_limit int, p_open boolean DEFAULT NULL, p_kind text DEFAULT NULL,
  p_before_id uuid DEFAULT NULL)
RETURNS SETOF ducat.payment_anomalies
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT * FROM payment_anomalies
  WHERE (p_open IS NULL OR (resolved_at IS NULL) = p_open)
    AND (p_kind IS NULL OR kind = p_kind) AND (p_before_id IS NULL OR id < p_before_id)
  ORDER BY id DESC LIMIT least(p_limit, 101)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_anomalies TO ducat_app, ducat_worker;

-- Say that a person has dealt with an anomaly, with an audit line. Returns the row; one that was
-- resolved before stays as it is.
--   DU003 not_found
-- Locks the anomaly. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.resolve_anomaly(p_anomaly_id uuid, p_audit jsonb)
RETURNS SETOF ducat.payment_anomalies
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_anomaly payment_anomalies;
BEGIN
  SELECT * INTO v_anomaly FROM payment_anomalies WHERE id = p_anomaly_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "anomaly"}');
  END IF;
  IF v_anomaly.resolved_at IS NULL THEN
    UPDATE payment_anomalies
    SET resolved_at = clock_timestamp(), resolved_by = coalesce(p_audit ->> 'actor', 'system')
    WHERE id = p_anomaly_id RETURNING * INTO v_anomaly;
    PERFORM audit(NULL, 'anomaly.resolve', 'anomaly', p_anomaly_id::text, p_audit,
      jsonb_build_object('kind', v_anomaly.kind, 'about', v_anomaly.about));
  END IF;
  RETURN NEXT v_anomaly;
END $$;
GRANT EXECUTE ON FUNCTION ducat.resolve_anomaly TO ducat_app;
