-- Sessions of people: a family of token pairs, each pair a generation. The tokens are made by the
-- API out of the session's id and the generation's number; here are their hashes. Access lives 15
-- minutes, refresh 30 days from the last refresh, by the machine's time.

-- Begin a session of a login on one of its accounts. p_session: {id, access_hash, refresh_hash (in
-- hex), user_agent?, ip?, password?, challenge?, email?, phone?}; password is the hash that was
-- verified, email or phone what was proven: the session is refused when it isn't the login's any
-- more. Challenge (hex) is one that was passed: a login with a second factor gets no session
-- without, whatever else was verified. Returns {access_expires_at, refresh_expires_at, is_verified,
-- is_email_verified}; null for a banned login, an account that is not active or not theirs, what is
-- not theirs any more, a missing factor. Of more than 50 open sessions the oldest end.
-- Locks the login's credentials, the login, the challenge, its sessions. Not repeatable: an id
-- begins once.
CREATE OR REPLACE FUNCTION ducat.create_session(
  p_login_id uuid, p_account_id uuid, p_session jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login logins;
BEGIN
  IF p_session ->> 'password' IS NOT NULL THEN
    PERFORM FROM login_credentials
    WHERE login_id = p_login_id AND password = p_session ->> 'password' FOR SHARE;
    IF NOT FOUND THEN
      RETURN NULL;
    END IF;
  END IF;
  v_login := lock_session_owner(p_login_id, p_account_id);
  IF v_login.id IS NULL
    OR coalesce(p_session ->> 'email' <> coalesce(v_login.email, ''), false)
    OR coalesce(p_session ->> 'phone' <> coalesce(v_login.phone, ''), false)
    OR NOT spend_totp(p_login_id, p_account_id, decode(p_session ->> 'challenge', 'hex')) THEN
    RETURN NULL;
  END IF;
  UPDATE accounts SET last_login_at = clock_timestamp() WHERE id = p_account_id;
  RETURN add_session(v_login, p_account_id, p_session, NULL);
END $$;
GRANT EXECUTE ON FUNCTION ducat.create_session TO ducat_app;

-- Begin a session on another account of the login whose open session p_from is; p_session: {id,
-- access_hash, refresh_hash, user_agent?, ip?}. Nothing is proven again, so that it counts as no
-- log-in, and it ends with the session that it was begun from. Returns what create_session does;
-- null when that one has ended, or for a login or an account that none may begin for.
-- Locks the login, its sessions, the account. Not repeatable: an id begins once.
CREATE OR REPLACE FUNCTION ducat.switch_session(
  p_login_id uuid, p_from uuid, p_account_id uuid, p_session jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login logins := lock_session_owner(p_login_id, p_account_id);
  v_from uuid;
BEGIN
  IF v_login.id IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM lock_sessions(p_login_id);
  SELECT account_id INTO v_from FROM sessions WHERE id = p_from AND login_id = p_login_id
    AND ended_at IS NULL AND expires_at > clock_timestamp();
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE accounts SET last_login_at = clock_timestamp()
  WHERE id = p_account_id AND id <> v_from;
  RETURN add_session(v_login, p_account_id, p_session, p_from);
END $$;
GRANT EXECUTE ON FUNCTION ducat.switch_session TO ducat_app;

-- The login that a session on this account may begin for, locked: not banned, the account theirs
-- and active; nulls otherwise. Internal.
CREATE OR REPLACE FUNCTION ducat.lock_session_owner(p_login_id uuid, p_account_id uuid)
RETURNS ducat.logins LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT l.* FROM logins l
    JOIN account_logins o ON o.login_id = l.id AND o.account_id = p_account_id
    JOIN accounts a ON a.id = o.account_id AND a.is_active
  WHERE l.id = p_login_id AND l.banned_at IS NULL FOR NO KEY UPDATE OF l
$$;

-- Write a new session of a login that is locked, and end the oldest of more than 50. Returns what
-- create_session does. Locks the login's sessions. Internal.
CREATE OR REPLACE FUNCTION ducat.add_session(
  p_login ducat.logins, p_account_id uuid, p_session jsonb, p_parent uuid)
RETURNS jsonb LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_id uuid := (p_session ->> 'id')::uuid;
BEGIN
  DELETE FROM sessions WHERE login_id = p_login.id
    AND coalesce(ended_at, expires_at) < v_now - interval '30 days';
  PERFORM end_session(p_login.id, id, 'too_many') FROM (
    SELECT id FROM sessions WHERE login_id = p_login.id AND ended_at IS NULL AND expires_at > v_now
    ORDER BY refreshed_at DESC, id OFFSET 49) AS surplus;
  INSERT INTO sessions (id, login_id, account_id, parent_id, user_agent, ip, expires_at)
  VALUES (v_id, p_login.id, p_account_id, p_parent, left(p_session ->> 'user_agent', 300),
    p_session ->> 'ip', v_now + interval '30 days');
  INSERT INTO session_tokens (session_id, generation, access_hash, refresh_hash, access_expires_at)
  VALUES (v_id, 1, decode(p_session ->> 'access_hash', 'hex'),
    decode(p_session ->> 'refresh_hash', 'hex'), v_now + interval '15 minutes');
  RETURN jsonb_build_object('access_expires_at', v_now + interval '15 minutes',
    'refresh_expires_at', v_now + interval '30 days',
    'is_verified', p_login.verified_at IS NOT NULL, 'is_email_verified', p_login.email_verified);
END $$;

-- Lock the open sessions of a login in the order in which everybody does who ends several, or adds
-- one to another. Internal.
CREATE OR REPLACE FUNCTION ducat.lock_sessions(p_login_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM FROM sessions WHERE login_id = p_login_id AND ended_at IS NULL
  ORDER BY id FOR NO KEY UPDATE;
END $$;

-- What an access token of this session and generation stands for while it works: {login_id,
-- account_id, account_kind, access_hash (hex), expires_at, role, is_verified}; null otherwise. The
-- caller compares the hash. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.find_session(p_id uuid, p_generation int) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('login_id', s.login_id, 'account_id', s.account_id,
    'account_kind', a.kind, 'access_hash', encode(t.access_hash, 'hex'),
    'expires_at', t.access_expires_at, 'role', l.role,
    'is_verified', l.verified_at IS NOT NULL)
  FROM sessions s
    JOIN session_tokens t ON t.session_id = s.id AND t.generation = p_generation
    JOIN logins l ON l.id = s.login_id AND l.banned_at IS NULL
    JOIN accounts a ON a.id = s.account_id AND a.is_active
  WHERE s.id = p_id AND s.ended_at IS NULL AND t.access_expires_at > clock_timestamp()
$$;
GRANT EXECUTE ON FUNCTION ducat.find_session TO ducat_app;

-- Exchange a refresh token. The caller has checked that it is one of ours for this session and
-- generation; p_next: {access_hash, refresh_hash} (hex) of the generation after it. The newest
-- token makes that generation. The one before it gets the very same answer for 10 s after (two
-- tabs, an answer that was lost). Any other has been seen by two people: the session ends.
-- Returns {account_id, login_id, generation, refresh_hash, access_expires_at, refresh_expires_at,
-- is_verified}, or null: nothing works with it. Never raises, so that the end of a session stays.
-- Locks the session; to end it, the login's sessions.
CREATE OR REPLACE FUNCTION ducat.refresh_session(
  p_id uuid, p_generation int, p_refresh_hash bytea, p_next jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_session sessions;
  v_known boolean;
  v_now timestamptz;
BEGIN
  -- What has been replaced for so long stays replaced, and is judged before anything is locked:
  -- whoever ends a session with those that were begun from it locks all of the login's in order.
  SELECT * INTO v_session FROM sessions WHERE id = p_id AND (generation > p_generation + 1
    OR generation > p_generation AND refreshed_at <= clock_timestamp() - interval '10 seconds');
  IF FOUND THEN
    PERFORM end_session(v_session.login_id, p_id, 'replayed');
    RETURN NULL;
  END IF;
  SELECT * INTO v_session FROM sessions WHERE id = p_id FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  IF NOT FOUND OR v_session.ended_at IS NOT NULL OR v_session.expires_at <= v_now THEN
    RETURN NULL;
  END IF;
  v_known := EXISTS (SELECT FROM session_tokens WHERE session_id = p_id
    AND generation = p_generation AND refresh_hash = p_refresh_hash);
  IF v_known AND p_generation = v_session.generation THEN
    INSERT INTO session_tokens (session_id, generation, access_hash, refresh_hash,
      access_expires_at)
    VALUES (p_id, p_generation + 1, decode(p_next ->> 'access_hash', 'hex'),
      decode(p_next ->> 'refresh_hash', 'hex'), v_now + interval '15 minutes');
    UPDATE sessions SET generation = p_generation + 1, refreshed_at = v_now,
      expires_at = v_now + interval '30 days' WHERE id = p_id;
    DELETE FROM session_tokens WHERE session_id = p_id AND generation < p_generation
      AND access_expires_at < v_now;
    RETURN show_session_tokens(p_id);
  ELSIF v_known AND p_generation = v_session.generation - 1
    AND v_session.refreshed_at > v_now - interval '10 seconds' THEN
    RETURN show_session_tokens(p_id);
  ELSIF p_generation < v_session.generation THEN
    PERFORM end_session(v_session.login_id, p_id, 'replayed');
  END IF;
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.refresh_session TO ducat_app;

-- The newest generation of a session; null when its login is banned or its account not active.
CREATE OR REPLACE FUNCTION ducat.show_session_tokens(p_id uuid) RETURNS jsonb
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('login_id', s.login_id, 'account_id', s.account_id,
    'generation', s.generation, 'refresh_hash', encode(t.refresh_hash, 'hex'),
    'access_expires_at', t.access_expires_at, 'refresh_expires_at', s.expires_at,
    'is_verified', l.verified_at IS NOT NULL)
  FROM sessions s
    JOIN session_tokens t ON t.session_id = s.id AND t.generation = s.generation
    JOIN logins l ON l.id = s.login_id AND l.banned_at IS NULL
    JOIN accounts a ON a.id = s.account_id AND a.is_active
  WHERE s.id = p_id
$$;

-- End a session of a login: no token of it works any more, in any process, nor of those that were
-- begun from it. p_reason: logout, revoked, replayed, too_many; the last ends this one alone.
-- Returns whether it ended now. Locks the login's sessions in their order. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.end_session(p_login_id uuid, p_id uuid, p_reason text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ended uuid[];
BEGIN
  PERFORM lock_sessions(p_login_id);
  WITH RECURSIVE tree AS (
    SELECT id FROM sessions WHERE id = p_id AND login_id = p_login_id
    UNION SELECT s.id FROM sessions s JOIN tree ON s.parent_id = tree.id
    WHERE s.login_id = p_login_id AND p_reason <> 'too_many'
  ), ended AS (
    UPDATE sessions s SET ended_at = clock_timestamp(), end_reason = p_reason
    FROM tree WHERE s.id = tree.id AND s.ended_at IS NULL RETURNING s.id
  )
  SELECT array_agg(id) INTO v_ended FROM ended;
  PERFORM drop_cached('session:' || id) FROM unnest(v_ended) AS id;
  RETURN coalesce(p_id = ANY (v_ended), false);
END $$;
GRANT EXECUTE ON FUNCTION ducat.end_session TO ducat_app;

-- End all sessions of a login, but p_except, and those that wait for a second factor. Returns how
-- many ended now. Processes are told in any case.
-- Locks the login's challenges, the sessions, each in their order. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.end_sessions(p_login_id uuid, p_except uuid, p_reason text)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ended int;
BEGIN
  PERFORM FROM totp_challenges WHERE login_id = p_login_id ORDER BY hash FOR UPDATE;
  DELETE FROM totp_challenges WHERE login_id = p_login_id;
  PERFORM lock_sessions(p_login_id);
  UPDATE sessions SET ended_at = clock_timestamp(), end_reason = p_reason
  WHERE login_id = p_login_id AND ended_at IS NULL AND id IS DISTINCT FROM p_except;
  GET DIAGNOSTICS v_ended = ROW_COUNT;
  PERFORM drop_cached('login:' || p_login_id);
  RETURN v_ended;
END $$;
GRANT EXECUTE ON FUNCTION ducat.end_sessions TO ducat_app;

-- The open sessions of a login, the latest used first: {id, account_id, user_agent, ip, created_at,
-- refreshed_at, expires_at}. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.list_sessions(p_login_id uuid) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT to_jsonb(s) - 'login_id' - 'generation' - 'parent_id' - 'ended_at' - 'end_reason'
  FROM sessions s
  WHERE login_id = p_login_id AND ended_at IS NULL AND expires_at > clock_timestamp()
  ORDER BY refreshed_at DESC, id LIMIT 100
$$;
GRANT EXECUTE ON FUNCTION ducat.list_sessions TO ducat_app;

-- Whether an open session of a login was begun by logging in within the last p_seconds. Refreshing
-- begins none, and nobody logs in who goes on to another account. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.has_begun_lately(p_login_id uuid, p_id uuid, p_seconds int)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT EXISTS (SELECT FROM sessions
    WHERE id = p_id AND login_id = p_login_id AND ended_at IS NULL AND parent_id IS NULL
      AND created_at > clock_timestamp() - make_interval(secs => p_seconds))
$$;
GRANT EXECUTE ON FUNCTION ducat.has_begun_lately TO ducat_app;
