-- The accounts that a login has: one of a user, one of a vendor. Each has credits, a plan and
-- sessions of its own; the trial is the person's, and goes to the account of the user.

-- The accounts of a login, the first first: {id, kind, name, business_name, is_active,
-- last_login_at, created_at}. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.list_login_accounts(p_login_id uuid) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', a.id, 'kind', a.kind, 'name', a.name,
    'business_name', v.business_name, 'is_active', a.is_active,
    'last_login_at', a.last_login_at, 'created_at', a.created_at)
  FROM account_logins l JOIN accounts a ON a.id = l.account_id
    LEFT JOIN vendors v ON v.account_id = a.id
  WHERE l.login_id = p_login_id ORDER BY a.created_at, a.id LIMIT 10
$$;
GRANT EXECUTE ON FUNCTION ducat.list_login_accounts TO ducat_app;

-- The vendor account of a verified login, made now if it has none, with a profile of this name and
-- the addresses that are proven to be the login's, but those that another vendor has. No trial: a
-- person has one. Returns {account_id, created}; one that there is stays as it is.
--   DU003 not_found       {what: login}
--   DU006 invalid_state   {reason: not_verified}
-- Locks the login, then the new rows. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.open_vendor_account(
  p_login_id uuid, p_business_name text, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_login logins;
  v_id uuid;
BEGIN
  SELECT * INTO v_login FROM logins WHERE id = p_login_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "login"}');
  ELSIF v_login.verified_at IS NULL THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "not_verified"}');
  END IF;
  SELECT a.id INTO v_id FROM account_logins l JOIN accounts a ON a.id = l.account_id
  WHERE l.login_id = p_login_id AND a.kind = 'vendor';
  IF FOUND THEN
    RETURN jsonb_build_object('account_id', v_id, 'created', false);
  END IF;
  SELECT (account).id INTO v_id FROM create_account(NULL, 'vendor', p_trial => false,
    p_locale => coalesce((SELECT a.locale FROM account_logins l JOIN accounts a
      ON a.id = l.account_id WHERE l.login_id = p_login_id LIMIT 1), 'en'));
  INSERT INTO account_logins (account_id, login_id) VALUES (v_id, p_login_id);
  PERFORM start_base_refills(v_id, true);
  IF v_login.email_verified THEN
    PERFORM move_account_address(p_login_id, 'email', v_login.email, NULL);
  END IF;
  IF v_login.phone IS NOT NULL THEN
    PERFORM move_account_address(p_login_id, 'phone', v_login.phone, NULL);
  END IF;
  PERFORM save_vendor(v_id, jsonb_build_object('business_name', p_business_name,
    'contact_info', '{}'::jsonb, 'social_links', '{}'::jsonb));
  PERFORM audit(v_id, 'account.create', 'account', v_id::text, p_audit,
    jsonb_build_object('after', jsonb_build_object('kind', 'vendor')));
  RETURN jsonb_build_object('account_id', v_id, 'created', true);
END $$;
GRANT EXECUTE ON FUNCTION ducat.open_vendor_account TO ducat_app;
