-- For administrators: generations of every account, newest first. Nothing sorts them by time across
-- accounts but the order in which they lie (BRIN), so they are read in windows of time.

-- Where a window of time begins that ends at p_before (microseconds since 1970; null: now) and has
-- no more than p_rows generations (10000 at most; more only if they came within a millisecond).
-- p_seconds: how long to try first. Returns its beginning, null when nothing comes before the
-- window or before p_from; and how long to try next time. For administrators.
-- Looks at p_rows rows per try, and each try is at most a quarter of the one before. Reads only.
CREATE OR REPLACE FUNCTION ducat.find_generation_window(
  p_before bigint, p_from timestamptz, p_rows int, p_seconds double precision,
  OUT floor bigint, OUT seconds double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp SET enable_seqscan = off
AS $$
DECLARE
  v_rows int := least(p_rows, 10000);
  v_end timestamptz := coalesce(of_microseconds(p_before), clock_timestamp() + interval '1 minute');
  v_from timestamptz := coalesce(p_from, of_microseconds(0));
  v_start timestamptz;
  v_count int;
BEGIN
  seconds := greatest(p_seconds, 0.001);
  LOOP
    v_start := greatest(v_end - make_interval(secs => seconds), v_from);
    SELECT count(*) INTO v_count FROM (
      SELECT FROM generations WHERE created_at >= v_start AND created_at < v_end
      LIMIT v_rows + 1) AS found;
    EXIT WHEN v_count <= v_rows OR seconds <= 0.001;
    seconds := greatest(least(seconds, extract(epoch FROM v_end - v_start)) / 4, 0.001);
  END LOOP;
  floor := CASE WHEN v_start > v_from THEN to_microseconds(v_start) END;
  IF v_count < v_rows / 8 THEN
    seconds := least(seconds * 8, 1e9);
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.find_generation_window TO ducat_app;

-- Generations by any of the filters, newest first, p_limit (1001 at most) at once, without what
-- people wrote. They come before (p_before_at, p_before_id) and not before p_floor_at
-- (microseconds since 1970). Of one account they are in the order of their ids, and p_before_id
-- alone says where to go on. p_error_code: an item has failed with it. For administrators: sees
-- every account.
CREATE OR REPLACE FUNCTION ducat.search_generations(
  p_limit int, p_account_id uuid DEFAULT NULL, p_status text DEFAULT NULL,
  p_style text DEFAULT NULL, p_error_code text DEFAULT NULL, p_from timestamptz DEFAULT NULL,
  p_to timestamptz DEFAULT NULL, p_before_at bigint DEFAULT NULL, p_before_id uuid DEFAULT NULL,
  p_floor_at bigint DEFAULT NULL)
RETURNS TABLE (
  account_id uuid, id uuid, style_id text, style_version int, kind text, status text,
  item_count int, failed_items int, canceled_items int, error_codes text[], cost bigint,
  captured bigint, refunded bigint, subject text, reference text, retry_of uuid,
  created_at timestamptz, deadline_at timestamptz, completed_at timestamptz,
  deleted_at timestamptz, created_us bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp SET enable_seqscan = off
AS $$
DECLARE
  v_order text := CASE WHEN p_account_id IS NULL THEN 'g.created_at DESC, g.id DESC'
                       ELSE 'g.id DESC' END;
  v_window text := CASE
    WHEN p_account_id IS NOT NULL THEN 'g.account_id = $1 AND g.id < $5'
    ELSE '$1 IS NULL AND g.created_at >= $3 AND g.created_at <= $4
      AND (g.created_at, g.id) < ($4, $5)' END;
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT g.account_id, g.id, g.style_id, g.style_version, g.kind,
      CASE WHEN g.open_items = 0 THEN g.status::text ELSE status_of(g) END, g.item_count,
      g.failed_items, g.canceled_items,
      ARRAY(SELECT DISTINCT i.error_code FROM generation_items i
            WHERE i.account_id = g.account_id AND i.generation_id = g.id
              AND i.error_code IS NOT NULL ORDER BY 1 LIMIT 10), g.cost, g.captured, g.refunded,
      g.subject::text, g.reference::text, g.retry_of, g.created_at, g.deadline_at, g.completed_at,
      g.deleted_at, to_microseconds(g.created_at)
    FROM generations g
    WHERE %s AND ($2 IS NULL OR g.style_id = $2)
      AND ($6 IS NULL OR CASE WHEN g.open_items = 0 THEN g.status::text
                              ELSE status_of(g) END = $6)
      AND ($7 IS NULL OR EXISTS (
        SELECT FROM generation_items i WHERE i.account_id = g.account_id
          AND i.generation_id = g.id AND i.error_code = $7))
      AND ($8 IS NULL OR g.created_at >= $8) AND ($9 IS NULL OR g.created_at < $9)
    ORDER BY %s LIMIT least($10, 1001)$query$, v_window, v_order)
  USING p_account_id, p_style, coalesce(of_microseconds(p_floor_at), p_from, '-infinity'),
    coalesce(of_microseconds(p_before_at), 'infinity'), coalesce(p_before_id, last_id()), p_status,
    p_error_code, p_from, p_to, p_limit;
END $$;
GRANT EXECUTE ON FUNCTION ducat.search_generations TO ducat_app;

-- Moments as whole microseconds since 1970, which lose nothing on their way through JavaScript.
CREATE OR REPLACE FUNCTION ducat.to_microseconds(p_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (extract(epoch FROM p_at) * 1000000)::bigint $$;

-- The moment of so many microseconds since 1970.
CREATE OR REPLACE FUNCTION ducat.of_microseconds(p_us bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT timestamptz 'epoch' + make_interval(secs => p_us / 1000000)
    + (p_us % 1000000) * interval '1 microsecond'
$$;
