-- Pictures of a former system, fetched one after the other by whoever has time. A process that dies
-- at one leaves it to the next.

-- Take the picture that has waited longest, for two minutes; none when there is none to take. One
-- that was taken five times without an end has failed. Locks the row, skipping those that somebody
-- else is taking. A repeat takes another one.
CREATE OR REPLACE FUNCTION ducat.take_import_file(p_source text)
RETURNS SETOF ducat.import_files
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row import_files;
BEGIN
  LOOP
    SELECT * INTO v_row FROM import_files
    WHERE source = p_source AND status = 'waiting' AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      RETURN;
    END IF;
    UPDATE import_files SET tries = tries + 1,
      status = CASE WHEN tries >= 5 THEN 'failed' ELSE status END,
      error = CASE WHEN tries >= 5 THEN coalesce(error, 'unfinished') ELSE error END,
      due_at = clock_timestamp() + interval '2 minutes'
    WHERE account_id = v_row.account_id AND id = v_row.id RETURNING * INTO v_row;
    IF v_row.status = 'waiting' THEN
      RETURN NEXT v_row;
      RETURN;
    END IF;
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION ducat.take_import_file TO ducat_worker;

-- Keep a picture that was fetched: p_blob {key, sha256, type, size, width, height} of a file that
-- is stored already, p_thumbnail of its small one (null for an avatar), once. It gets a place of
-- the gallery, or becomes the avatar of an account that has none.
-- Returns what of the files was not used: their keys.
--   DU003 not_found {what: file} · DU005 quota_exceeded · DU006 invalid_state {reason: erased}
-- Locks the account's row, then what save_image and update_profile lock. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.keep_import_file(
  p_account_id uuid, p_id uuid, p_blob jsonb, p_thumbnail jsonb)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_row import_files;
  v_blob_id uuid;
BEGIN
  SELECT * INTO v_row FROM import_files WHERE account_id = p_account_id AND id = p_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "file"}');
  END IF;
  IF v_row.status = 'done' OR v_row.purpose = 'avatar' AND v_account.avatar IS NOT NULL THEN
    UPDATE import_files SET status = 'done' WHERE account_id = p_account_id AND id = p_id;
    RETURN QUERY SELECT k FROM unnest(ARRAY[p_blob ->> 'key', p_thumbnail ->> 'key']) AS k
      WHERE k IS NOT NULL;
    RETURN;
  END IF;
  INSERT INTO blobs (account_id, key, sha256, type, size, width, height, purpose, expires_at)
  VALUES (p_account_id, p_blob ->> 'key', p_blob ->> 'sha256', p_blob ->> 'type',
    (p_blob ->> 'size')::bigint, (p_blob ->> 'width')::int, (p_blob ->> 'height')::int, 'input',
    clock_timestamp() + interval '1 day')
  RETURNING id INTO v_blob_id;
  IF v_row.purpose = 'avatar' THEN
    PERFORM update_profile(p_account_id, jsonb_build_object('avatar', v_blob_id));
  ELSE
    PERFORM save_image(p_account_id, v_blob_id, NULL, v_row.details, p_thumbnail);
  END IF;
  UPDATE import_files SET status = 'done', error = NULL, blob_id = v_blob_id
  WHERE account_id = p_account_id AND id = p_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.keep_import_file TO ducat_worker;

-- Write down that a picture could not be had: for ever (p_is_final), or until it is tried again,
-- after 30 seconds, doubling. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.fail_import_file(
  p_account_id uuid, p_id uuid, p_error text, p_is_final boolean)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE import_files SET error = left(p_error, 200),
    status = CASE WHEN p_is_final OR tries >= 5 THEN 'failed' ELSE 'waiting' END,
    due_at = clock_timestamp() + make_interval(secs => 30 * 2 ^ least(tries, 5))
  WHERE account_id = p_account_id AND id = p_id AND status = 'waiting'
$$;
GRANT EXECUTE ON FUNCTION ducat.fail_import_file TO ducat_worker;

-- How many of a source's pictures are waiting, done and failed, and why those failed.
CREATE OR REPLACE FUNCTION ducat.count_import_files(p_source text)
RETURNS TABLE (status text, error text, count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT status, CASE status WHEN 'failed' THEN error END, count(*) FROM import_files
  WHERE source = p_source GROUP BY 1, 2 ORDER BY 1, 2
$$;
GRANT EXECUTE ON FUNCTION ducat.count_import_files TO ducat_worker;
