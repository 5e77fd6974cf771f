-- What it was without an audit line.
DROP FUNCTION IF EXISTS ducat.create_account(text, text, text, text, text, text, boolean);

-- Make an account with its credit account, its trial credits and what its default plan gives, once
-- per p_external_id. p_trial false: its person is not verified yet, and gets neither. Returns the
-- account row and whether it was made now. Known external ids return the account as it is,
-- unchanged. p_audit is of who made it for somebody else; it leaves a line only if it was made.
--   DU008 already_exists   another account of this kind has the e-mail address or phone number
-- Locks the new rows only. Safe to retry by p_external_id.
CREATE OR REPLACE FUNCTION ducat.create_account(
  p_external_id text, p_kind text, p_name text DEFAULT NULL, p_email text DEFAULT NULL,
  p_phone text DEFAULT NULL, p_locale text DEFAULT 'en', p_trial boolean DEFAULT true,
  p_audit jsonb DEFAULT NULL)
RETURNS TABLE (account ducat.accounts, created boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts;
BEGIN
  INSERT INTO accounts (external_id, kind, name, email, phone, locale)
  VALUES (p_external_id, p_kind, p_name, p_email, p_phone, p_locale)
  ON CONFLICT DO NOTHING RETURNING * INTO v_account;
  IF NOT FOUND THEN
    SELECT * INTO v_account FROM accounts WHERE external_id = p_external_id;
    IF NOT FOUND THEN
      PERFORM refuse('DU008', 'already_exists');
    END IF;
    RETURN QUERY SELECT v_account, false;
    RETURN;
  END IF;
  INSERT INTO credit_accounts (account_id) VALUES (v_account.id);
  PERFORM start_base_refills(v_account.id, false);
  IF p_trial THEN
    PERFORM grant_trial(v_account.id);
  END IF;
  IF p_audit IS NOT NULL THEN
    PERFORM audit(v_account.id, 'account.create', 'account', v_account.id::text, p_audit,
      jsonb_build_object('after', jsonb_build_object('kind', p_kind, 'is_active', true)));
  END IF;
  RETURN QUERY SELECT v_account, true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_account TO ducat_app;

-- Its person is verified: give an account the trial credits that the configuration says, if any,
-- once per account, and once per identity: p_identities are HMACs of what is known of the person,
-- remembered for ever. One that had its trial stands for all of them. What the default plan gives
-- begins too; who was here before gets it from the next month on. Returns whether a trial was
-- given. Locks the credit account, then the row of base refills. Internal.
CREATE OR REPLACE FUNCTION ducat.grant_trial(
  p_account_id uuid, p_identities bytea[] DEFAULT '{}')
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_trial bigint := read_setting('trial_credits', 3);
  v_waits boolean := EXISTS (
    SELECT FROM base_refills WHERE account_id = p_account_id AND next_at = 'infinity');
  v_new int;
  v_had_it boolean;
BEGIN
  IF v_trial = 0 AND NOT v_waits THEN
    RETURN false;
  END IF;
  INSERT INTO trial_identities (hmac) SELECT DISTINCT unnest(p_identities) ORDER BY 1
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS v_new = ROW_COUNT;
  -- Who was moved in had it where they come from.
  v_had_it := v_new < (SELECT count(DISTINCT i) FROM unnest(p_identities) AS i)
    OR EXISTS (SELECT FROM import_rows WHERE account_id = p_account_id);
  IF v_waits THEN
    PERFORM start_base_refills(p_account_id, true, v_had_it);
  END IF;
  IF v_had_it OR v_trial = 0 THEN
    RETURN false;
  END IF;
  PERFORM grant_credits(p_account_id, 'trial', v_trial, 'trial:' || p_account_id,
    p_description => 'Free trial');
  RETURN true;
END $$;

-- The account with this id or external id, and whether it is active; no row when there is none. Its
-- own id wins: an external id may be anything, another account's id too.
CREATE OR REPLACE FUNCTION ducat.find_account(p_reference text, OUT id uuid, OUT is_active boolean)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT a.id, a.is_active FROM accounts a
  WHERE a.external_id = p_reference
     OR a.id = CASE WHEN p_reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    THEN p_reference::uuid END
  ORDER BY a.external_id = p_reference NULLS FIRST LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION ducat.find_account TO ducat_app;

-- What find_account was called before: for processes of the last release.
CREATE OR REPLACE FUNCTION ducat.find_account_id(p_reference text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT id FROM find_account(p_reference)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_account_id TO ducat_app, ducat_worker;

-- Let an account act, or refuse it everywhere from now on, in every process; what it has stays.
-- Returns its row.
--   DU003 not_found · DU006 invalid_state {reason: erased}
-- Locks the account's row. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_account_active(
  p_account_id uuid, p_is_active boolean, p_audit jsonb)
RETURNS SETOF ducat.accounts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_before boolean := v_account.is_active;
BEGIN
  UPDATE accounts SET is_active = p_is_active, updated_at = clock_timestamp()
  WHERE id = p_account_id RETURNING * INTO v_account;
  PERFORM audit(p_account_id,
    CASE WHEN p_is_active THEN 'account.activate' ELSE 'account.deactivate' END,
    'account', p_account_id::text, p_audit, jsonb_build_object(
      'before', jsonb_build_object('is_active', v_before),
      'after', jsonb_build_object('is_active', p_is_active)));
  PERFORM drop_cached('account:' || p_account_id);
  RETURN NEXT v_account;
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_account_active TO ducat_app;

-- Lock an account's row for a change of it; returns the row. Internal.
--   DU003 not_found · DU006 invalid_state {reason: erased}
CREATE OR REPLACE FUNCTION ducat.lock_unerased(p_account_id uuid) RETURNS ducat.accounts
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts;
BEGIN
  SELECT * INTO v_account FROM accounts WHERE id = p_account_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "account"}');
  ELSIF v_account.erased_at IS NOT NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "erased"}');
  END IF;
  RETURN v_account;
END $$;

-- Write down that somebody made a token for an account's browser: p_token {scopes, expires_at}.
-- Not repeatable: each is a line.
CREATE OR REPLACE FUNCTION ducat.note_account_token(
  p_account_id uuid, p_token jsonb, p_audit jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM audit(p_account_id, 'account_token.create', 'account', p_account_id::text, p_audit,
    p_token);
END $$;
GRANT EXECUTE ON FUNCTION ducat.note_account_token TO ducat_app;

-- What it was without an audit line.
DROP FUNCTION IF EXISTS ducat.update_profile(uuid, jsonb);

-- Change what an account says of itself: p_change has some of name, avatar, bio, locale; null takes
-- a value away. The avatar is an upload of the account's, which then stays; the one before it goes
-- within the hour in which its URLs work. Returns the row. p_audit is of who does it for the
-- account: its line has the names of what was changed, and nobody's text.
--   DU003 not_found       {what: account}, or {what: upload}: none of theirs, or it has expired
--   DU006 invalid_state   {reason: erased}
-- Locks the account's row, then the uploads. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.update_profile(
  p_account_id uuid, p_change jsonb, p_audit jsonb DEFAULT NULL)
RETURNS SETOF ducat.accounts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before accounts := lock_unerased(p_account_id);
  v_after accounts := jsonb_populate_record(v_before, p_change);
BEGIN
  IF v_after.avatar IS DISTINCT FROM v_before.avatar THEN
    IF v_after.avatar IS NOT NULL THEN
      UPDATE blobs SET purpose = 'avatar', expires_at = NULL
      WHERE account_id = p_account_id AND id = v_after.avatar::uuid AND purpose = 'input'
        AND expires_at > clock_timestamp();
      IF NOT FOUND THEN
        PERFORM refuse('DU003', 'not_found', '{"what": "upload"}');
      END IF;
    END IF;
    UPDATE blobs SET expires_at = clock_timestamp() + interval '1 hour'
    WHERE account_id = p_account_id AND id = v_before.avatar::uuid;
  END IF;
  IF p_audit IS NOT NULL THEN
    PERFORM audit(p_account_id, 'account.update', 'account', p_account_id::text, p_audit,
      jsonb_build_object('members', (SELECT jsonb_agg(k ORDER BY k)
        FROM jsonb_object_keys(p_change) AS k)));
  END IF;
  RETURN QUERY UPDATE accounts SET name = v_after.name, avatar = v_after.avatar,
    bio = v_after.bio, locale = v_after.locale, updated_at = clock_timestamp()
  WHERE id = p_account_id RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.update_profile TO ducat_app;
