-- For support: accounts by what people know of them.

-- Accounts, newest first, before p_before (an id), p_limit (101 at most) at once; p_query is an id,
-- an external id, an e-mail address, a phone number, or how a name begins. p_kind null: of any
-- kind.
CREATE OR REPLACE FUNCTION ducat.search_accounts(
  p_query text, p_kind text, p_before uuid, p_limit int)
RETURNS SETOF ducat.accounts
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_name text := lower(p_query);
BEGIN
  IF p_query IS NULL THEN
    RETURN QUERY SELECT * FROM accounts
    WHERE (p_kind IS NULL OR kind = p_kind) AND (p_before IS NULL OR id < p_before)
    ORDER BY id DESC LIMIT least(p_limit, 101);
    RETURN;
  END IF;
  -- Each of these has an index of its own; text_pattern_ops compares by bytes, and no text that
  -- begins with the name comes after the last character there is.
  RETURN QUERY SELECT * FROM accounts WHERE id IN (
      SELECT a.id FROM accounts a WHERE a.external_id = p_query
      UNION SELECT a.id FROM accounts a
      WHERE a.id = CASE WHEN v_name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                        THEN v_name::uuid END
      UNION SELECT a.id FROM accounts a WHERE a.kind IN ('user', 'vendor') AND a.email = v_name
      UNION SELECT a.id FROM accounts a WHERE a.kind IN ('user', 'vendor') AND a.phone = p_query
      UNION SELECT a.id FROM accounts a
      WHERE lower(a.name) ~>=~ v_name AND lower(a.name) ~<~ (v_name || U&'\+10FFFF'))
    AND (p_kind IS NULL OR kind = p_kind) AND (p_before IS NULL OR id < p_before)
  ORDER BY id DESC LIMIT least(p_limit, 101);
END $$;
GRANT EXECUTE ON FUNCTION ducat.search_accounts TO ducat_app;

-- The logins that open an account, without anything secret: {id, email, email_verified, phone,
-- role, verified_at, banned_at, created_at}.
CREATE OR REPLACE FUNCTION ducat.list_account_logins(p_account_id uuid) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', l.id, 'email', l.email, 'email_verified', l.email_verified,
    'phone', l.phone, 'role', l.role, 'verified_at', l.verified_at, 'banned_at', l.banned_at,
    'created_at', l.created_at)
  FROM account_logins o JOIN logins l ON l.id = o.login_id
  WHERE o.account_id = p_account_id ORDER BY l.id
$$;
GRANT EXECUTE ON FUNCTION ducat.list_account_logins TO ducat_app;

-- Say what a login may do beside what is its own: user, support or admin. Returns {id, role}.
--   DU003 not_found {what: login}
-- Locks the login. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.set_login_role(p_login_id uuid, p_role text, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before text;
BEGIN
  SELECT role INTO v_before FROM logins WHERE id = p_login_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  END IF;
  UPDATE logins SET role = p_role, updated_at = clock_timestamp() WHERE id = p_login_id;
  PERFORM audit(NULL, 'login.role', 'login', p_login_id::text, p_audit, jsonb_build_object(
    'before', jsonb_build_object('role', v_before), 'after', jsonb_build_object('role', p_role)));
  PERFORM drop_cached('login:' || p_login_id);
  RETURN jsonb_build_object('id', p_login_id, 'role', p_role);
END $$;
GRANT EXECUTE ON FUNCTION ducat.set_login_role TO ducat_app;
