-- Events for those who watch. An event is written by emit() in the transaction of what it tells,
-- and transactions commit in another order than they wrote: who reads "after the last one that I
-- have" by id or time would miss what commits late. So an event gets its number only when it is
-- there to be seen: per account 1, 2, 3 …, given by one process at a time. Whoever reads on after
-- number n misses nothing and gets nothing twice.
--
-- outbox.seq: null = no number yet, 0 = older than numbers are.

-- A moment as answers tell it: RFC 3339, UTC, milliseconds.
CREATE OR REPLACE FUNCTION ducat.rfc3339(p_at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- Give up to p_limit events (500 at most) that are committed their numbers, in the order of their
-- ids, and plan what webhooks are to hear of them. Returns how many, and whose; is_busy: another
-- process is at it, and nothing was done.
-- Locks those events, passing over what others hold, and rows of event_heads that nobody else
-- writes; an advisory lock is only tried. Safe to retry: what is numbered stays so.
--
-- Only who commits has given: the lock is held until then, so the next one reads heads that hold.
CREATE OR REPLACE FUNCTION ducat.relay_events(
  p_limit int DEFAULT 500, OUT is_busy boolean, OUT relayed int, OUT accounts uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_owners uuid[];
  v_events uuid[];
BEGIN
  is_busy := NOT pg_try_advisory_xact_lock(hashtextextended('ducat.relay_events', 0));
  relayed := 0;
  accounts := '{}';
  IF is_busy THEN
    RETURN;
  END IF;
  WITH waiting AS MATERIALIZED (
    -- What is being erased right now is numbered later: nobody waits for anybody.
    SELECT account_id, id FROM outbox WHERE seq IS NULL
    ORDER BY id LIMIT greatest(least(p_limit, 500), 1) FOR NO KEY UPDATE SKIP LOCKED
  ), counted AS (
    SELECT account_id, id, row_number() OVER (PARTITION BY account_id ORDER BY id) AS n,
           count(*) OVER (PARTITION BY account_id) AS of
    FROM waiting
  ), heads AS (
    INSERT INTO event_heads AS h (account_id, seq)
    SELECT account_id, count(*) FROM waiting GROUP BY account_id
    ON CONFLICT (account_id) DO UPDATE SET seq = h.seq + excluded.seq
    RETURNING h.account_id, h.seq
  ), numbered AS (
    UPDATE outbox o SET seq = h.seq - c.of + c.n
    FROM counted c JOIN heads h USING (account_id)
    WHERE o.account_id = c.account_id AND o.id = c.id
    RETURNING o.account_id, o.id
  )
  SELECT count(*), array_agg(account_id ORDER BY id), array_agg(id ORDER BY id)
  INTO relayed, v_owners, v_events FROM numbered;
  IF relayed > 0 THEN
    accounts := ARRAY(SELECT DISTINCT unnest(v_owners));
    PERFORM plan_deliveries(v_owners, v_events);
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.relay_events TO ducat_worker;

-- What waits for its number: how many events (counted up to 10,000) and for how many seconds the
-- first of them. A worker numbers within a second: much more means that none runs. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_event_backlog(
  OUT waiting int, OUT "oldestSeconds" double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT count(*)::int,
         coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
  FROM (SELECT created_at FROM outbox WHERE seq IS NULL ORDER BY id LIMIT 10000) AS waiting
$$;
GRANT EXECUTE ON FUNCTION ducat.read_event_backlog TO ducat_app, ducat_worker;

-- An account's events after the one with id p_after (null: from the oldest that is kept), of
-- p_types (null: all), p_limit at most (100), in the order of their numbers. next_id: go on after
-- it; null: there is no more now. Where p_types are rare a call looks at 10,000 events at most,
-- and may return few or none of them and a next_id.
--   DU003 not_found {what: event}   p_after is none of the account's, or not kept any more
-- Takes no lock. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.list_events(
  p_account_id uuid, p_after uuid, p_types text[], p_limit int,
  OUT events jsonb, OUT next_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := greatest(least(p_limit, 100), 1);
  v_after bigint := 0;
  v_oldest bigint := (SELECT min(seq) FROM outbox WHERE account_id = p_account_id AND seq > 0);
  v_upto bigint;
BEGIN
  IF p_after IS NOT NULL THEN
    SELECT seq INTO v_after FROM outbox WHERE account_id = p_account_id AND id = p_after;
    IF v_after IS NULL THEN
      PERFORM refuse('DU003', 'not_found', '{"what": "event"}');
    END IF;
  END IF;
  v_after := greatest(v_after, coalesce(v_oldest, 1) - 1);
  v_upto := v_after + 10000;
  WITH found AS (
    SELECT * FROM outbox
    WHERE account_id = p_account_id AND seq > 0 AND seq > v_after AND seq <= v_upto
      AND (p_types IS NULL OR type = ANY (p_types))
    ORDER BY seq LIMIT v_limit + 1
  ), page AS (
    SELECT * FROM found ORDER BY seq LIMIT v_limit
  )
  SELECT coalesce((SELECT jsonb_agg(show_event(p::outbox) ORDER BY seq) FROM page p), '[]'),
    CASE WHEN (SELECT count(*) FROM found) > v_limit
         THEN (SELECT id FROM page ORDER BY seq DESC LIMIT 1)
         ELSE (SELECT o.id FROM outbox o
               WHERE o.account_id = p_account_id AND o.seq > 0 AND o.seq > v_after
                 AND o.seq <= v_upto AND EXISTS (
                 SELECT FROM event_heads h WHERE h.account_id = p_account_id AND h.seq > v_upto)
               ORDER BY o.seq DESC LIMIT 1)
    END
  INTO events, next_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.list_events TO ducat_app;

-- An event with its number, as streams and lists tell it.
CREATE OR REPLACE FUNCTION ducat.show_event(p_event ducat.outbox) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('seq', p_event.seq, 'id', p_event.id, 'type', p_event.type,
    'created_at', rfc3339(p_event.created_at), 'data', p_event.data)
$$;

-- Where the streams of these accounts (5,000 at most) are: the last number of the events and of
-- the ledger, and whether anything is being worked on. Nothing of it has moved: nothing to read.
-- For the API's own look at all of its streams. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.read_heads(p_account_ids uuid[])
RETURNS TABLE ("accountId" uuid, seq bigint, "ledgerSeq" bigint, "isRunning" boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT a.account_id, coalesce(h.seq, 0), a.seq, EXISTS (
    SELECT FROM generation_items i
    WHERE i.account_id = a.account_id AND i.status = 'processing')
  FROM (SELECT DISTINCT unnest(p_account_ids[1:5000]) AS account_id) AS asked
  JOIN credit_accounts a USING (account_id)
  LEFT JOIN event_heads h USING (account_id)
$$;
GRANT EXECUTE ON FUNCTION ducat.read_heads TO ducat_app;

-- What a stream of an account tells next, after event p_seq, a balance of line p_ledger_seq of the
-- ledger with p_held set aside (an end at the full price changes that alone; null: whatever), and
-- p_seen of the work (see read_live): p_limit events at most (100), the balance where it has moved,
-- what is set aside by now, and the work that goes on. has_more: read on at once, there is more
-- than fits.
-- Takes no lock; one snapshot.
CREATE OR REPLACE FUNCTION ducat.read_account_stream(
  p_account_id uuid, p_seq bigint, p_ledger_seq bigint, p_limit int, p_seen jsonb DEFAULT '[]',
  p_held bigint DEFAULT NULL,
  OUT events jsonb, OUT balance jsonb, OUT held bigint, OUT live jsonb, OUT has_more boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_limit int := greatest(least(p_limit, 100), 1);
  v_ledger bigint;
  v_live record := read_live(p_account_id, NULL, p_seen);
BEGIN
  SELECT a.seq, a.held INTO v_ledger, held FROM credit_accounts a
  WHERE a.account_id = p_account_id;
  SELECT coalesce(jsonb_agg(show_event(o) ORDER BY o.seq), '[]') INTO events FROM (
    SELECT * FROM outbox
    WHERE account_id = p_account_id AND seq > 0 AND seq > p_seq ORDER BY seq LIMIT v_limit + 1) o;
  has_more := v_live.is_cut OR jsonb_array_length(events) > v_limit;
  events := events - v_limit;
  live := v_live.live;
  IF v_ledger IS DISTINCT FROM p_ledger_seq OR held <> coalesce(p_held, held) THEN
    SELECT jsonb_build_object('available', b -> 'available', 'trial_credits', b -> 'trial_credits',
      'token_balance', b -> 'token_balance', 'held', b -> 'held', 'debt', b -> 'debt',
      'seq', v_ledger)
    INTO balance FROM get_credit_balance(p_account_id) b WHERE b IS NOT NULL;
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.read_account_stream TO ducat_app;

-- What a stream of a generation tells next, after the end of its p_ended_no-th item and p_seen of
-- the work: the items that have ended since, p_limit at most (100) and no more than 65,536
-- characters of text unless it is one item, in the order of their ends; the work that goes on;
-- where the generation stands. No row: the account has no such one, or it was deleted.
-- Takes no lock; one snapshot.
CREATE OR REPLACE FUNCTION ducat.read_generation_stream(
  p_account_id uuid, p_generation_id uuid, p_ended_no int, p_limit int,
  p_seen jsonb DEFAULT '[]')
RETURNS TABLE (
  items jsonb, live jsonb, has_more boolean, status text, item_count int, open_items int,
  failed_items int, canceled_items int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_generation generations;
  v_live record;
  v_ended int;
  v_wanted int;
  v_ids uuid[];
BEGIN
  SELECT * INTO v_generation FROM generations g
  WHERE g.account_id = p_account_id AND g.id = p_generation_id AND g.deleted_at IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_live := read_live(p_account_id, p_generation_id, p_seen);
  v_ended := v_generation.item_count - v_generation.open_items;
  v_wanted := greatest(least(p_limit, 100, v_ended - p_ended_no), 0);
  items := '[]';
  IF v_wanted > 0 THEN
    v_ids := list_ended(p_account_id, p_generation_id, p_ended_no, v_wanted);
    SELECT coalesce(jsonb_agg(to_jsonb(shown) - 'before' ORDER BY ended_no), '[]') INTO items FROM (
      SELECT p_ended_no + e.n AS ended_no, i.id, i.generation_id, i.position, i.label, i.status,
        i.cost, i.refunded, i.output, i.output_removed_at, i.error_code, i.error_message,
        i.charge, i.attempt, i.cancel_requested_at, i.started_at, i.completed_at,
        sum(length(i.output ->> 'text')) OVER (ORDER BY e.n ROWS UNBOUNDED PRECEDING
          EXCLUDE CURRENT ROW) AS before
      FROM unnest(v_ids) WITH ORDINALITY AS e (id, n)
      JOIN generation_items i ON i.account_id = p_account_id AND i.id = e.id) AS shown
    WHERE coalesce(before, 0) <= 65536 OR ended_no = p_ended_no + 1;
  END IF;
  live := v_live.live;
  has_more := v_live.is_cut OR p_ended_no + jsonb_array_length(items) < v_ended;
  status := status_of(v_generation);
  item_count := v_generation.item_count;
  open_items := v_generation.open_items;
  failed_items := v_generation.failed_items;
  canceled_items := v_generation.canceled_items;
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.read_generation_stream TO ducat_app;

-- The p_limit items of a generation that ended next after the p_after-th. Those that ended before
-- there were numbers count as the first, by position. Internal.
CREATE OR REPLACE FUNCTION ducat.list_ended(
  p_account_id uuid, p_generation_id uuid, p_after int, p_limit int)
RETURNS uuid[] LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ids uuid[] := ARRAY(
    SELECT id FROM generation_items
    WHERE account_id = p_account_id AND generation_id = p_generation_id
      AND ended_no IS NOT NULL AND ended_no > p_after AND ended_no <= p_after + p_limit
    ORDER BY ended_no);
BEGIN
  IF cardinality(v_ids) = p_limit THEN
    RETURN v_ids;
  END IF;
  RETURN ARRAY(
    SELECT id FROM generation_items
    WHERE account_id = p_account_id AND generation_id = p_generation_id
      AND status NOT IN ('pending', 'processing')
    ORDER BY ended_no NULLS FIRST, position OFFSET p_after LIMIT p_limit);
END $$;

-- The items that are worked on right now, of an account or of one of its generations, 100 at most:
-- {item_id, generation_id, position, label, attempt, fraction, chars, offset?, text?}. p_seen is
-- what the reader has: [{tail, attempt, chars}], tail the last 12 digits of the item's id; it gets
-- of each text what is new to it from `offset` on (both in characters), 16,384 of one and 65,536
-- of all at once; is_cut: there is more. Items that the reader knows come first, so that no item
-- leaves its view before its end. A new attempt begins at 0. Internal; one snapshot.
CREATE OR REPLACE FUNCTION ducat.read_live(
  p_account_id uuid, p_generation_id uuid, p_seen jsonb, OUT live jsonb, OUT is_cut boolean)
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  WITH working AS (
    SELECT i.id, i.generation_id, i.position, i.label, i.attempt, p.fraction, p.text,
           coalesce(p.chars, 0) AS chars, s.tail IS NOT NULL AS is_seen,
           CASE WHEN s.attempt = i.attempt THEN s.chars ELSE 0 END AS told
    FROM generation_items i
    LEFT JOIN item_progress p
      ON p.account_id = i.account_id AND p.item_id = i.id AND p.attempt = i.attempt
    LEFT JOIN jsonb_to_recordset(p_seen) AS s (tail text, attempt int, chars int)
      ON s.tail = right(i.id::text, 12)
    -- A range, so that one plan serves both: the index has account and generation.
    WHERE i.account_id = p_account_id AND i.status = 'processing'
      AND i.generation_id >= coalesce(p_generation_id, first_id())
      AND i.generation_id <= coalesce(p_generation_id, last_id())
    ORDER BY s.tail IS NULL, i.id LIMIT 100
  ), fresh AS (
    SELECT *, least(greatest(chars - told, 0), 16384) AS n FROM working
  ), cut AS (
    SELECT *, greatest(least(n, 65536 - (sum(n) OVER (ORDER BY is_seen DESC, id) - n)), 0)::int
             AS take
    FROM fresh
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('item_id', id, 'generation_id', generation_id,
      'position', position, 'label', label, 'attempt', attempt, 'fraction', fraction,
      'chars', chars)
      || CASE WHEN take > 0 THEN jsonb_build_object('offset', told,
           'text', substr(text, told + 1, take)) ELSE '{}' END ORDER BY id), '[]'),
    coalesce(bool_or(take < chars - told), false)
  FROM cut
$$;

-- Say how far the work on items is: p_rows [{account_id, generation_id, item_id, attempt,
-- fraction?, text?}], 500 at most; fraction from 0 to 1, text all of what is written so far, of
-- which 100,000 characters are kept. What is left out stays as it was. Returns how many rows were
-- written. An attempt that is over, and a text that is shorter than the one that is there, write
-- nothing: whoever says so is late. Rows of ended items are harmless, nobody reads them.
--   DU007 validation_failed   no such list
-- Locks the rows by key. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_progress(p_rows jsonb) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  IF (jsonb_typeof(p_rows) = 'array' AND jsonb_array_length(p_rows) <= 500) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"limit": 500}');
  END IF;
  INSERT INTO item_progress AS p (account_id, generation_id, item_id, attempt, fraction, text,
    chars)
  SELECT account_id, generation_id, item_id, attempt,
         CASE WHEN fraction IS NOT NULL THEN least(greatest(fraction, 0), 1) END, kept,
         length(kept)
  FROM (
    SELECT DISTINCT ON (r.account_id, r.item_id) r.account_id, r.generation_id, r.item_id,
      r.attempt, r.fraction, coalesce(left(r.text, 100000), '') AS kept
    FROM jsonb_to_recordset(p_rows) AS r (account_id uuid, generation_id uuid, item_id uuid,
      attempt int, fraction real, text text)
    ORDER BY r.account_id, r.item_id, r.attempt DESC, length(r.text) DESC NULLS LAST,
      r.fraction DESC NULLS LAST) AS newest
  ORDER BY account_id, item_id
  ON CONFLICT (account_id, item_id) DO UPDATE SET
    attempt = excluded.attempt, updated_at = clock_timestamp(),
    fraction = CASE WHEN p.attempt < excluded.attempt THEN excluded.fraction
                    ELSE coalesce(excluded.fraction, p.fraction) END,
    text = CASE WHEN p.attempt < excluded.attempt OR p.chars < excluded.chars
                THEN excluded.text ELSE p.text END,
    chars = CASE WHEN p.attempt < excluded.attempt THEN excluded.chars
                 ELSE greatest(p.chars, excluded.chars) END
  WHERE p.attempt < excluded.attempt
    OR p.attempt = excluded.attempt
      AND (p.chars < excluded.chars OR p.fraction IS DISTINCT FROM
        coalesce(excluded.fraction, p.fraction));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.save_progress TO ducat_worker;

-- Progress that nobody has written for an hour: its item has ended, or somebody writes it anew.
-- Removes p_limit rows at most (1,000), passing over what others hold. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.forget_progress(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  DELETE FROM item_progress WHERE (account_id, item_id) IN (
    SELECT account_id, item_id FROM item_progress
    WHERE updated_at < clock_timestamp() - interval '1 hour'
    LIMIT least(p_limit, 1000) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
GRANT EXECUTE ON FUNCTION ducat.forget_progress TO ducat_worker;

-- Take a person's own words out of events: the names of items, what was wrong with them, what has
-- been written so far. Of a generation that has ended, or of all that an account has (null).
-- Locks the events and the progress that it changes. Safe to retry. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_events(p_account_id uuid, p_generation_id uuid)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ended timestamptz := (SELECT completed_at FROM generations
    WHERE account_id = p_account_id AND id = p_generation_id);
BEGIN
  -- By the key, which begins with the time: an item ends between its generation's ends.
  UPDATE outbox SET data = data - 'label' - 'error' || '{"label": null}'
  WHERE account_id = p_account_id AND type LIKE 'item.%'
    AND id >= coalesce(p_generation_id, first_id())
    AND id <= coalesce(uuid_at(v_ended + interval '1 minute'), last_id())
    AND (p_generation_id IS NULL OR data ->> 'generation_id' = p_generation_id::text)
    AND (data ? 'error' OR data ->> 'label' IS NOT NULL);
  DELETE FROM item_progress
  WHERE account_id = p_account_id AND (p_generation_id IS NULL OR item_id IN (
    SELECT id FROM generation_items
    WHERE account_id = p_account_id AND generation_id = p_generation_id));
END $$;
