-- How the deployment's own endpoints are doing, for metrics: how many fail, and how many were given
-- up because they failed for days or wanted no more. There are 64 at most.
CREATE OR REPLACE FUNCTION ducat.read_own_endpoints(OUT failing int, OUT given_up int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT count(*) FILTER (WHERE status = 'enabled' AND failing_since IS NOT NULL)::int,
    count(*) FILTER (WHERE disabled_reason IN ('gone', 'failing'))::int
  FROM webhook_endpoints WHERE account_id = deployment_id()
$$;
GRANT EXECUTE ON FUNCTION ducat.read_own_endpoints TO ducat_app;
