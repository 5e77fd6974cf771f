-- How long results are kept: for `limits.retention_days` of the plan that an account is on now, and
-- for ever without it. What goes is the item's output and its file; the item, its price and the
-- ledger stay. A result's age is the machine's time, as of everything about files: which plan an
-- account is on is its own time.

-- For how many days an account's results are kept; null is for ever. Internal.
--   DU003 not_found
CREATE OR REPLACE FUNCTION ducat.retention_days(p_account_id uuid) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_standing record := find_standing(p_account_id);
BEGIN
  RETURN ((v_standing.plan).limits ->> 'retention_days')::int;
END $$;

-- Of the p_limit accounts after p_after, by id, those with results that are kept too long; last_id
-- is where to go on, null at the end. Nothing is looked at while no plan limits what is kept, and
-- of accounts whose oldest result is young only that.
-- Takes no lock. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.find_outdated_accounts(
  p_after uuid DEFAULT NULL, p_limit int DEFAULT 500, OUT last_id uuid, OUT due uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_shortest int := (SELECT min((limits ->> 'retention_days')::int) FROM products
    WHERE kind = 'plan' AND limits ? 'retention_days');
BEGIN
  due := '{}';
  IF v_shortest IS NULL THEN
    RETURN;
  END IF;
  WITH page AS (
    SELECT id FROM accounts WHERE p_after IS NULL OR id > p_after
    ORDER BY id LIMIT least(p_limit, 500)
  ), old AS (
    SELECT p.id, oldest.completed_at FROM page p CROSS JOIN LATERAL (
      SELECT i.completed_at FROM generation_items i
      WHERE i.account_id = p.id AND i.status = 'completed' AND i.output_removed_at IS NULL
        AND i.completed_at < v_now - make_interval(days => v_shortest)
      ORDER BY i.completed_at LIMIT 1) AS oldest
  )
  SELECT (SELECT CASE WHEN count(*) = least(p_limit, 500)
                 THEN (array_agg(id ORDER BY id DESC))[1] END FROM page),
         coalesce((SELECT array_agg(id ORDER BY id) FROM old
           WHERE completed_at < v_now - make_interval(days => retention_days(id))), '{}')
  INTO last_id, due;
END $$;
GRANT EXECUTE ON FUNCTION ducat.find_outdated_accounts TO ducat_worker;

-- Forget an account's p_limit oldest results that are kept too long. What is in the gallery is the
-- gallery's alone from now on. Returns how many items it was, and the keys of the files to remove;
-- a file that stays behind has no row any more and is collected.
--   DU003 not_found
-- Locks the items (those that others hold are passed over), then their blobs by id. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.remove_outdated_results(
  p_account_id uuid, p_limit int DEFAULT 500, OUT items int, OUT keys text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_days int := retention_days(p_account_id);
BEGIN
  WITH outdated AS (
    SELECT i.id, ARRAY[i.output ->> 'key', i.output -> 'thumbnail' ->> 'key'] AS files
    FROM generation_items i
    WHERE i.account_id = p_account_id AND i.status = 'completed' AND i.output_removed_at IS NULL
      AND i.completed_at < v_now - make_interval(days => v_days)
    ORDER BY i.completed_at LIMIT least(p_limit, 500) FOR NO KEY UPDATE SKIP LOCKED
  ), removed AS (
    UPDATE generation_items i SET output = NULL, output_removed_at = v_now
    FROM outdated o WHERE i.account_id = p_account_id AND i.id = o.id RETURNING o.id, o.files
  )
  SELECT count(DISTINCT r.id), coalesce(array_agg(f.key) FILTER (WHERE f.key IS NOT NULL), '{}')
  INTO items, keys FROM removed r CROSS JOIN unnest(r.files) AS f (key);
  -- Whoever saves a result to the gallery locks its blob too: then it is the gallery's, or gone.
  PERFORM FROM blobs b WHERE b.account_id = p_account_id AND b.key = ANY (keys)
  ORDER BY b.id FOR UPDATE;
  UPDATE blobs b SET generation_id = NULL
  WHERE b.account_id = p_account_id AND b.key = ANY (keys) AND b.purpose = 'gallery';
  WITH gone AS (
    DELETE FROM blobs b WHERE b.account_id = p_account_id AND b.key = ANY (keys)
      AND b.purpose IN ('output', 'thumbnail') RETURNING b.key
  )
  SELECT coalesce(array_agg(gone.key), '{}') INTO keys FROM gone;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_outdated_results TO ducat_worker;
