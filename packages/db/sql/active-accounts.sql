-- Who was served lately: a process tells now and then, and one that starts reads what those may do
-- before they ask. Machine time. Nothing depends on it but the time of first answers.

-- Note that these accounts were served, 1,000 at most; forget who was not for a day.
--   DU007 validation_failed   more than 1,000
-- Locks their rows by id. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.note_active_accounts(p_account_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF cardinality(p_account_ids) > 1000 THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 1000}');
  END IF;
  INSERT INTO active_accounts (account_id, seen_at)
  SELECT DISTINCT a.id, clock_timestamp() FROM accounts a
  WHERE a.id = ANY (p_account_ids) ORDER BY a.id
  ON CONFLICT (account_id) DO UPDATE SET seen_at = excluded.seen_at;
  -- Another process that does the same has these rows: it will see to them.
  DELETE FROM active_accounts WHERE account_id IN (
    SELECT account_id FROM active_accounts
    WHERE seen_at < clock_timestamp() - interval '1 day'
    ORDER BY seen_at LIMIT 10000 FOR UPDATE SKIP LOCKED);
END $$;
GRANT EXECUTE ON FUNCTION ducat.note_active_accounts TO ducat_app;

-- The ids of those who were served last, p_limit at most. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.list_active_accounts(p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM active_accounts ORDER BY seen_at DESC, account_id
  LIMIT least(p_limit, 10000)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_active_accounts TO ducat_app;
