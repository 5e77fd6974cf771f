-- What vendor accounts say of their business; an admin verifies who they are.

-- What it was without an audit line.
DROP FUNCTION IF EXISTS ducat.save_vendor(uuid, jsonb);

-- Write a vendor's profile, all of it. Another business name is not the one that was verified: it
-- takes the verification back. Returns the row. p_audit is of who does it for the account.
--   DU003 not_found {what: account}
--   DU006 invalid_state   {reason: kind} the account is no vendor, or {reason: erased}
-- Locks the account's row, then the profile. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.save_vendor(
  p_account_id uuid, p_profile jsonb, p_audit jsonb DEFAULT NULL)
RETURNS SETOF ducat.vendors
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
BEGIN
  IF v_account.kind <> 'vendor' THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "kind"}');
  END IF;
  IF p_audit IS NOT NULL THEN
    PERFORM audit(p_account_id, 'vendor.update', 'vendor', p_account_id::text, p_audit, '{}');
  END IF;
  RETURN QUERY INSERT INTO vendors AS v
    (account_id, business_name, profile_info, contact_info, social_links)
  VALUES (p_account_id, p_profile ->> 'business_name', p_profile ->> 'profile_info',
    p_profile -> 'contact_info', p_profile -> 'social_links')
  ON CONFLICT (account_id) DO UPDATE SET
    business_name = excluded.business_name, profile_info = excluded.profile_info,
    contact_info = excluded.contact_info, social_links = excluded.social_links,
    verified_at = CASE WHEN v.business_name = excluded.business_name THEN v.verified_at END,
    verified_by = CASE WHEN v.business_name = excluded.business_name THEN v.verified_by END,
    updated_at = clock_timestamp()
  RETURNING *;
END $$;
GRANT EXECUTE ON FUNCTION ducat.save_vendor TO ducat_app;

-- Write down that a vendor is who it says, or that nobody says so any more. A vendor that is
-- verified stays so by the word of the first. Returns the row.
--   DU003 not_found {what: account}
--   DU006 invalid_state   {reason: kind} no vendor, {reason: profile} it has written none yet, or
--                         {reason: erased}
-- Locks the account's row, then the profile. Safe to retry.
CREATE OR REPLACE FUNCTION ducat.verify_vendor(
  p_account_id uuid, p_is_verified boolean, p_audit jsonb)
RETURNS SETOF ducat.vendors
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts := lock_unerased(p_account_id);
  v_before vendors;
  v_after vendors;
BEGIN
  SELECT * INTO v_before FROM vendors WHERE account_id = p_account_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU006', 'invalid_state', jsonb_build_object(
      'reason', CASE v_account.kind WHEN 'vendor' THEN 'profile' ELSE 'kind' END));
  END IF;
  UPDATE vendors SET
    verified_at = CASE WHEN p_is_verified THEN coalesce(verified_at, clock_timestamp()) END,
    verified_by = CASE WHEN p_is_verified
                       THEN coalesce(verified_by, p_audit ->> 'actor', 'system') END
  WHERE account_id = p_account_id RETURNING * INTO v_after;
  PERFORM audit(p_account_id,
    CASE WHEN p_is_verified THEN 'vendor.verify' ELSE 'vendor.unverify' END,
    'vendor', p_account_id::text, p_audit, jsonb_build_object(
      'before', jsonb_build_object('verified_at', v_before.verified_at),
      'after', jsonb_build_object('verified_at', v_after.verified_at)));
  RETURN NEXT v_after;
END $$;
GRANT EXECUTE ON FUNCTION ducat.verify_vendor TO ducat_app;
