-- For support: what providers sent.

-- As the former release had it.
DROP FUNCTION IF EXISTS ducat.list_webhook_events(text, text, text, uuid, int);

-- Events, newest first, before p_before and not before p_floor (ids), p_limit (1001 at most) at
-- once, without their bodies. Null: whatever. For administrators.
CREATE OR REPLACE FUNCTION ducat.list_webhook_events(
  p_status text, p_event_type text, p_provider text, p_before uuid, p_limit int,
  p_floor uuid DEFAULT NULL, p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  RETURN QUERY EXECUTE $query$
    SELECT show_webhook_event(e) FROM webhook_events e
    WHERE e.id < $1 AND e.id >= $2 AND ($3 IS NULL OR e.status = $3)
      AND ($4 IS NULL OR e.event_type = $4) AND ($5 IS NULL OR e.provider = $5)
      AND ($6 IS NULL OR e.created_at >= $6) AND ($7 IS NULL OR e.created_at < $7)
    ORDER BY e.id DESC LIMIT least($8, 1001)$query$
  USING coalesce(p_before, last_id()), coalesce(p_floor, first_id()), p_status, p_event_type,
    p_provider, p_from, p_to, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.list_webhook_events TO ducat_app;
