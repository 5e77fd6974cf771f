-- Make an account with its credit account and its trial credits, once per p_external_id.
-- p_trial false leaves the trial out (a vendor that buys only). Returns the account row and
-- whether it was made now. Known external ids return the account as it is, unchanged.
--   DU008 already_exists   another account of this kind has the e-mail address or phone number
-- Locks the new rows only. Safe to retry by p_external_id.
CREATE OR REPLACE FUNCTION ducat.create_account(
  p_external_id text, p_kind text, p_name text DEFAULT NULL, p_email text DEFAULT NULL,
  p_phone text DEFAULT NULL, p_locale text DEFAULT 'en', p_trial boolean DEFAULT true)
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
  IF p_trial THEN
    PERFORM grant_trial(v_account.id);
  END IF;
  RETURN QUERY SELECT v_account, true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_account TO ducat_app;

-- Give an account the trial credits that the configuration says, if any; once per account, and once
-- per identity: p_identities are HMACs of what is known of the person, remembered for ever. One that
-- had its trial stands for all of them. Returns whether it was given. Locks the credit account.
-- Internal.
CREATE OR REPLACE FUNCTION ducat.grant_trial(
  p_account_id uuid, p_identities bytea[] DEFAULT '{}')
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_trial bigint;
  v_new int;
BEGIN
  SELECT (value #>> '{}')::bigint INTO v_trial FROM admin_config WHERE key = 'trial_credits';
  IF coalesce(v_trial, 0) = 0 THEN
    RETURN false;
  END IF;
  INSERT INTO trial_identities (hmac) SELECT DISTINCT unnest(p_identities) ORDER BY 1
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS v_new = ROW_COUNT;
  IF v_new < (SELECT count(DISTINCT i) FROM unnest(p_identities) AS i) THEN
    RETURN false;
  END IF;
  PERFORM grant_credits(p_account_id, 'trial', v_trial, 'trial:' || p_account_id,
    p_description => 'Free trial');
  RETURN true;
END $$;

-- The id of an account by its own or its external id; null when there is none. Its own wins: an
-- external id may be anything, another account's id too.
CREATE OR REPLACE FUNCTION ducat.find_account_id(p_reference text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT id FROM accounts
  WHERE external_id = p_reference
     OR id = CASE WHEN p_reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                  THEN p_reference::uuid END
  ORDER BY external_id = p_reference NULLS FIRST LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION ducat.find_account_id TO ducat_app, ducat_worker;
