-- The newest result of an account that was made of just this: p_key, the hash of all that it
-- depends on, which complete_item was told. Results that are gone, older than p_days, or were paid
-- back by support don't count; neither do those that were taken from others.
-- Returns the item, its output and what the provider said it used; no row when there is none.
-- Reads only.
CREATE OR REPLACE FUNCTION ducat.find_cached_result(p_account_id uuid, p_key bytea, p_days int)
RETURNS TABLE (item_id uuid, output jsonb, usage jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT i.id, i.output, i.usage FROM generation_items i
  WHERE i.account_id = p_account_id AND i.result_key = p_key AND i.status = 'completed'
    AND i.output IS NOT NULL
    AND i.completed_at > clock_timestamp() - make_interval(days => p_days)
  ORDER BY i.completed_at DESC LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION ducat.find_cached_result TO ducat_worker;
