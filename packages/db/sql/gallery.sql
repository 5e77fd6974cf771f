-- The gallery: pictures that an account keeps, and the albums that they may be in. Every write of
-- it locks the account's row first, so that those of one account come one after another. A place
-- (the held stock `gallery_images`) is taken and given back with the row of the image.
--
-- A blob of the gallery has purpose `gallery`; what a generation has made still has its
-- generation_id, and then two own it: whichever goes last takes the file with it. A thumbnail has
-- one owner: that of an image has no generation_id, that of a result goes with its generation.

-- Refuse when there is no place for another image, as taking one would: only then it locks the
-- counter. Internal.
--   DU005 quota_exceeded {quota, limit, current, resets_at: null, upgrade}
CREATE OR REPLACE FUNCTION ducat.refuse_full_gallery(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF count_used(p_account_id, 'gallery_images', '-infinity')
     >= (SELECT "limit" FROM feature_limit(p_account_id, 'gallery_images')) THEN
    -- It knows what there is to tell; if a place has become free meanwhile, it stays so.
    PERFORM take_places(p_account_id, 'gallery_images', 1);
    PERFORM return_places(p_account_id, 'gallery_images', 1);
  END IF;
END $$;

-- The file that an image is made of: of an upload, or of what an item has made. image_id is the
-- image that it is already. Takes no lock. Internal.
--   DU003 not_found {what: upload | item}: none of theirs, expired, or forgotten
--   DU006 invalid_state   {status}: the item has not completed, or {reason: text}: it has no
--                         picture
CREATE OR REPLACE FUNCTION ducat.find_image_source(
  p_account_id uuid, p_upload_id uuid, p_item_id uuid,
  OUT blob_id uuid, OUT key text, OUT generation_id uuid, OUT image_id uuid)
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_item generation_items;
BEGIN
  IF p_item_id IS NULL THEN
    SELECT b.id, b.key INTO blob_id, key FROM blobs b
    WHERE b.account_id = p_account_id AND b.id = p_upload_id
      AND (b.purpose = 'gallery' OR b.purpose = 'input' AND b.expires_at > clock_timestamp());
    IF NOT FOUND THEN
      PERFORM refuse('DU003', 'not_found', '{"what": "upload"}');
    END IF;
  ELSE
    SELECT * INTO v_item FROM generation_items i
    WHERE i.account_id = p_account_id AND i.id = p_item_id;
    IF FOUND AND v_item.status <> 'completed' THEN
      PERFORM refuse('DU006', 'invalid_state', jsonb_build_object('status', v_item.status));
    ELSIF v_item.output ->> 'kind' = 'text' THEN
      PERFORM refuse('DU006', 'invalid_state', '{"reason": "text"}');
    END IF;
    SELECT b.id, b.key, v_item.generation_id INTO blob_id, key, generation_id FROM blobs b
    WHERE b.account_id = p_account_id AND b.key = v_item.output ->> 'key';
    IF NOT FOUND THEN
      PERFORM refuse('DU003', 'not_found', '{"what": "item"}');
    END IF;
  END IF;
  SELECT i.id INTO image_id FROM images i
  WHERE i.account_id = p_account_id AND i.blob_id = find_image_source.blob_id;
END $$;

-- What save_image would work on, before a thumbnail is made of it: the key of the file, and the
-- image that it is already. Refuses as save_image does, while it costs nothing. Locks the counter
-- where there is no place.
CREATE OR REPLACE FUNCTION ducat.prepare_image(
  p_account_id uuid, p_upload_id uuid, p_item_id uuid, OUT key text, OUT image_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
BEGIN
  SELECT s.key, s.image_id INTO key, image_id
  FROM find_image_source(p_account_id, p_upload_id, p_item_id) s;
  IF image_id IS NULL THEN
    PERFORM refuse_full_gallery(p_account_id);
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.prepare_image TO ducat_app;

-- Keep an upload (p_upload_id) or the picture of an item (p_item_id) in the gallery, once: one that
-- is there already stays as it is. p_image: {file_name, is_public, tags, metadata, album_id};
-- p_thumbnail: {key, sha256, type, size, width, height} of a file that is stored already. An upload
-- then stays, and can be started from as before.
-- Returns {id, replayed}; replayed, p_thumbnail was not used and its file is an orphan.
--   DU003 not_found {what: account | upload | item | album} · DU005 quota_exceeded
--   DU006 invalid_state {reason: erased}, or as find_image_source says
-- Locks the account's row, the blob, the counter, the album. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_image(
  p_account_id uuid, p_upload_id uuid, p_item_id uuid, p_image jsonb, p_thumbnail jsonb,
  OUT id uuid, OUT replayed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_new images := jsonb_populate_record(NULL::images, p_image);
  v_source record;
  v_thumbnail_id uuid;
BEGIN
  v_source := find_image_source(p_account_id, p_upload_id, p_item_id);
  -- Whoever forgets the generation or expired uploads locks it too: then it is gone, or it stays.
  PERFORM FROM blobs b WHERE b.account_id = p_account_id AND b.id = v_source.blob_id
    AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp()) FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', jsonb_build_object(
      'what', CASE WHEN p_item_id IS NULL THEN 'upload' ELSE 'item' END));
  END IF;
  id := v_source.image_id;
  replayed := id IS NOT NULL;
  IF replayed THEN
    RETURN;
  END IF;
  PERFORM take_gallery_place(p_account_id);
  PERFORM count_in_album(p_account_id, v_new.album_id, 1);
  UPDATE blobs b SET purpose = 'gallery', expires_at = NULL
  WHERE b.account_id = p_account_id AND b.id = v_source.blob_id;
  INSERT INTO blobs (account_id, key, sha256, type, size, width, height, purpose)
  VALUES (p_account_id, p_thumbnail ->> 'key', p_thumbnail ->> 'sha256', p_thumbnail ->> 'type',
    (p_thumbnail ->> 'size')::bigint, (p_thumbnail ->> 'width')::int,
    (p_thumbnail ->> 'height')::int, 'thumbnail')
  RETURNING blobs.id INTO v_thumbnail_id;
  INSERT INTO images (account_id, kind, blob_id, thumbnail_id, file_name, is_public, tags,
    metadata, album_id, generation_id, item_id)
  VALUES (p_account_id, CASE WHEN p_item_id IS NULL THEN v_account.kind ELSE 'result' END,
    v_source.blob_id, v_thumbnail_id, v_new.file_name, coalesce(v_new.is_public, false),
    coalesce(v_new.tags, '{}'), coalesce(v_new.metadata, '{}'), v_new.album_id,
    v_source.generation_id, p_item_id)
  RETURNING images.id INTO id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.save_image TO ducat_app;

-- Take a place in the gallery: the counter is how many images there are, also where the catalog has
-- no limit of them. Nobody keeps more than 100,000. Locks the counter. Internal.
--   DU005 quota_exceeded
CREATE OR REPLACE FUNCTION ducat.take_gallery_place(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_most constant bigint := 100000;
  v_used bigint := coalesce(take_places(p_account_id, 'gallery_images', 1),
    take_counter(p_account_id, 'gallery_images', '-infinity', 1, NULL));
BEGIN
  IF v_used > v_most THEN
    PERFORM refuse('DU005', 'quota_exceeded', jsonb_build_object('quota', 'gallery_images',
      'limit', v_most, 'current', v_most, 'resets_at', NULL, 'upgrade', NULL));
  END IF;
END $$;

-- Count images in or out of an album; null is none. Locks the album. Internal.
--   DU003 not_found {what: album}
CREATE OR REPLACE FUNCTION ducat.count_in_album(p_account_id uuid, p_album_id uuid, p_change int)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE albums SET image_count = image_count + p_change
  WHERE account_id = p_account_id AND id = p_album_id;
  IF NOT FOUND AND p_album_id IS NOT NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "album"}');
  END IF;
END $$;

-- Change what is said of an image: p_change has some of file_name, is_public, tags, metadata,
-- album_id; null takes a value away.
--   DU003 not_found {what: account | image | album} · DU006 invalid_state {reason: erased}
-- Locks the account's row, the image, the albums. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.update_image(
  p_account_id uuid, p_image_id uuid, p_change jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_before images;
  v_after images;
BEGIN
  SELECT * INTO v_before FROM images
  WHERE account_id = p_account_id AND id = p_image_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "image"}');
  END IF;
  v_after := jsonb_populate_record(v_before, p_change);
  IF v_after.album_id IS DISTINCT FROM v_before.album_id THEN
    PERFORM count_in_album(p_account_id, v_after.album_id, 1);
    PERFORM count_in_album(p_account_id, v_before.album_id, -1);
  END IF;
  UPDATE images SET file_name = v_after.file_name, is_public = v_after.is_public,
    tags = v_after.tags, metadata = v_after.metadata, album_id = v_after.album_id,
    updated_at = clock_timestamp()
  WHERE account_id = p_account_id AND id = p_image_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.update_image TO ducat_app;

-- Take an image out of the gallery and give its place back. Returns the keys of the files to
-- remove: the thumbnail, and the picture unless its generation still has it.
--   DU003 not_found {what: account | image} · DU006 invalid_state {reason: erased}
-- Locks the account's row, the image, the album, the counter, the blobs. Repeated, it finds
-- nothing.
CREATE OR REPLACE FUNCTION ducat.delete_image(p_account_id uuid, p_image_id uuid)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_image images;
BEGIN
  DELETE FROM images WHERE account_id = p_account_id AND id = p_image_id RETURNING * INTO v_image;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "image"}');
  END IF;
  PERFORM count_in_album(p_account_id, v_image.album_id, -1);
  PERFORM return_places(p_account_id, 'gallery_images', 1);
  PERFORM FROM blobs WHERE account_id = p_account_id AND id = v_image.blob_id FOR UPDATE;
  UPDATE blobs SET purpose = 'output'
  WHERE account_id = p_account_id AND id = v_image.blob_id AND generation_id IS NOT NULL;
  RETURN QUERY DELETE FROM blobs
    WHERE account_id = p_account_id AND generation_id IS NULL
      AND id IN (v_image.blob_id, v_image.thumbnail_id) RETURNING key;
END $$;
GRANT EXECUTE ON FUNCTION ducat.delete_image TO ducat_app;

-- Let go of what a generation has made: what is in the gallery is the gallery's alone from now on,
-- of the rest the keys are returned, for their files to be removed.
-- Locks the blobs by id. Internal.
CREATE OR REPLACE FUNCTION ducat.drop_results(p_account_id uuid, p_generation_id uuid)
RETURNS SETOF text LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM blobs WHERE account_id = p_account_id AND generation_id = p_generation_id
  ORDER BY id FOR UPDATE;
  UPDATE blobs SET generation_id = NULL
  WHERE account_id = p_account_id AND generation_id = p_generation_id AND purpose = 'gallery';
  RETURN QUERY DELETE FROM blobs
    WHERE account_id = p_account_id AND generation_id = p_generation_id RETURNING key;
END $$;

-- Forget all of an account's gallery but the blobs. The account's row is locked. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_gallery(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  DELETE FROM images WHERE account_id = p_account_id;
  DELETE FROM albums WHERE account_id = p_account_id;
  DELETE FROM usage_counters WHERE account_id = p_account_id AND feature = 'gallery_images'
    AND period_start = '-infinity';
END $$;
