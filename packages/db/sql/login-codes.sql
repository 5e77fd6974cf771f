-- Codes that are sent to telephones. What a code is, only the API and the message know: here is an
-- HMAC over purpose, number and code, so that a code is worth nothing elsewhere. A code lives ten
-- minutes and is judged five times at most, by the machine's time. A number that nobody has is
-- treated like any other, up to the message: what the caller sees and waits for is the same.

-- Take from the limits, then keep this code as the only one of its number and purpose, and queue
-- the text message that brings it; p_data: {sealed, locale}. A code for a new password goes to
-- numbers that have a login only: for others the same is written and nothing sent.
-- Returns null, or the limit that refused, as take_limits does: then nothing was written.
--   DU007 validation_failed   the caller's fault: something is missing or too long
-- Locks the limits, the code. A repeat makes the first code void.
CREATE OR REPLACE FUNCTION ducat.send_login_code(
  p_phone text, p_purpose text, p_hash bytea, p_data jsonb, p_limits jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_refused jsonb := take_limits(p_limits);
  v_nobody uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  IF v_refused IS NOT NULL THEN
    RETURN v_refused;
  END IF;
  IF (length(p_phone) BETWEEN 8 AND 16 AND jsonb_typeof(p_data -> 'sealed') = 'string'
      AND octet_length(p_data::text) <= 16384) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "code"}');
  END IF;
  INSERT INTO login_codes AS c (phone, purpose, hash, expires_at)
  VALUES (p_phone, p_purpose, p_hash, clock_timestamp() + interval '10 minutes')
  ON CONFLICT (phone, purpose) DO UPDATE SET hash = EXCLUDED.hash, tries = 0, used_at = NULL,
    expires_at = EXCLUDED.expires_at, created_at = clock_timestamp();
  -- The messages are nobody's: a number may have no account yet, and both kinds take the same time.
  INSERT INTO messages (account_id, kind, channel, recipient, has_secret, data, effect_key, status,
    due_at)
  SELECT v_nobody, 'login_code', 'sms', CASE WHEN wanted THEN p_phone END, true,
    CASE WHEN wanted THEN p_data ELSE '{}' END, 'code:' || gen_random_uuid(),
    CASE WHEN wanted THEN 'pending' ELSE 'skipped' END,
    CASE WHEN wanted THEN clock_timestamp() END
  FROM (SELECT EXISTS (SELECT FROM logins WHERE phone = p_phone)
               OR p_purpose <> 'password_reset' AS wanted) AS s;
  -- One comes, two old ones go: nobody's number stays for longer than it is of use.
  -- As arrays: whatever the planner believes, it looks nowhere else.
  DELETE FROM login_codes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM login_codes WHERE expires_at < clock_timestamp() - interval '1 hour'
    ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED));
  PERFORM drop_old_codes();
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.send_login_code TO ducat_app;

-- Forget two of the messages that are nobody's, when they are a day old. Internal.
CREATE OR REPLACE FUNCTION ducat.drop_old_codes() RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_nobody uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  DELETE FROM messages WHERE account_id = v_nobody AND id = ANY (ARRAY(
      SELECT id FROM messages WHERE account_id = v_nobody ORDER BY id LIMIT 2))
    AND created_at < clock_timestamp() - interval '1 day';
END $$;

-- Judge a guess: p_hashes are what it would be by each of our secrets. One statement counts it and
-- uses the code up, so that of many at once five are judged and one can be right. True when it was
-- right; false when it was wrong, or there is no code, or no longer. Never raises, so that the
-- count stays. Locks the code. Internal.
CREATE OR REPLACE FUNCTION ducat.judge_login_code(p_phone text, p_purpose text, p_hashes bytea[])
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_isright boolean;
BEGIN
  UPDATE login_codes SET tries = tries + 1,
    used_at = CASE WHEN hash = ANY (p_hashes) THEN clock_timestamp() END
  WHERE phone = p_phone AND purpose = p_purpose AND tries < 5 AND used_at IS NULL
    AND expires_at > clock_timestamp()
  RETURNING used_at IS NOT NULL INTO v_isright;
  RETURN coalesce(v_isright, false);
END $$;

-- Use up a code that proves a number: purpose login, or phone_verify, which brings a password into
-- force where there is none yet. Makes the login and its account if nobody has the number; p_more:
-- {locale, password?, kind?}, the kind of account to act on. Returns {login_id, account_id}; null
-- when the code is wrong, used, burned, expired, or was sent for something else.
--   DU006 invalid_state   {reason: no_account} a right code, which may be used again for another
--                         kind
-- Locks the code, the login, its account. Not repeatable: a code works once.
CREATE OR REPLACE FUNCTION ducat.use_login_code(
  p_phone text, p_purpose text, p_hashes bytea[], p_more jsonb, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login_id uuid;
BEGIN
  IF p_purpose NOT IN ('login', 'phone_verify')
    OR NOT judge_login_code(p_phone, p_purpose, p_hashes) THEN
    RETURN NULL;
  END IF;
  INSERT INTO logins (phone, verified_at) VALUES (p_phone, clock_timestamp())
  ON CONFLICT (phone) DO NOTHING RETURNING id INTO v_login_id;
  IF FOUND THEN
    PERFORM audit(NULL, 'login.create', 'login', v_login_id::text, p_audit, '{}');
  ELSE
    SELECT id INTO v_login_id FROM logins WHERE phone = p_phone;
  END IF;
  -- A login that has a password keeps it: signing up again is no way to change it.
  INSERT INTO login_credentials (login_id, provider_id, provider_account_id, password)
  SELECT v_login_id, 'credential', v_login_id, p_more ->> 'password'
  WHERE p_more ->> 'password' IS NOT NULL
  ON CONFLICT (login_id, provider_id) DO NOTHING;
  RETURN jsonb_build_object('login_id', v_login_id,
    'account_id', open_phone_account(v_login_id, p_phone, coalesce(p_more ->> 'locale', 'en'),
      p_more ->> 'kind'));
END $$;
GRANT EXECUTE ON FUNCTION ducat.use_login_code TO ducat_app;

-- What it was without a kind.
DROP FUNCTION IF EXISTS ducat.open_phone_account(uuid, text, text);

-- The account of a login with this number, made if it has none. It gets the number unless another
-- account of its kind has it. Returns its id. Locks the login, the account. Internal.
CREATE OR REPLACE FUNCTION ducat.open_phone_account(
  p_login_id uuid, p_phone text, p_locale text, p_kind text)
RETURNS uuid LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid := open_login_account(p_login_id, p_locale, p_kind);
BEGIN
  BEGIN
    UPDATE accounts SET phone = p_phone, updated_at = clock_timestamp()
    WHERE id = v_id AND phone IS NULL;
  EXCEPTION WHEN unique_violation THEN
    NULL; -- messages to this one go to the login's number
  END;
  RETURN v_id;
END $$;

-- Use up a code for a new password; p_password is its hash. What the old one opened is shut.
-- Returns {login_id}; null when the code is wrong, used, burned, expired, or was sent for something
-- else, and for a login that is shut out.
-- Locks the code, the login's credentials, its sessions. Not repeatable: a code works once.
CREATE OR REPLACE FUNCTION ducat.reset_password_by_code(
  p_phone text, p_hashes bytea[], p_password text, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login_id uuid;
BEGIN
  IF NOT judge_login_code(p_phone, 'password_reset', p_hashes) THEN
    RETURN NULL;
  END IF;
  SELECT id INTO v_login_id FROM logins WHERE phone = p_phone AND banned_at IS NULL;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO login_credentials (login_id, provider_id, provider_account_id, password)
  VALUES (v_login_id, 'credential', v_login_id, p_password)
  ON CONFLICT (login_id, provider_id)
  DO UPDATE SET password = EXCLUDED.password, updated_at = clock_timestamp();
  -- The first password of a login changes no older one: nothing else would end its sessions.
  PERFORM end_sessions(v_login_id, NULL, 'password_changed');
  PERFORM audit(NULL, 'login.reset_password', 'login', v_login_id::text, p_audit, '{}');
  RETURN jsonb_build_object('login_id', v_login_id);
END $$;
GRANT EXECUTE ON FUNCTION ducat.reset_password_by_code TO ducat_app;
