-- People who are signed in elsewhere. Their issuer's word is what they are known by: an e-mail
-- address never leads to an account, or whoever can have one at some issuer could take it over.

DROP FUNCTION IF EXISTS ducat.open_external_account(text, text, jsonb, bytea[]);

-- The account of an issuer's subject, made when they are first seen: {account_id, is_active}.
-- p_profile ({name?, email?}) is null while the issuer doesn't vouch for them. The first time it
-- does, the account takes what it lacks of the profile and gets its trial, once per identity
-- (p_identities: see grant_trial) - neither where another account has the address: that one had
-- it. Later calls change nothing.
-- p_hmacs are HMACs of issuer and subject, by our newest secret first. Whoever has erased their
-- account gets no other by what they signed in with before (p_signed_in_at, by their issuer's
-- clock, which may be 5 s ahead): {account_id: null, is_active: false}.
-- Serial per subject while it is new or unverified; locks the identity, the account's row, then the
-- credit account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.open_external_account(
  p_issuer text, p_subject text, p_profile jsonb DEFAULT NULL, p_identities bytea[] DEFAULT '{}',
  p_hmacs bytea[] DEFAULT '{}', p_signed_in_at timestamptz DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_identity external_identities;
  v_is_active boolean;
BEGIN
  SELECT * INTO v_identity FROM external_identities
  WHERE issuer = p_issuer AND subject = p_subject;
  IF NOT FOUND OR p_profile IS NOT NULL AND v_identity.verified_at IS NULL THEN
    PERFORM pg_advisory_xact_lock(
      hashtext('ducat.external_identities'), hashtext(p_issuer || ' ' || p_subject));
    SELECT * INTO v_identity FROM external_identities
    WHERE issuer = p_issuer AND subject = p_subject;
    IF NOT FOUND THEN
      PERFORM FROM erased_identities
      WHERE hmac = ANY (p_hmacs) AND erased_at >= p_signed_in_at - interval '5 s';
      IF FOUND THEN
        RETURN '{"account_id": null, "is_active": false}';
      END IF;
      INSERT INTO external_identities (issuer, subject, account_id, hmac)
      VALUES (p_issuer, p_subject,
        (SELECT (account).id FROM create_account(NULL, 'user', p_trial => false)), p_hmacs[1])
      RETURNING * INTO v_identity;
    END IF;
  END IF;
  SELECT is_active INTO STRICT v_is_active FROM accounts WHERE id = v_identity.account_id;
  IF v_identity.hmac IS NULL AND cardinality(p_hmacs) > 0 THEN
    UPDATE external_identities SET hmac = p_hmacs[1]
    WHERE issuer = p_issuer AND subject = p_subject AND hmac IS NULL;
  END IF;
  IF v_is_active AND p_profile IS NOT NULL AND v_identity.verified_at IS NULL THEN
    UPDATE external_identities SET verified_at = clock_timestamp()
    WHERE issuer = p_issuer AND subject = p_subject AND account_id = v_identity.account_id;
    IF NOT FOUND THEN
      -- The account was erased a moment ago: it must not get their name back.
      v_is_active := false;
    ELSIF take_profile(v_identity.account_id, p_profile ->> 'name', p_profile ->> 'email') THEN
      PERFORM grant_trial(v_identity.account_id, p_identities);
    END IF;
  END IF;
  RETURN jsonb_build_object('account_id', v_identity.account_id, 'is_active', v_is_active);
END $$;
GRANT EXECUTE ON FUNCTION ducat.open_external_account TO ducat_app;

-- Give an account the name and address that it lacks. False, and no change, when another account
-- of its kind has the address. Locks the account's row. Internal.
CREATE OR REPLACE FUNCTION ducat.take_profile(p_account_id uuid, p_name text, p_email text)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE accounts SET name = coalesce(name, p_name), email = coalesce(email, p_email),
    updated_at = clock_timestamp()
  WHERE id = p_account_id;
  RETURN true;
EXCEPTION WHEN unique_violation THEN
  RETURN false;
END $$;
