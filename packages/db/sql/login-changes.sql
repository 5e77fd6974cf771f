-- Another e-mail address or telephone number of a login, or a first one: it counts when a code that
-- was sent there has been shown in the session that asked for it. What the code is, only the API
-- and the message know. Whether somebody else has the address makes no difference before: nobody
-- learns it who doesn't have it too. Times are the machine's.

-- Take from the limits, then keep what this login wants to have, the only one of its channel, and
-- queue the message that brings the code there. p_change: {channel: email | phone, address, hash
-- (hex)}; p_data: {sealed, locale}. Returns null, or the limit that refused, as take_limits does:
-- then nothing was written.
--   DU003 not_found           no such open session of the login
--   DU007 validation_failed   the caller's fault: something is missing or too long
-- Locks the limits, the change. A repeat makes the first code void.
CREATE OR REPLACE FUNCTION ducat.start_login_change(
  p_login_id uuid, p_session_id uuid, p_change jsonb, p_data jsonb, p_limits jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_refused jsonb := take_limits(p_limits);
BEGIN
  IF v_refused IS NOT NULL THEN
    RETURN v_refused;
  END IF;
  IF (length(p_change ->> 'address') BETWEEN 3 AND 320
      AND p_change ->> 'channel' IN ('email', 'phone')
      AND jsonb_typeof(p_data -> 'sealed') = 'string'
      AND octet_length(p_data::text) <= 16384) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "change"}');
  END IF;
  INSERT INTO login_changes AS c (login_id, channel, session_id, address, hash, expires_at)
  SELECT login_id, p_change ->> 'channel', id, p_change ->> 'address',
    decode(p_change ->> 'hash', 'hex'), clock_timestamp() + interval '10 minutes'
  FROM sessions WHERE id = p_session_id AND login_id = p_login_id AND ended_at IS NULL
  ON CONFLICT (login_id, channel) DO UPDATE SET session_id = EXCLUDED.session_id,
    address = EXCLUDED.address, hash = EXCLUDED.hash, tries = 0, used_at = NULL,
    expires_at = EXCLUDED.expires_at, created_at = clock_timestamp();
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "session"}');
  END IF;
  -- Nobody's, as all codes are: it is not theirs yet, and whoever has it is not greeted by a name.
  INSERT INTO messages (account_id, kind, channel, recipient, has_secret, data, effect_key, due_at)
  VALUES ('00000000-0000-0000-0000-000000000000', 'login_code',
    CASE p_change ->> 'channel' WHEN 'phone' THEN 'sms' ELSE 'email' END, p_change ->> 'address',
    true, p_data, 'code:' || gen_random_uuid(), clock_timestamp());
  -- One comes, two old ones go: nobody's address stays for longer than it is of use.
  DELETE FROM login_changes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM login_changes WHERE expires_at < clock_timestamp() - interval '1 hour'
    ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED));
  PERFORM drop_old_codes();
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.start_login_change TO ducat_app;

-- Judge a code and, when it is right, give the login the address that it was sent to: verified by
-- it, all its other sessions and links void, its accounts with it too, and everywhere it could be
-- reached before told so. p_change: {channel, address, hashes (hex, by each of our secrets),
-- notice: {sealed}}. Returns one of
--   changed   it has the address now
--   wrong     no such code, used, burned, expired, of another session
--   taken     the code was right and is used up; another login is proven to have the address
-- Whoever only said that an address was theirs loses it to whoever proves it.
-- Never raises, so that the count of guesses stays. Locks the logins' credentials, the logins, the
-- change, links, accounts, challenges, sessions. Not repeatable: a code works once.
CREATE OR REPLACE FUNCTION ducat.use_login_change(
  p_login_id uuid, p_session_id uuid, p_change jsonb, p_audit jsonb)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_channel text := p_change ->> 'channel';
  v_address text := p_change ->> 'address';
  v_hashes bytea[] := ARRAY(
    SELECT decode(h, 'hex') FROM jsonb_array_elements_text(p_change -> 'hashes') AS h);
  v_holder uuid;
  v_before logins;
  v_isright boolean;
BEGIN
  -- Only for a right code is anybody else's login looked at; both are locked in order.
  SELECT l.id INTO v_holder FROM login_changes c JOIN logins l
    ON CASE v_channel WHEN 'email' THEN l.email ELSE l.phone END = v_address
  WHERE c.login_id = p_login_id AND c.channel = v_channel AND c.hash = ANY (v_hashes);
  PERFORM FROM login_credentials WHERE login_id IN (p_login_id, v_holder)
  ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM logins WHERE id IN (p_login_id, v_holder) ORDER BY id FOR NO KEY UPDATE;
  UPDATE login_changes SET tries = tries + 1,
    used_at = CASE WHEN hash = ANY (v_hashes) THEN clock_timestamp() END
  WHERE login_id = p_login_id AND channel = v_channel AND address = v_address
    AND session_id = p_session_id AND tries < 5 AND used_at IS NULL
    AND expires_at > clock_timestamp()
    AND EXISTS (SELECT FROM sessions WHERE id = p_session_id AND ended_at IS NULL)
  RETURNING used_at IS NOT NULL INTO v_isright;
  IF NOT coalesce(v_isright, false) THEN
    RETURN 'wrong';
  END IF;
  SELECT * INTO v_before FROM logins WHERE id = p_login_id;
  IF NOT take_login_address(p_login_id, v_channel, v_address) THEN
    RETURN 'taken';
  END IF;
  PERFORM move_account_address(p_login_id, v_channel, v_address,
    CASE v_channel WHEN 'email' THEN v_before.email ELSE v_before.phone END);
  DELETE FROM verifications WHERE value = p_login_id::text;
  PERFORM end_sessions(p_login_id, p_session_id, 'address_changed');
  PERFORM tell_login_change(v_before, p_session_id, v_address, p_change -> 'notice');
  PERFORM audit(NULL, 'login.change_' || v_channel, 'login', p_login_id::text, p_audit,
    jsonb_build_object('before', jsonb_build_object('verified_at', v_before.verified_at),
      'after', (SELECT jsonb_build_object('verified_at', verified_at) FROM logins
                WHERE id = p_login_id)));
  RETURN 'changed';
END $$;
GRANT EXECUTE ON FUNCTION ducat.use_login_change TO ducat_app;

-- Give a login an address or number that it has proven. A login that had only said that it has the
-- address is without it then, and what was opened by it is shut. With a number a login loses an
-- address that it has only said: whoever proves that one later shall not find this number beside
-- it. False, and no change, when another login is proven to have it. Locks that login's links,
-- challenges and sessions. Internal.
CREATE OR REPLACE FUNCTION ducat.take_login_address(
  p_login_id uuid, p_channel text, p_address text)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_loser uuid;
BEGIN
  IF p_channel = 'phone' THEN
    UPDATE logins SET phone = p_address, email = CASE WHEN email_verified THEN email END,
      verified_at = coalesce(verified_at, v_now), updated_at = v_now
    WHERE id = p_login_id;
    RETURN true;
  END IF;
  UPDATE logins SET email = NULL, updated_at = v_now
  WHERE email = p_address AND NOT email_verified AND id <> p_login_id RETURNING id INTO v_loser;
  IF FOUND THEN
    DELETE FROM verifications WHERE value = v_loser::text;
    PERFORM end_sessions(v_loser, NULL, 'address_changed');
  END IF;
  UPDATE logins SET email = p_address, email_verified = true,
    verified_at = coalesce(verified_at, v_now), updated_at = v_now
  WHERE id = p_login_id;
  RETURN true;
EXCEPTION WHEN unique_violation THEN
  RETURN false;
END $$;

-- Give the accounts of a login its new address where they have its old one or none: none, where
-- another account of the kind has the new one. Locks the accounts in order. Internal.
CREATE OR REPLACE FUNCTION ducat.move_account_address(
  p_login_id uuid, p_channel text, p_address text, p_old text)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid;
  v_is_free boolean;
BEGIN
  FOR v_id, v_is_free IN
    SELECT a.id, NOT EXISTS (SELECT FROM accounts b WHERE b.kind = a.kind AND b.id <> a.id
      AND CASE p_channel WHEN 'email' THEN b.email ELSE b.phone END = p_address)
    FROM accounts a JOIN account_logins l ON l.account_id = a.id
    WHERE l.login_id = p_login_id
      AND coalesce(CASE p_channel WHEN 'email' THEN a.email ELSE a.phone END, p_old, '')
        = coalesce(p_old, '')
    ORDER BY a.id
  LOOP
    BEGIN
      PERFORM set_account_address(v_id, p_channel, CASE WHEN v_is_free THEN p_address END);
    EXCEPTION WHEN unique_violation THEN
      PERFORM set_account_address(v_id, p_channel, NULL); -- another one took it this moment
    END;
  END LOOP;
END $$;

-- Write an account's address or number. Locks its row. Internal.
CREATE OR REPLACE FUNCTION ducat.set_account_address(p_id uuid, p_channel text, p_address text)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  UPDATE accounts SET updated_at = clock_timestamp(),
    email = CASE p_channel WHEN 'email' THEN p_address ELSE email END,
    phone = CASE p_channel WHEN 'phone' THEN p_address ELSE phone END
  WHERE id = p_id
$$;

-- Tell a login's person wherever they could be reached before a change, and not at the address that
-- they have just proven. Locks nothing but the new rows. Internal.
CREATE OR REPLACE FUNCTION ducat.tell_login_change(
  p_before ducat.logins, p_session_id uuid, p_address text, p_notice jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid := (SELECT account_id FROM sessions WHERE id = p_session_id);
BEGIN
  IF p_before.email_verified AND p_before.email <> p_address THEN
    PERFORM queue_secret_message(v_account_id, 'email', p_before.email, 'login_changed', p_notice,
      'login:' || gen_random_uuid());
  END IF;
  IF p_before.phone <> p_address THEN
    PERFORM queue_secret_message(v_account_id, 'sms', p_before.phone, 'login_changed', p_notice,
      'login:' || gen_random_uuid());
  END IF;
END $$;
