-- How long it is remembered what was used: 400 days, more than a year to look back on. Then the
-- event may come again and is new, and can't be released any more.

-- Forget the p_limit oldest events and as many counters that are over for 400 days. Events whose
-- places are still held stay until these are given back, and so do counters without an end. A row
-- has its account's time, which is never behind the machine's: one whose clock was moved is kept
-- longer. Counters go by the longest period there is, a month, and after all of its events.
-- Returns how many events and counters.
-- Locks what it removes, passing over what others hold. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remove_old_usage(
  p_limit int DEFAULT 1000, OUT events int, OUT counters int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before timestamptz := clock_timestamp() - interval '400 days';
BEGIN
  DELETE FROM usage_logs WHERE (account_id, id) IN (
    SELECT account_id, id FROM usage_logs
    WHERE created_at < v_before
      AND (period_start IS DISTINCT FROM '-infinity' OR released_at IS NOT NULL)
    ORDER BY created_at LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS events = ROW_COUNT;
  DELETE FROM usage_counters WHERE (account_id, feature, period_start) IN (
    SELECT account_id, feature, period_start FROM usage_counters
    WHERE period_start > '-infinity'
      AND period_start AT TIME ZONE 'UTC' < (v_before - interval '32 days') AT TIME ZONE 'UTC'
    ORDER BY period_start AT TIME ZONE 'UTC' LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS counters = ROW_COUNT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_old_usage TO ducat_worker;
