-- Albums of the gallery. Their names are different within an account, so that a repeated request
-- makes no second one. gallery.sql counts the images in them.

-- Make an album; p_album: {name, description, is_public}. Returns its row.
--   DU003 not_found {what: account} · DU008 already_exists {what: name}
--   DU006 invalid_state   {reason: erased}, or {reason: albums, limit}: there are 1,000
-- Locks the account's row. A repeat is told that it exists already.
CREATE OR REPLACE FUNCTION ducat.create_album(p_account_id uuid, p_album jsonb)
RETURNS SETOF ducat.albums
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_most constant int := 1000;
  v_account accounts := lock_unerased(p_account_id);
BEGIN
  PERFORM refuse_taken_name(p_account_id, NULL, p_album ->> 'name');
  IF (SELECT count(*) FROM albums WHERE account_id = p_account_id) >= v_most THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('reason', 'albums', 'limit', v_most));
  END IF;
  RETURN QUERY INSERT INTO albums (account_id, name, description, is_public)
  VALUES (p_account_id, p_album ->> 'name', p_album ->> 'description',
    coalesce((p_album ->> 'is_public')::boolean, false)) RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_album TO ducat_app;

-- Refuse the name of another album of the account. The account's row is locked. Internal.
--   DU008 already_exists {what: name}
CREATE OR REPLACE FUNCTION ducat.refuse_taken_name(
  p_account_id uuid, p_album_id uuid, p_name text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM albums
  WHERE account_id = p_account_id AND name = p_name AND id IS DISTINCT FROM p_album_id;
  IF FOUND THEN
    PERFORM refuse('DU008', 'already_exists', '{"what": "name"}');
  END IF;
END $$;

-- Change an album: p_change has some of name, description, is_public; null takes a description
-- away. Returns its row.
--   DU003 not_found {what: account | album} · DU006 invalid_state {reason: erased}
--   DU008 already_exists {what: name}
-- Locks the account's row, then the album. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.update_album(
  p_account_id uuid, p_album_id uuid, p_change jsonb)
RETURNS SETOF ducat.albums
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_after albums;
BEGIN
  SELECT * INTO v_after FROM albums WHERE account_id = p_account_id AND id = p_album_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "album"}');
  END IF;
  v_after := jsonb_populate_record(v_after, p_change);
  PERFORM refuse_taken_name(p_account_id, p_album_id, v_after.name);
  RETURN QUERY UPDATE albums SET name = v_after.name, description = v_after.description,
    is_public = v_after.is_public, updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND id = p_album_id RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.update_album TO ducat_app;

-- Delete an album; its images stay in the gallery, in none.
--   DU003 not_found {what: account | album} · DU006 invalid_state {reason: erased}
-- Locks the account's row, the images, the album. Repeated, it finds nothing.
CREATE OR REPLACE FUNCTION ducat.delete_album(p_account_id uuid, p_album_id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
BEGIN
  UPDATE images SET album_id = NULL, updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND album_id = p_album_id;
  DELETE FROM albums WHERE account_id = p_account_id AND id = p_album_id;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "album"}');
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.delete_album TO ducat_app;
