-- How many items of an account may be worked on at once. Who has such a limit says it in the
-- generation's usage, as {feature: "_running", limit}; nobody else has rows here or pays for them.
-- A row is only a candidate: whether an item holds its slot is what its own row says, so nothing
-- that ends an item needs to know of slots.

-- Take a slot of the account for an item that is being claimed; one that has its slot keeps it:
-- while a worker owns it, and while its provider still works on it. False when all are taken: then
-- the item stands in line, and the sweeper looks at it again by its place there, in 30 s to
-- 10 min. true when p_usage has no such limit.
-- Locks the account's slots (an advisory lock), then the item. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.take_slot(
  p_account_id uuid, p_generation_id uuid, p_item_id uuid, p_usage jsonb, p_deadline timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := running_limit(p_usage);
  v_isfree boolean;
  v_ahead int;
BEGIN
  IF v_limit IS NULL THEN
    RETURN true;
  END IF;
  -- What others have claimed is seen after this: each statement below has a view of its own.
  PERFORM lock_slots(p_account_id);
  DELETE FROM item_slots s
  WHERE account_id = p_account_id AND NOT is_waiting AND NOT EXISTS (
    SELECT FROM generation_items i
    WHERE i.account_id = p_account_id AND i.id = s.item_id
      AND (i.status = 'processing' OR i.status = 'pending' AND i.provider_request_id IS NOT NULL));
  SELECT count(*) < v_limit OR bool_or(item_id = p_item_id) INTO v_isfree
  FROM item_slots WHERE account_id = p_account_id AND NOT is_waiting;
  INSERT INTO item_slots (account_id, item_id, generation_id, is_waiting)
  VALUES (p_account_id, p_item_id, p_generation_id, NOT v_isfree)
  ON CONFLICT (account_id, item_id) DO UPDATE SET is_waiting = excluded.is_waiting;
  IF NOT v_isfree THEN
    SELECT count(*) INTO v_ahead FROM (
      SELECT FROM item_slots
      WHERE account_id = p_account_id AND is_waiting AND item_id < p_item_id LIMIT 1000) AS ahead;
    UPDATE generation_items SET due_at = least(p_deadline,
      clock_timestamp() + least((1 + v_ahead / v_limit) * interval '30 s', interval '10 min'))
    WHERE account_id = p_account_id AND id = p_item_id AND status = 'pending';
  END IF;
  RETURN v_isfree;
END $$;

-- Make all who look at an account's slots take turns, until their transactions end. Internal.
CREATE OR REPLACE FUNCTION ducat.lock_slots(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('ducat.item_slots:' || p_account_id, 0));
END $$;

-- How many items may be worked on at once by this usage; null: as many as there are.
CREATE OR REPLACE FUNCTION ducat.running_limit(p_usage jsonb) RETURNS int
LANGUAGE sql IMMUTABLE STRICT SET search_path = ducat, pg_temp AS $$
  SELECT greatest((q ->> 'limit')::int, 1) FROM jsonb_array_elements(p_usage) q
  WHERE q ->> 'feature' = '_running' AND q ->> 'limit' IS NOT NULL
$$;

-- The items that the free ones of p_limit slots are for: those that have waited longest, as
-- {generationId, itemId, attempt}. Without p_limit it is that of whoever waits first. Adding their
-- jobs twice is no harm, not adding them neither: the sweeper does. Forgets some of the line's
-- items that have ended.
-- Locks the account's slots: who is being refused while an item ends is in line then, or has found
-- the slot free. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.list_waiting_items(p_account_id uuid, p_limit int DEFAULT NULL)
RETURNS TABLE ("generationId" uuid, "itemId" uuid, attempt int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_limit int := p_limit;
BEGIN
  -- Whoever is refused a slot finds another's row here: without any there is nobody to wait for.
  IF NOT EXISTS (SELECT FROM item_slots WHERE account_id = p_account_id) THEN
    RETURN;
  END IF;
  PERFORM lock_slots(p_account_id);
  DELETE FROM item_slots s
  WHERE account_id = p_account_id AND item_id = ANY (ARRAY(
      SELECT item_id FROM item_slots
      WHERE account_id = p_account_id AND is_waiting ORDER BY item_id LIMIT 1000))
    AND NOT EXISTS (SELECT FROM generation_items i
      WHERE i.account_id = p_account_id AND i.id = s.item_id AND i.status = 'pending');
  IF v_limit IS NULL THEN
    SELECT running_limit(g.usage) INTO v_limit
    FROM item_slots s JOIN generations g ON g.account_id = p_account_id AND g.id = s.generation_id
    WHERE s.account_id = p_account_id AND s.is_waiting ORDER BY s.item_id LIMIT 1;
  END IF;
  RETURN QUERY
  SELECT i.generation_id, i.id, i.attempt
  FROM item_slots s JOIN generation_items i ON i.account_id = p_account_id AND i.id = s.item_id
  WHERE s.account_id = p_account_id AND s.is_waiting AND i.status = 'pending'
  ORDER BY s.item_id LIMIT greatest(0, v_limit - (
    SELECT count(*) FROM item_slots t
    JOIN generation_items j ON j.account_id = p_account_id AND j.id = t.item_id
    WHERE t.account_id = p_account_id AND NOT t.is_waiting
      AND (j.status = 'processing' OR j.status = 'pending' AND j.provider_request_id IS NOT NULL)));
END $$;
GRANT EXECUTE ON FUNCTION ducat.list_waiting_items TO ducat_app, ducat_worker;
