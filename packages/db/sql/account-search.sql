-- For support: accounts by what people know of them.

-- Whether more names begin with p_query than search_accounts looks up one by one. For
-- administrators: tells of all accounts.
CREATE OR REPLACE FUNCTION ducat.is_common_name(p_query text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT count(*) > 2000 FROM (
    SELECT FROM accounts a
    WHERE lower(a.name) ~>=~ lower(p_query)
      AND lower(a.name) ~<~ (lower(p_query) || U&'\+10FFFF') LIMIT 2001) AS found
$$;
GRANT EXECUTE ON FUNCTION ducat.is_common_name TO ducat_app;

-- The accounts that p_query may mean: an id, an external id, an e-mail address, a phone number, or
-- how a name begins (2000 of those). Each of these has an index of its own; text_pattern_ops
-- compares by bytes, and no text that begins with the name comes after the last character there is.
CREATE OR REPLACE FUNCTION ducat.list_meant_accounts(p_query text) RETURNS uuid[]
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce(array_agg(id), '{}') FROM (
    SELECT id FROM accounts WHERE external_id = p_query
    UNION SELECT id FROM accounts
    WHERE id = CASE WHEN lower(p_query) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    THEN lower(p_query)::uuid END
    UNION SELECT id FROM accounts WHERE kind IN ('user', 'vendor') AND email = lower(p_query)
    UNION SELECT id FROM accounts WHERE kind IN ('user', 'vendor') AND phone = p_query
    UNION (SELECT id FROM accounts
      WHERE lower(name) ~>=~ lower(p_query) AND lower(name) ~<~ (lower(p_query) || U&'\+10FFFF')
      LIMIT 2000)) AS meant
$$;

-- As the former release had it.
DROP FUNCTION IF EXISTS ducat.search_accounts(text, text, uuid, int);

-- Accounts, newest first, before p_before and not before p_floor (ids), p_limit (1001 at most) at
-- once. p_query: see list_meant_accounts; with p_is_common all whose name begins with it, and no
-- others, which reads every account between the two ids. p_plan is the key of the plan that the
-- account has now, a default plan too; p_frozen: whether anything freezes it. Null: whatever. Each
-- with its plan's key, what freezes it and its balance. For administrators: sees every account.
CREATE OR REPLACE FUNCTION ducat.search_accounts(
  p_query text, p_kind text, p_before uuid, p_limit int, p_floor uuid DEFAULT NULL,
  p_is_common boolean DEFAULT false, p_plan text DEFAULT NULL, p_frozen boolean DEFAULT NULL,
  p_active boolean DEFAULT NULL, p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL)
RETURNS TABLE (
  id uuid, kind text, external_id text, name text, email text, phone text, bio text, locale text,
  is_active boolean, last_login_at timestamptz, erased_at timestamptz, created_at timestamptz,
  plan text, frozen text[], available bigint, held bigint, debt bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_plans jsonb := jsonb_build_object(
    'user', (find_default_plan('user')).key, 'vendor', (find_default_plan('vendor')).key);
  v_ids uuid[] := CASE WHEN p_query IS NOT NULL AND NOT p_is_common
    THEN list_meant_accounts(p_query) END;
  v_prefix text := CASE WHEN p_is_common THEN lower(p_query) END;
BEGIN
  -- By EXECUTE, so that what was not asked for is no part of the plan.
  RETURN QUERY EXECUTE $query$
    SELECT a.id, a.kind, a.external_id, a.name, a.email, a.phone, a.bio, a.locale, a.is_active,
      a.last_login_at, a.erased_at, a.created_at, coalesce(s.key, $1 ->> a.kind), c.frozen,
      c.available - c.bound, c.held, c.debt
    FROM accounts a JOIN credit_accounts c ON c.account_id = a.id
    LEFT JOIN LATERAL (
      SELECT d.key FROM subscriptions s JOIN products d ON d.id = s.product_id
      CROSS JOIN LATERAL subscription_state(
        s, d.grace_days, clock_timestamp() + c.clock_offset) t
      WHERE s.account_id = a.id AND s.status NOT IN ('incomplete', 'canceled') AND t.is_live
      ORDER BY s.id DESC LIMIT 1) s ON true
    WHERE a.id < $2 AND a.id >= $3 AND ($4 IS NULL OR a.id = ANY ($4))
      AND ($5 IS NULL OR starts_with(lower(a.name), $5)) AND ($6 IS NULL OR a.kind = $6)
      AND ($7 IS NULL OR coalesce(s.key, $1 ->> a.kind) = $7)
      AND ($8 IS NULL OR (cardinality(c.frozen) > 0) = $8) AND ($9 IS NULL OR a.is_active = $9)
      AND ($10 IS NULL OR a.created_at >= $10) AND ($11 IS NULL OR a.created_at < $11)
    ORDER BY a.id DESC LIMIT least($12, 1001)$query$
  USING v_plans, coalesce(p_before, last_id()), coalesce(p_floor, first_id()),
    v_ids, v_prefix, p_kind, p_plan, p_frozen, p_active, p_from, p_to, p_limit;
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
