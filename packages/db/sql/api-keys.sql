-- Keys of servers. Whoever revokes one tells every process in the same transaction, by the channel
-- on which packages/cache listens: no credits move here, so a NOTIFY holds nobody up.

DROP FUNCTION IF EXISTS
  ducat.create_api_key(text, uuid, text, bytea, text[], timestamptz, jsonb);
-- Make a key; p_account_id null makes one of the product's own. p_audit: {actor, request_id, ip}.
-- p_limit_per_minute: how many requests it may make; null: as many as there are.
-- Returns the row without its hash.
--   DU003 not_found       no such account
--   DU006 invalid_state   the owner has 100 keys that work
-- Locks the account's row (of accounts) where there is one. Not repeatable: the key is shown once.
CREATE OR REPLACE FUNCTION ducat.create_api_key(
  p_id text, p_account_id uuid, p_name text, p_hash bytea, p_scopes text[],
  p_expires_at timestamptz, p_audit jsonb, p_limit_per_minute int DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_key api_keys;
BEGIN
  IF p_account_id IS NOT NULL THEN
    PERFORM FROM accounts WHERE id = p_account_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
    END IF;
  ELSE
    PERFORM pg_advisory_xact_lock(hashtext('ducat.api_keys'));
  END IF;
  IF (SELECT count(*) FROM api_keys
      WHERE account_id IS NOT DISTINCT FROM p_account_id AND revoked_at IS NULL
        AND coalesce(expires_at, 'infinity') > clock_timestamp()) >= 100 THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "too_many_keys", "limit": 100}');
  END IF;
  INSERT INTO api_keys (id, account_id, name, hash, scopes, created_by, expires_at,
    limit_per_minute)
  VALUES (p_id, p_account_id, p_name, p_hash, p_scopes, coalesce(p_audit ->> 'actor', 'system'),
    p_expires_at, p_limit_per_minute)
  RETURNING * INTO v_key;
  PERFORM audit(p_account_id, 'api_key.create', 'api_key', p_id, p_audit,
    jsonb_build_object('scopes', p_scopes, 'expires_at', p_expires_at,
      'limit_per_minute', p_limit_per_minute));
  RETURN to_jsonb(v_key) - 'hash';
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_api_key TO ducat_app;

-- What it was without a hash; processes of the last release still call it so.
DROP FUNCTION IF EXISTS ducat.use_api_key(text);

-- The key with this id and hash while it works: {account_id, hash (hex), scopes, expires_at,
-- limit_per_minute}; null otherwise. Whether its account is active is find_account's to say.
-- Writes last_used_at, at most once a minute: whoever knows an id alone uses nothing. The caller
-- compares the hash and caches what it found.
CREATE OR REPLACE FUNCTION ducat.use_api_key(p_id text, p_hash bytea DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_key api_keys;
BEGIN
  SELECT * INTO v_key FROM api_keys
  WHERE id = p_id AND hash = coalesce(p_hash, hash) AND revoked_at IS NULL
    AND coalesce(expires_at, 'infinity') > clock_timestamp();
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE api_keys SET last_used_at = clock_timestamp()
  WHERE id = p_id AND coalesce(last_used_at, '-infinity') < clock_timestamp() - interval '1 minute';
  RETURN jsonb_build_object('account_id', v_key.account_id, 'hash', encode(v_key.hash, 'hex'),
    'scopes', v_key.scopes, 'expires_at', v_key.expires_at,
    'limit_per_minute', v_key.limit_per_minute);
END $$;
GRANT EXECUTE ON FUNCTION ducat.use_api_key TO ducat_app;

-- The keys of an account, or with null the product's own, without their hashes: those that work
-- first, which are 100 at most, then the others, the newest of each first. However many were made
-- and revoked, none that works is left out.
CREATE OR REPLACE FUNCTION ducat.list_api_keys(p_account_id uuid) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT to_jsonb(k) - 'hash' FROM api_keys k
  WHERE account_id IS NOT DISTINCT FROM p_account_id
  ORDER BY revoked_at IS NULL AND coalesce(expires_at, 'infinity') > clock_timestamp() DESC,
    created_at DESC, id LIMIT 200
$$;
GRANT EXECUTE ON FUNCTION ducat.list_api_keys TO ducat_app;

-- A key of this owner without its hash; null when the owner has no such key.
CREATE OR REPLACE FUNCTION ducat.find_api_key(p_account_id uuid, p_id text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT to_jsonb(k) - 'hash' FROM api_keys k
  WHERE id = p_id AND account_id IS NOT DISTINCT FROM p_account_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_api_key TO ducat_app;

-- End a key of this owner, now or p_overlap_s seconds from now. Returns the row without its hash;
-- a repeat never lets it live longer.
--   DU003 not_found   the owner has no such key
-- Locks the key. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.revoke_api_key(
  p_account_id uuid, p_id text, p_overlap_s int, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_key api_keys;
BEGIN
  UPDATE api_keys SET
    revoked_at = CASE WHEN p_overlap_s = 0 THEN coalesce(revoked_at, clock_timestamp())
                      ELSE revoked_at END,
    expires_at = CASE WHEN p_overlap_s = 0 THEN expires_at
                      ELSE least(expires_at, clock_timestamp()
                                   + make_interval(secs => p_overlap_s)) END
  WHERE id = p_id AND account_id IS NOT DISTINCT FROM p_account_id
  RETURNING * INTO v_key;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "api_key"}');
  END IF;
  PERFORM audit(p_account_id, 'api_key.revoke', 'api_key', p_id, p_audit,
    jsonb_build_object('overlap_s', p_overlap_s));
  PERFORM pg_notify('ducat_cache', jsonb_build_array('key:' || p_id)::text);
  RETURN to_jsonb(v_key) - 'hash';
END $$;
GRANT EXECUTE ON FUNCTION ducat.revoke_api_key TO ducat_app;

-- Make a key in the place of one that works, which lives on for p_overlap_s seconds. The new one
-- has the old one's name, scopes and limit. Returns the new row without its hash.
--   DU003 not_found       the owner has no such key
--   DU006 invalid_state   it doesn't work any more, or 100 keys do
-- Locks the key. Not repeatable: the key is shown once.
CREATE OR REPLACE FUNCTION ducat.rotate_api_key(
  p_account_id uuid, p_old_id text, p_id text, p_hash bytea, p_overlap_s int, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_old api_keys;
  v_made jsonb;
BEGIN
  SELECT * INTO v_old FROM api_keys
  WHERE id = p_old_id AND account_id IS NOT DISTINCT FROM p_account_id FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "api_key"}');
  ELSIF v_old.revoked_at IS NOT NULL OR v_old.expires_at <= clock_timestamp() THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "ended"}');
  END IF;
  v_made := create_api_key(p_id, p_account_id, v_old.name, p_hash, v_old.scopes,
    v_old.expires_at, p_audit, v_old.limit_per_minute);
  UPDATE api_keys SET replaces = p_old_id WHERE id = p_id;
  PERFORM revoke_api_key(p_account_id, p_old_id, p_overlap_s, p_audit);
  RETURN v_made || jsonb_build_object('replaces', p_old_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.rotate_api_key TO ducat_app;
