-- First answers of requests that ask somebody else before they can answer. No lock can be held
-- meanwhile, so a key is held for some seconds instead, and is free again when its holder is gone.

-- Hold a request's key for p_seconds. Returns {"answer": …} where it was answered before,
-- {"busy": true} while another request holds it, and {} where it is the caller's now.
--   DU002 idempotency_conflict   the key came with another request
-- Locks the key's row only. Safe to retry, though the repeat may have to wait for the first.
CREATE OR REPLACE FUNCTION ducat.claim_request(
  p_account_id uuid, p_scope text, p_key text, p_fingerprint bytea, p_seconds integer)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_hold jsonb := jsonb_build_object(
    'busy_until', clock_timestamp() + make_interval(secs => p_seconds));
  v_kept idempotency_keys;
BEGIN
  INSERT INTO idempotency_keys AS k (account_id, scope, key, fingerprint, result)
  VALUES (p_account_id, p_scope, p_key, p_fingerprint, v_hold)
  ON CONFLICT (account_id, scope, key) DO UPDATE SET result = v_hold
  WHERE k.fingerprint = p_fingerprint
    AND (k.result ->> 'busy_until')::timestamptz <= clock_timestamp();
  IF FOUND THEN
    RETURN '{}'::jsonb;
  END IF;
  SELECT * INTO v_kept FROM idempotency_keys
  WHERE account_id = p_account_id AND scope = p_scope AND key = p_key;
  IF v_kept.fingerprint <> p_fingerprint THEN
    PERFORM refuse('DU002', 'idempotency_conflict');
  END IF;
  -- A holder that let go between the two statements counts as busy: the caller asks again.
  RETURN CASE WHEN v_kept.result ? 'answer' THEN v_kept.result - 'busy_until'
              ELSE '{"busy": true}'::jsonb END;
END $$;
GRANT EXECUTE ON FUNCTION ducat.claim_request TO ducat_app;

-- Keep the answer of a request whose key is held. The first answer stays, whoever comes later,
-- and is returned. Locks the key's row only. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.keep_request_answer(
  p_account_id uuid, p_scope text, p_key text, p_fingerprint bytea, p_answer jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_answer jsonb;
BEGIN
  INSERT INTO idempotency_keys AS k (account_id, scope, key, fingerprint, result)
  VALUES (p_account_id, p_scope, p_key, p_fingerprint, jsonb_build_object('answer', p_answer))
  ON CONFLICT (account_id, scope, key) DO UPDATE
  SET result = CASE WHEN k.result ? 'answer' THEN k.result ELSE excluded.result END
  RETURNING k.result -> 'answer' INTO v_answer;
  RETURN v_answer;
END $$;
GRANT EXECUTE ON FUNCTION ducat.keep_request_answer TO ducat_app;

-- Let go of a key whose request was not carried out. An answer stays. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.release_request(
  p_account_id uuid, p_scope text, p_key text, p_fingerprint bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  DELETE FROM idempotency_keys
  WHERE account_id = p_account_id AND scope = p_scope AND key = p_key
    AND fingerprint = p_fingerprint AND NOT result ? 'answer';
END $$;
GRANT EXECUTE ON FUNCTION ducat.release_request TO ducat_app;
