-- Erasing an account: what is personal goes, the ledger, payments and keys of requests stay. Audit
-- lines stay too and name nobody: they have ids, amounts and states.

-- Erase an account, all in one transaction. Returns the keys of its files, for the caller to
-- remove; those that are left behind are orphans and go later.
--   DU003 not_found {what: account}
--   DU006 invalid_state   {reason: erased}
--   DU006 invalid_state   {reason: generations, open}: as many have not ended
--   DU006 invalid_state   {reason: subscription}: one runs. With p_is_confirmed one that is
--                         canceled and only runs until its end is no obstacle
-- Locks the logins as they lock themselves (credentials, login), then identities, the account's
-- row, generations, items, webhooks, payments, the credit account.
-- Repeated, it refuses: it is done.
CREATE OR REPLACE FUNCTION ducat.erase_account(
  p_account_id uuid, p_is_confirmed boolean, p_audit jsonb)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login_id uuid := (SELECT login_id FROM account_logins WHERE account_id = p_account_id);
  v_account accounts;
  v_generations int;
BEGIN
  PERFORM FROM login_credentials WHERE login_id = v_login_id ORDER BY id FOR UPDATE;
  PERFORM FROM logins WHERE id = v_login_id FOR UPDATE;
  PERFORM FROM external_identities WHERE account_id = p_account_id
  ORDER BY issuer, subject FOR UPDATE;
  v_account := lock_unerased(p_account_id);
  PERFORM refuse_running(p_account_id, p_is_confirmed);
  v_generations := erase_generations(p_account_id);
  PERFORM erase_gallery(p_account_id);
  PERFORM erase_import(p_account_id);
  PERFORM erase_webhooks(p_account_id);
  PERFORM erase_usage(p_account_id);
  PERFORM erase_money_details(p_account_id);
  -- Whatever was asked for in the meantime has come before the freeze and is seen here.
  PERFORM refuse_running(p_account_id, p_is_confirmed);
  UPDATE messages SET data = '{}', recipient = NULL, last_error = NULL, due_at = NULL,
    status = CASE status WHEN 'pending' THEN 'skipped' ELSE status END
  WHERE account_id = p_account_id;
  PERFORM erase_access(p_account_id, v_login_id);
  DELETE FROM vendors WHERE account_id = p_account_id;
  UPDATE accounts SET external_id = NULL, name = NULL, email = NULL, phone = NULL, avatar = NULL,
    bio = NULL, locale = 'en', last_login_at = NULL, is_active = false,
    erased_at = clock_timestamp(), updated_at = clock_timestamp()
  WHERE id = p_account_id;
  PERFORM audit(p_account_id, 'account.erase', 'account', p_account_id::text, p_audit,
    jsonb_build_object('before', jsonb_build_object('is_active', v_account.is_active),
      'after', jsonb_build_object('is_active', false), 'generations', v_generations));
  PERFORM drop_cached('account:' || p_account_id);
  RETURN QUERY DELETE FROM blobs WHERE account_id = p_account_id RETURNING key;
END $$;
GRANT EXECUTE ON FUNCTION ducat.erase_account TO ducat_app;

-- Refuse while something of the account's runs that was to end first. Internal.
--   DU006 invalid_state   see erase_account
CREATE OR REPLACE FUNCTION ducat.refuse_running(p_account_id uuid, p_is_confirmed boolean)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_open int := (SELECT count(*) FROM generations
    WHERE account_id = p_account_id AND open_items > 0);
BEGIN
  IF v_open > 0 THEN
    PERFORM refuse('DU006', 'invalid_state',
      jsonb_build_object('reason', 'generations', 'open', v_open));
  END IF;
  PERFORM FROM subscriptions
  WHERE account_id = p_account_id AND status NOT IN ('canceled', 'incomplete')
    AND provider <> 'manual' AND (cancel_at IS NULL OR NOT p_is_confirmed);
  IF FOUND THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "subscription"}');
  END IF;
END $$;

-- End what was given without money, and forget what was used and why it was allowed: ids of events
-- and subjects are its product's own words. Locks the assigned plan. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_usage(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM end_own(s, account_time(p_account_id)) FROM (
    SELECT * FROM subscriptions
    WHERE account_id = p_account_id AND provider = 'manual' AND ended_at IS NULL
    FOR NO KEY UPDATE) AS s;
  DELETE FROM base_refills WHERE account_id = p_account_id;
  DELETE FROM usage_logs WHERE account_id = p_account_id;
  DELETE FROM feature_overrides WHERE account_id = p_account_id;
  PERFORM mark_usage(p_account_id, '-infinity', NULL, 'erased');
END $$;

-- Forget what all ended generations of an account were about, as delete_generation does of one.
-- Returns how many. Locks the generations, then their items and events. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_generations(p_account_id uuid) RETURNS int
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  UPDATE generations SET deleted_at = clock_timestamp(), input = '{}', params = '{}',
    metadata = '{}', subject = NULL, reference = NULL, webhook_url = NULL, batch = NULL
  WHERE account_id = p_account_id AND open_items = 0 AND deleted_at IS NULL;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  UPDATE generation_items
  -- What came as a row stays one: it is counted as such.
  SET input = CASE WHEN input IS NOT NULL THEN '{}'::jsonb END, label = NULL, output = NULL,
      error_message = NULL, result_key = NULL
  WHERE account_id = p_account_id AND status NOT IN ('pending', 'processing');
  PERFORM erase_events(p_account_id, NULL);
  RETURN v_count;
END $$;

-- What was bought and spent keeps what the books need: amounts, times, references of providers. It
-- loses what the product has noted with it, and what it was bound to, of which only that it was
-- bound stays: the sums of bound credits have to hold. No card is charged again, nothing is spent.
-- Locks the payments, the passes, the credit account, holds, grants. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_money_details(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE payments SET metadata = '{}', return_url = NULL, card_mask = NULL,
    subject = CASE WHEN subject IS NOT NULL THEN 'erased' END
  WHERE account_id = p_account_id AND (metadata <> '{}'
    OR coalesce(return_url, card_mask, nullif(subject, 'erased')) IS NOT NULL);
  UPDATE passes SET subject = 'erased'
  WHERE account_id = p_account_id AND subject <> 'erased';
  UPDATE auto_reloads SET enabled = false WHERE account_id = p_account_id;
  UPDATE provider_customers SET method_ref = NULL WHERE account_id = p_account_id;
  UPDATE credit_accounts SET reload_below = NULL, reload_due_at = NULL,
    frozen = array_remove(frozen, 'erased') || ARRAY['erased']
  WHERE account_id = p_account_id;
  UPDATE credit_holds SET description = NULL,
    subject = CASE WHEN subject IS NOT NULL THEN 'erased' END
  WHERE account_id = p_account_id
    AND coalesce(description, nullif(subject, 'erased')) IS NOT NULL;
  UPDATE credit_grants SET subject = 'erased'
  WHERE account_id = p_account_id AND subject <> 'erased';
END $$;

-- Take all ways in away. A login that has another account keeps what is its own. Internal.
-- Locks keys, identities, sessions; the login's rows are locked already.
CREATE OR REPLACE FUNCTION ducat.erase_access(p_account_id uuid, p_login_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM drop_cached('key:' || id) FROM api_keys
  WHERE account_id = p_account_id AND revoked_at IS NULL;
  UPDATE api_keys SET name = 'erased', revoked_at = coalesce(revoked_at, clock_timestamp())
  WHERE account_id = p_account_id;
  INSERT INTO erased_identities (hmac, erased_at)
  SELECT hmac, clock_timestamp() FROM external_identities
  WHERE account_id = p_account_id AND hmac IS NOT NULL ORDER BY hmac
  ON CONFLICT (hmac) DO UPDATE SET erased_at = EXCLUDED.erased_at;
  DELETE FROM external_identities WHERE account_id = p_account_id;
  PERFORM drop_cached('session:' || id) FROM sessions
  WHERE account_id = p_account_id AND ended_at IS NULL;
  DELETE FROM sessions WHERE account_id = p_account_id;
  DELETE FROM stream_tickets WHERE account_id = p_account_id;
  DELETE FROM account_logins WHERE account_id = p_account_id;
  PERFORM FROM account_logins WHERE login_id = p_login_id;
  IF p_login_id IS NOT NULL AND NOT FOUND THEN
    DELETE FROM verifications WHERE value = p_login_id::text;
    DELETE FROM login_codes c USING logins l WHERE l.id = p_login_id AND c.phone = l.phone;
    DELETE FROM sessions WHERE login_id = p_login_id;
    DELETE FROM logins WHERE id = p_login_id;
    PERFORM drop_cached('login:' || p_login_id);
  END IF;
END $$;

-- The ids of up to p_limit generations of an account that have not ended.
CREATE OR REPLACE FUNCTION ducat.list_running(p_account_id uuid, p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT id FROM generations WHERE account_id = p_account_id AND open_items > 0
  ORDER BY id LIMIT least(p_limit, 1000)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_running TO ducat_app;
