-- The second factor (RFC 6238). Secrets are encrypted and codes are compared by the API, which has
-- the keys; here is what must hold however many ask at once: five guesses to a challenge, one
-- acceptance of a code, one session to a challenge. Times are the machine's.

-- Offer a login a new secret (encrypted) and backup codes (hashed, 10): they replace those that
-- were offered before, and are in force when a first code is right. Returns {name} to show beside
-- the codes: the login's address or number; null when a second factor is in force already.
-- Locks the login's second factor. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.offer_totp(p_login_id uuid, p_secret bytea, p_codes bytea[])
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  INSERT INTO login_totps AS t (login_id, secret) VALUES (p_login_id, p_secret)
  ON CONFLICT (login_id) DO UPDATE SET secret = EXCLUDED.secret, created_at = clock_timestamp()
  WHERE t.active_at IS NULL;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  DELETE FROM totp_backup_codes WHERE login_id = p_login_id;
  INSERT INTO totp_backup_codes (login_id, hash) SELECT p_login_id, unnest(p_codes);
  RETURN (SELECT jsonb_build_object('name', coalesce(email, phone, '')) FROM logins
          WHERE id = p_login_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.offer_totp TO ducat_app;

-- A login's second factor: {secret (encrypted, hex), is_active}; null when there is none. The
-- caller has taken from a limit before: whoever has it may try a code. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.find_totp(p_login_id uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('secret', encode(secret, 'hex'), 'is_active', active_at IS NOT NULL)
  FROM login_totps WHERE login_id = p_login_id
$$;
GRANT EXECUTE ON FUNCTION ducat.find_totp TO ducat_app;

-- Put the offered secret in force: a code of it was right, of this step. False when the offer has
-- been replaced or is in force already. Locks the second factor. A repeat returns false.
CREATE OR REPLACE FUNCTION ducat.activate_totp(
  p_login_id uuid, p_secret bytea, p_step bigint, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE login_totps SET active_at = clock_timestamp(), last_step = p_step
  WHERE login_id = p_login_id AND secret = p_secret AND active_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM audit(NULL, 'login.activate_totp', 'login', p_login_id::text, p_audit, '{}');
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.activate_totp TO ducat_app;

-- Accept what was shown as the second factor: a code's step, once, and none before it; or a backup
-- code by its hashes, once. p_proof: {step, relocked?} or {codes: [hex]}. Whether it is accepted;
-- then relocked {from, to} (hex) is the secret as it is encrypted and as it shall be from now on.
-- Locks the second factor or the backup code. A repeat returns false. Internal.
CREATE OR REPLACE FUNCTION ducat.accept_totp(p_login_id uuid, p_proof jsonb) RETURNS boolean
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_proof ->> 'step' IS NOT NULL THEN
    UPDATE login_totps SET last_step = (p_proof ->> 'step')::bigint,
      secret = CASE encode(secret, 'hex') WHEN p_proof #>> '{relocked,from}'
                    THEN decode(p_proof #>> '{relocked,to}', 'hex') ELSE secret END
    WHERE login_id = p_login_id AND active_at IS NOT NULL
      AND last_step < (p_proof ->> 'step')::bigint;
  ELSE
    DELETE FROM totp_backup_codes c USING login_totps t
    WHERE c.login_id = p_login_id AND t.login_id = p_login_id AND t.active_at IS NOT NULL
      AND encode(c.hash, 'hex') IN (SELECT jsonb_array_elements_text(p_proof -> 'codes'));
  END IF;
  RETURN FOUND;
END $$;

-- Whether what was shown of a login's second factor is accepted, by itself: for somebody who is in
-- already and shows again who they are. The caller has taken from a limit before.
-- Locks the second factor or the backup code. A repeat returns false.
CREATE OR REPLACE FUNCTION ducat.prove_totp(p_login_id uuid, p_proof jsonb) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT accept_totp(p_login_id, p_proof)
$$;
GRANT EXECUTE ON FUNCTION ducat.prove_totp TO ducat_app;

-- Do without a second factor again, by what accept_totp takes. Whether it was accepted.
-- Locks the login's challenges, the second factor, its codes. A repeat returns false.
CREATE OR REPLACE FUNCTION ducat.disable_totp(p_login_id uuid, p_proof jsonb, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM totp_challenges WHERE login_id = p_login_id ORDER BY hash FOR UPDATE;
  IF NOT accept_totp(p_login_id, p_proof) THEN
    RETURN false;
  END IF;
  DELETE FROM login_totps WHERE login_id = p_login_id;
  DELETE FROM totp_backup_codes WHERE login_id = p_login_id;
  DELETE FROM totp_challenges WHERE login_id = p_login_id;
  PERFORM audit(NULL, 'login.disable_totp', 'login', p_login_id::text, p_audit, '{}');
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.disable_totp TO ducat_app;

-- Take a login's second factor away by an administrator's word, for somebody who has lost it. Its
-- sessions end, so that nobody who has one goes on with less. Whether there was one, in force or
-- offered; then there is an audit line.
--   DU003 not_found {what: login}
-- Locks the login's challenges, the sessions, the second factor. Safe to retry: false then.
CREATE OR REPLACE FUNCTION ducat.remove_totp(p_login_id uuid, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM logins WHERE id = p_login_id) THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  ELSIF NOT EXISTS (SELECT FROM login_totps WHERE login_id = p_login_id) THEN
    RETURN false;
  END IF;
  PERFORM end_sessions(p_login_id, NULL, 'totp_removed');
  DELETE FROM login_totps WHERE login_id = p_login_id;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM totp_backup_codes WHERE login_id = p_login_id;
  PERFORM audit(NULL, 'login.remove_totp', 'login', p_login_id::text, p_audit, '{}');
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.remove_totp TO ducat_app;

-- Ask a login that has shown its first factor for the second: p_hash recognises the challenge for
-- ten minutes. p_password is the hash of the password that was verified, if one was: the session
-- is refused when it has been changed meanwhile. Whether this login is asked: it has a second
-- factor, is not shut out, and the account is its own.
-- Locks nothing but the new row. Safe to retry with another hash.
CREATE OR REPLACE FUNCTION ducat.challenge_totp(
  p_hash bytea, p_login_id uuid, p_account_id uuid, p_password text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  INSERT INTO totp_challenges (hash, login_id, account_id, password, expires_at)
  SELECT p_hash, p_login_id, p_account_id, p_password, clock_timestamp() + interval '10 minutes'
  FROM login_totps t JOIN logins l ON l.id = t.login_id AND l.banned_at IS NULL
    JOIN account_logins o ON o.login_id = l.id AND o.account_id = p_account_id
  WHERE t.login_id = p_login_id AND t.active_at IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM totp_challenges WHERE hash = ANY (ARRAY(
    SELECT hash FROM totp_challenges WHERE expires_at < clock_timestamp()
    ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED));
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.challenge_totp TO ducat_app;

-- Count a guess at a challenge and return what judging it takes: {login_id, account_id, password,
-- secret (encrypted, hex)}; null for the sixth, and for what was passed, has expired or never was.
-- The count stays whatever the guess is. Locks the challenge. Not repeatable: a repeat is a guess.
CREATE OR REPLACE FUNCTION ducat.try_totp(p_hash bytea) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE totp_challenges c SET tries = c.tries + 1
  FROM login_totps t
  WHERE c.hash = p_hash AND c.tries < 5 AND c.passed_at IS NULL
    AND c.expires_at > clock_timestamp()
    AND t.login_id = c.login_id AND t.active_at IS NOT NULL
  RETURNING jsonb_build_object('login_id', c.login_id, 'account_id', c.account_id,
    'password', c.password, 'secret', encode(t.secret, 'hex'))
$$;
GRANT EXECUTE ON FUNCTION ducat.try_totp TO ducat_app;

-- Pass a challenge by what accept_totp takes. Whether it is passed now: then one session may be
-- begun by it (create_session). Locks the challenge, the second factor. A repeat returns false.
CREATE OR REPLACE FUNCTION ducat.pass_totp(p_hash bytea, p_proof jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login_id uuid;
BEGIN
  SELECT login_id INTO v_login_id FROM totp_challenges
  WHERE hash = p_hash AND passed_at IS NULL AND expires_at > clock_timestamp() FOR UPDATE;
  IF NOT FOUND OR NOT accept_totp(v_login_id, p_proof) THEN
    RETURN false;
  END IF;
  UPDATE totp_challenges SET passed_at = clock_timestamp() WHERE hash = p_hash;
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.pass_totp TO ducat_app;

-- Whether a session of this login may begin: it has no second factor in force, or p_hash is a
-- challenge on this account that was passed, which is used up by it. Locks the challenge. Internal.
CREATE OR REPLACE FUNCTION ducat.spend_totp(p_login_id uuid, p_account_id uuid, p_hash bytea)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM login_totps WHERE login_id = p_login_id AND active_at IS NOT NULL) THEN
    RETURN true;
  END IF;
  DELETE FROM totp_challenges WHERE hash = p_hash AND login_id = p_login_id
    AND account_id = p_account_id AND passed_at IS NOT NULL AND expires_at > clock_timestamp();
  RETURN FOUND;
END $$;
