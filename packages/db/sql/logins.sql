-- People's logins beside what better-auth does with them: their accounts, proofs of an address,
-- trials. What ends sessions tells every process in its own transaction (packages/cache); what
-- moves credits tells nobody.

-- Drop what processes remember of these tags ("login:<id>", "session:<id>", "account:<id>").
CREATE OR REPLACE FUNCTION ducat.drop_cached(VARIADIC p_tags text[]) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT pg_notify('ducat_cache', to_jsonb(p_tags)::text)
$$;

-- The login with this e-mail address, in lower case: {id, is_verified}; null when there is none.
CREATE OR REPLACE FUNCTION ducat.find_login(p_email text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', id, 'is_verified', email_verified) FROM logins
  WHERE email = p_email
$$;
GRANT EXECUTE ON FUNCTION ducat.find_login TO ducat_app;

-- What it was without a kind.
DROP FUNCTION IF EXISTS ducat.open_login_account(uuid, text);

-- The account of a login that it acts on: the one of p_kind; null: its user account, before that
-- one that is active. A user account is made now if it has none, without trial credits and without
-- the address, which is nobody's before it is proven. Returns its id.
--   DU003 not_found   no such login
--   DU006 invalid_state   {reason: no_account} it has no vendor account
-- Locks the login. Safe to retry: a sign-up that broke off is finished by the next call.
CREATE OR REPLACE FUNCTION ducat.open_login_account(
  p_login_id uuid, p_locale text DEFAULT 'en', p_kind text DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid;
BEGIN
  PERFORM FROM logins WHERE id = p_login_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  END IF;
  SELECT a.id INTO v_id FROM account_logins JOIN accounts a ON a.id = account_id
  WHERE login_id = p_login_id AND a.kind = coalesce(p_kind, a.kind)
  ORDER BY a.is_active DESC, a.kind LIMIT 1;
  IF NOT FOUND AND p_kind = 'vendor' THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "no_account"}');
  ELSIF NOT FOUND THEN
    SELECT (account).id INTO v_id
    FROM create_account(NULL, 'user', p_locale => p_locale, p_trial => false);
    INSERT INTO account_logins (account_id, login_id) VALUES (v_id, p_login_id);
  END IF;
  RETURN v_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.open_login_account TO ducat_app;

-- Keep a link's hash (p_link: {identifier, ttl_s, password?}) and queue the mail that brings it
-- (p_mail: {kind, data: {sealed}}) to the login's own address. The password, which a sign-up gives,
-- comes into force with the link; a link that is sent again has the one of the sign-ups that are
-- waiting, if it is the same. Makes the login's account if it has none. Returns the account's id.
--   DU003 not_found   no such login, or it has no address
-- Locks the login. A repeat sends another mail.
CREATE OR REPLACE FUNCTION ducat.send_login_link(
  p_login_id uuid, p_link jsonb, p_mail jsonb, p_locale text DEFAULT 'en')
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid := open_login_account(p_login_id, p_locale);
  v_email text;
  v_password text := p_link ->> 'password';
BEGIN
  SELECT email INTO v_email FROM logins WHERE id = p_login_id;
  IF v_email IS NULL THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "address"}');
  END IF;
  IF v_password IS NULL THEN
    SELECT min(password) INTO v_password FROM verifications
    WHERE value = p_login_id::text AND password IS NOT NULL AND expires_at > clock_timestamp()
    HAVING count(DISTINCT password) = 1;
  END IF;
  DELETE FROM verifications WHERE id IN (
    SELECT id FROM verifications WHERE expires_at < clock_timestamp() LIMIT 20
    FOR UPDATE SKIP LOCKED);
  INSERT INTO verifications (identifier, value, password, expires_at)
  VALUES (p_link ->> 'identifier', p_login_id, v_password,
    clock_timestamp() + make_interval(secs => (p_link ->> 'ttl_s')::float8));
  PERFORM queue_secret_message(v_account_id, 'email', v_email, p_mail ->> 'kind',
    p_mail -> 'data', 'link:' || (p_link ->> 'identifier'));
  RETURN v_account_id;
END $$;
GRANT EXECUTE ON FUNCTION ducat.send_login_link TO ducat_app;

-- Tell a login something at its own address; p_mail: {kind, data: {sealed}, key}. Returns whether a
-- mail was queued now. Safe to retry by the key.
CREATE OR REPLACE FUNCTION ducat.send_login_notice(p_login_id uuid, p_mail jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid := open_login_account(p_login_id);
  v_email text := (SELECT email FROM logins WHERE id = p_login_id);
BEGIN
  RETURN v_email IS NOT NULL AND queue_secret_message(v_account_id, 'email', v_email,
    p_mail ->> 'kind', p_mail -> 'data', p_mail ->> 'key');
END $$;
GRANT EXECUTE ON FUNCTION ducat.send_login_notice TO ducat_app;

-- Use up a link that was sent to prove an address. The login is verified by it, its accounts get
-- the address unless another account has it, its other links are void, and its password is the
-- link's. One without tells of no sign-up, or of several that may be different people's: whoever
-- follows it chooses a password by a reset, and what others have opened is shut. Returns {login_id,
-- email}; null when the link has been used, has expired or never was.
-- Locks the login's credentials, the link, the login, its sessions. A repeat returns null.
CREATE OR REPLACE FUNCTION ducat.use_login_link(p_identifier text, p_audit jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login_id uuid := (SELECT value FROM verifications WHERE identifier = p_identifier LIMIT 1);
  v_link verifications;
  v_login logins;
BEGIN
  PERFORM FROM login_credentials WHERE login_id = v_login_id ORDER BY id FOR NO KEY UPDATE;
  DELETE FROM verifications WHERE identifier = p_identifier AND expires_at > clock_timestamp()
  RETURNING * INTO v_link;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  v_login := prove_login_email(v_login_id, p_audit);
  IF v_link.password IS NOT NULL THEN
    UPDATE login_credentials SET password = v_link.password, updated_at = clock_timestamp()
    WHERE login_id = v_login_id AND provider_id = 'credential';
  ELSE
    DELETE FROM login_credentials WHERE login_id = v_login_id AND provider_id = 'credential';
    PERFORM end_sessions(v_login_id, NULL, 'password_changed');
  END IF;
  DELETE FROM verifications WHERE value = v_link.value;
  RETURN jsonb_build_object('login_id', v_login_id, 'email', v_login.email);
END $$;
GRANT EXECUTE ON FUNCTION ducat.use_login_link TO ducat_app;

-- Write down that the login's e-mail address is theirs. Returns the login's row.
--   DU003 not_found   no such login
-- Locks the login, its accounts. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.prove_login_email(p_login_id uuid, p_audit jsonb)
RETURNS ducat.logins LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login logins;
  v_account accounts;
BEGIN
  UPDATE logins SET email_verified = true,
    verified_at = coalesce(verified_at, clock_timestamp()), updated_at = clock_timestamp()
  WHERE id = p_login_id RETURNING * INTO v_login;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  END IF;
  FOR v_account IN
    SELECT a.* FROM accounts a JOIN account_logins l ON l.account_id = a.id
    WHERE l.login_id = p_login_id AND a.email IS NULL
  LOOP
    BEGIN
      UPDATE accounts SET email = v_login.email, updated_at = clock_timestamp()
      WHERE id = v_account.id;
    EXCEPTION WHEN unique_violation THEN
      NULL; -- another account of this kind has it: mails to this one go to the login's address
    END;
  END LOOP;
  PERFORM audit(NULL, 'login.verify', 'login', p_login_id::text, p_audit, '{}');
  PERFORM drop_cached('login:' || p_login_id);
  RETURN v_login;
END $$;
GRANT EXECUTE ON FUNCTION ducat.prove_login_email TO ducat_app;

-- Give the user account of a verified login its trial credits, unless it or the identity had them;
-- p_identities as in grant_trial. Returns whether they were given now.
-- Locks the credit account. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.grant_login_trial(p_login_id uuid, p_identities bytea[])
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account_id uuid;
BEGIN
  SELECT a.id INTO v_account_id FROM account_logins l JOIN accounts a ON a.id = l.account_id
    JOIN logins ON logins.id = l.login_id
  WHERE l.login_id = p_login_id AND a.kind = 'user' AND logins.verified_at IS NOT NULL;
  IF v_account_id IS NULL OR cardinality(p_identities) = 0 OR EXISTS (
    SELECT FROM credit_grants
    WHERE account_id = v_account_id AND effect_key = 'trial:' || v_account_id) THEN
    RETURN false;
  END IF;
  RETURN grant_trial(v_account_id, p_identities);
END $$;
GRANT EXECUTE ON FUNCTION ducat.grant_login_trial TO ducat_app;

-- What returned nothing.
DO $$
BEGIN
  IF (SELECT prorettype = 'void'::regtype FROM pg_proc
      WHERE oid = to_regprocedure('ducat.ban_login(uuid, boolean, jsonb)')) THEN
    DROP FUNCTION ducat.ban_login(uuid, boolean, jsonb);
  END IF;
END $$;

-- Shut a login out, or let it in again; p_audit: {actor, request_id, ip}. Its sessions end, on all
-- of its accounts. A ban goes on from when it began. Returns {id, banned_at}.
--   DU003 not_found   no such login
-- Locks the login, its sessions. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.ban_login(p_login_id uuid, p_is_banned boolean, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login logins;
  v_banned_at timestamptz;
BEGIN
  SELECT * INTO v_login FROM logins WHERE id = p_login_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  END IF;
  UPDATE logins SET updated_at = clock_timestamp(),
    banned_at = CASE WHEN p_is_banned THEN coalesce(banned_at, clock_timestamp()) END
  WHERE id = p_login_id RETURNING banned_at INTO v_banned_at;
  IF p_is_banned THEN
    PERFORM end_sessions(p_login_id, NULL, 'banned');
  END IF;
  PERFORM audit(NULL, CASE WHEN p_is_banned THEN 'login.ban' ELSE 'login.unban' END, 'login',
    p_login_id::text, p_audit, jsonb_build_object(
      'before', jsonb_build_object('banned_at', v_login.banned_at),
      'after', jsonb_build_object('banned_at', v_banned_at)));
  RETURN jsonb_build_object('id', p_login_id, 'banned_at', v_banned_at);
END $$;
GRANT EXECUTE ON FUNCTION ducat.ban_login TO ducat_app;

-- Whoever changes a password, and however: what the old one opened is shut in the same transaction.
-- So is what was open without one, when a login gets its first (by a link to an address that it has
-- added); a sign-up has nothing open yet and tells nobody.
CREATE OR REPLACE FUNCTION ducat.shut_old_access() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NOT EXISTS (
    SELECT FROM sessions WHERE login_id = NEW.login_id AND ended_at IS NULL) THEN
    RETURN NULL;
  END IF;
  DELETE FROM verifications WHERE value = NEW.login_id::text;
  PERFORM end_sessions(NEW.login_id, NULL, 'password_changed');
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER shut_old_access AFTER UPDATE OF password ON ducat.login_credentials
  FOR EACH ROW WHEN (OLD.password IS DISTINCT FROM NEW.password)
  EXECUTE FUNCTION ducat.shut_old_access();
CREATE OR REPLACE TRIGGER shut_first_access AFTER INSERT ON ducat.login_credentials
  FOR EACH ROW WHEN (NEW.password IS NOT NULL)
  EXECUTE FUNCTION ducat.shut_old_access();
