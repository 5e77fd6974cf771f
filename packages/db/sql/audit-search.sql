-- For administrators: who did what.

-- Audit lines, newest first, before p_before (an id), p_limit (1001 at most) at once, by any of the
-- filters; each has an index, and a span of time is found by the ids, which begin with it. Null:
-- whatever. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.search_audit_logs(
  p_limit int, p_actor text DEFAULT NULL, p_action text DEFAULT NULL, p_resource text DEFAULT NULL,
  p_resource_id text DEFAULT NULL, p_account_id uuid DEFAULT NULL, p_request_id text DEFAULT NULL,
  p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL, p_before uuid DEFAULT NULL)
RETURNS SETOF ducat.audit_logs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  -- An id is made a little before or after the row's time; the time itself is looked at too.
  v_slack interval := '1 minute';
BEGIN
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  RETURN QUERY EXECUTE $query$
    SELECT * FROM audit_logs
    WHERE id < $1 AND id >= $2 AND ($3 IS NULL OR actor = $3) AND ($4 IS NULL OR action = $4)
      AND ($5 IS NULL OR resource = $5) AND ($6 IS NULL OR resource_id = $6)
      AND ($7 IS NULL OR account_id = $7) AND ($8 IS NULL OR request_id = $8)
      AND ($9 IS NULL OR created_at >= $9) AND ($10 IS NULL OR created_at < $10)
    ORDER BY id DESC LIMIT least($11, 1001)$query$
  USING least(coalesce(p_before, last_id()), coalesce(first_id_at(p_to + v_slack), last_id())),
    coalesce(first_id_at(p_from - v_slack), first_id()), p_actor, p_action, p_resource,
    p_resource_id, p_account_id, p_request_id, p_from, p_to, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.search_audit_logs TO ducat_app;
