-- Moving in from a former system. infra/import reads the other database and hands over people in
-- its own words as rows of one shape; here each becomes an account, once, by the functions that
-- everything else goes through. What was carried of whom is in import_rows.
--
-- A row: {key, checksums, history, account {external_id, kind, name, email, phone, bio, locale,
-- is_active, created_at, last_login_at}, login? {email, email_verified, phone, password, name},
-- identity? {issuer, subject}, vendor?, customers [{provider, ref}], plan?, passes [], payments [],
-- grants [{key, source, amount, monthly, expires_at, description}],
-- allowances [{key, feature, amount, expires_at}], usage [{feature, period_start, used}],
-- albums [], files [{key, purpose, url, details}]}. Keys are `<table>:<id>` there.

-- What would become of each row: outcome create, join (an account that is here gets the balance),
-- equal (it is moved in, and the same there), differs (it has changed there since: `changed` names
-- the parts), erased (it was moved in, and its account is erased), or refuse with a reason.
-- `credits` is what was carried of one that is moved in, stock as `stock:<feature>`. Writes and
-- locks nothing.
CREATE OR REPLACE FUNCTION ducat.plan_import(p_source text, p_rows jsonb, p_options jsonb)
RETURNS TABLE (
  row_key text, outcome text, reason text, account_id uuid, changed text[], credits jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT one.value ->> 'key', j.*
  FROM jsonb_array_elements(p_rows) WITH ORDINALITY AS one (value, n)
  CROSS JOIN LATERAL judge_import(p_source, one.value, p_options) j ORDER BY one.n
$$;
GRANT EXECUTE ON FUNCTION ducat.plan_import TO ducat_worker;

-- Move rows in; p_options {mode, join}. Returns what plan_import does, with what became of them. A
-- row that can't be is refused and keeps no other from it; nothing of it is written. Its reason is
-- what the functions of its parts refuse (DU003, DU005, DU006, DU007, DU008), a constraint's name,
-- or the SQLSTATE of a value that is none.
-- Serial per source (an advisory lock); locks what the functions of its parts lock. Safe to retry:
-- a row that is moved in is only looked at.
CREATE OR REPLACE FUNCTION ducat.run_import(
  p_source text, p_rows jsonb, p_options jsonb, p_audit jsonb)
RETURNS TABLE (
  row_key text, outcome text, reason text, account_id uuid, changed text[], credits jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row jsonb;
  v_found record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ducat.import'), hashtext(p_source));
  FOR v_row IN SELECT value FROM jsonb_array_elements(p_rows) LOOP
    v_found := judge_import(p_source, v_row, p_options);
    row_key := v_row ->> 'key';
    outcome := v_found.outcome;
    reason := v_found.reason;
    account_id := v_found.account_id;
    changed := v_found.changed;
    credits := v_found.credits;
    IF outcome IN ('create', 'join') THEN
      BEGIN
        account_id := take_import(p_source, v_row, account_id, p_options, p_audit);
      EXCEPTION
        WHEN integrity_constraint_violation OR data_exception
          OR SQLSTATE 'DU003' OR SQLSTATE 'DU005' OR SQLSTATE 'DU006' OR SQLSTATE 'DU007'
          OR SQLSTATE 'DU008' THEN
          outcome := 'refuse';
          account_id := NULL;
          GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME;
          -- The message of a bad value has the value in it, which may be somebody's.
          reason := coalesce(nullif(reason, ''),
            CASE WHEN SQLSTATE LIKE 'DU%' THEN SQLERRM ELSE SQLSTATE END);
      END;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION ducat.run_import TO ducat_worker;

-- How one row stands. Internal.
CREATE OR REPLACE FUNCTION ducat.judge_import(
  p_source text, p_row jsonb, p_options jsonb, OUT outcome text, OUT reason text,
  OUT account_id uuid, OUT changed text[], OUT credits jsonb)
LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_known import_rows;
  v_joins boolean := coalesce((p_options ->> 'join')::boolean, false);
BEGIN
  SELECT r.* INTO v_known FROM import_rows r
  WHERE r.source = p_source AND r.row_key = p_row ->> 'key';
  IF FOUND THEN
    account_id := v_known.account_id;
    credits := v_known.credits;
    changed := ARRAY(
      SELECT coalesce(a.key, b.key) FROM jsonb_each(v_known.checksums) a
      FULL JOIN jsonb_each(p_row -> 'checksums') b ON b.key = a.key
      WHERE a.value IS DISTINCT FROM b.value ORDER BY 1);
    outcome := CASE WHEN v_known.checksums IS NULL THEN 'erased'
                    WHEN changed = '{}' THEN 'equal' ELSE 'differs' END;
    changed := CASE outcome WHEN 'differs' THEN changed END;
    RETURN;
  END IF;
  SELECT a.id INTO account_id FROM accounts a
  WHERE a.external_id = p_row #>> '{account,external_id}';
  IF FOUND AND NOT v_joins THEN
    reason := 'account_exists';
  ELSE
    reason := find_import_fault(p_row, account_id, p_options ->> 'mode');
  END IF;
  outcome := CASE WHEN reason IS NOT NULL THEN 'refuse' WHEN account_id IS NULL THEN 'create'
                  ELSE 'join' END;
  account_id := CASE outcome WHEN 'refuse' THEN NULL ELSE account_id END;
END $$;

-- Why a new row can't be moved in as it is; null when it can. p_account_id is the account that it
-- would join. Internal.
CREATE OR REPLACE FUNCTION ducat.find_import_fault(
  p_row jsonb, p_account_id uuid, p_mode text)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account jsonb := p_row -> 'account';
BEGIN
  RETURN CASE
    WHEN p_account_id IS NOT NULL AND NOT EXISTS (
      SELECT FROM accounts
      WHERE id = p_account_id AND kind = v_account ->> 'kind' AND erased_at IS NULL)
      THEN 'account_is_other'
    WHEN p_account_id IS NULL AND EXISTS (
      SELECT FROM accounts WHERE kind = v_account ->> 'kind' AND email = v_account ->> 'email')
      THEN 'email_taken'
    WHEN p_account_id IS NULL AND EXISTS (
      SELECT FROM accounts WHERE kind = v_account ->> 'kind' AND phone = v_account ->> 'phone')
      THEN 'phone_taken'
    WHEN p_account_id IS NULL AND jsonb_typeof(p_row -> 'login') = 'object'
      AND find_login_fault(p_row -> 'login', v_account ->> 'kind') IS NOT NULL
      THEN find_login_fault(p_row -> 'login', v_account ->> 'kind')
    WHEN EXISTS (
      SELECT FROM external_identities
      WHERE issuer = p_row #>> '{identity,issuer}' AND subject = p_row #>> '{identity,subject}'
        AND account_id IS DISTINCT FROM p_account_id) THEN 'identity_taken'
    WHEN EXISTS (
      SELECT FROM subscriptions
      WHERE provider = p_row #>> '{plan,provider}' AND mode = p_mode
        AND provider_ref = p_row #>> '{plan,ref}') THEN 'subscription_taken'
    WHEN jsonb_typeof(p_row -> 'plan') = 'object' AND EXISTS (
      SELECT FROM subscriptions
      WHERE account_id = p_account_id AND ended_at IS NULL AND status <> 'incomplete')
      THEN 'subscription_exists'
    WHEN EXISTS (
      SELECT FROM jsonb_array_elements(p_row -> 'payments') p JOIN payments k
        ON k.provider = p.value ->> 'provider' AND k.mode = p_mode
        AND k.provider_ref = p.value ->> 'ref') THEN 'payment_taken' END;
END $$;

-- Why a login that somebody brings along can't be theirs here; null when it can. One that is here
-- already becomes theirs only where its owner is known: others may have opened it. Internal.
CREATE OR REPLACE FUNCTION ducat.find_login_fault(p_login jsonb, p_kind text)
RETURNS text LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT CASE WHEN count(*) > 1 THEN 'logins_differ'
              WHEN bool_or(l.verified_at IS NULL) THEN 'login_unverified'
              WHEN bool_or(EXISTS (
                SELECT FROM account_logins o JOIN accounts a ON a.id = o.account_id
                WHERE o.login_id = l.id AND a.kind = p_kind)) THEN 'login_has_account' END
  FROM logins l WHERE l.email = p_login ->> 'email' OR l.phone = p_login ->> 'phone'
$$;

-- Move one row in, and remember that it is. Returns its account. Locks the account's parts in the
-- order of their functions. Internal.
CREATE OR REPLACE FUNCTION ducat.take_import(
  p_source text, p_row jsonb, p_account_id uuid, p_options jsonb, p_audit jsonb)
RETURNS uuid LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid := coalesce(p_account_id, import_account(p_row, p_audit));
  v_subscription subscriptions;
  v_one jsonb;
BEGIN
  INSERT INTO import_rows (source, row_key, account_id, checksums, credits, history)
  VALUES (p_source, p_row ->> 'key', v_id, p_row -> 'checksums', coalesce((
      SELECT jsonb_object_agg(name, amount) FROM (
        SELECT name, sum(amount) AS amount FROM (
          SELECT g.value ->> 'source' AS name, (g.value ->> 'amount')::bigint AS amount
          FROM jsonb_array_elements(p_row -> 'grants') g
          UNION ALL
          SELECT 'stock:' || (a.value ->> 'feature'), (a.value ->> 'amount')::bigint
          FROM jsonb_array_elements(p_row -> 'allowances') a) AS parts
        GROUP BY 1) AS sums), '{}'),
    coalesce(p_row -> 'history', '{}'));
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'customers') LOOP
    PERFORM save_customer(v_id, v_one ->> 'provider', p_options ->> 'mode', v_one ->> 'ref');
  END LOOP;
  IF jsonb_typeof(p_row -> 'plan') = 'object' THEN
    v_subscription := import_subscription(v_id, p_source, p_row -> 'plan', p_options ->> 'mode');
  END IF;
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'passes') LOOP
    PERFORM import_pass(v_id, p_source, v_one, p_options ->> 'mode');
  END LOOP;
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'payments') LOOP
    PERFORM import_payment(v_id, p_source, v_one, p_options ->> 'mode');
  END LOOP;
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'grants') LOOP
    PERFORM import_grant(v_id, p_source, v_one, v_subscription);
  END LOOP;
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'allowances') LOOP
    PERFORM import_stock(v_id, p_source, v_one, v_subscription);
  END LOOP;
  FOR v_one IN SELECT value FROM jsonb_array_elements(p_row -> 'usage') LOOP
    PERFORM take_counter(v_id, v_one ->> 'feature', (v_one ->> 'period_start')::timestamptz,
      (v_one ->> 'used')::bigint, NULL);
  END LOOP;
  PERFORM import_gallery(v_id, p_source, p_row);
  PERFORM drop_cached('account:' || v_id);
  RETURN v_id;
END $$;

-- What makes something that is moved in happen once.
CREATE OR REPLACE FUNCTION ducat.name_import(p_source text, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT format('import:%s:%s', p_source, p_key)
$$;

-- Make the account of a row, with its login, its identity elsewhere and its vendor's profile. It
-- gets no trial: that is part of its balance. What its default plan gives begins with the month
-- after the one that runs. Returns its id. Internal.
--   DU008 already_exists
CREATE OR REPLACE FUNCTION ducat.import_account(p_row jsonb, p_audit jsonb) RETURNS uuid
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_in accounts := jsonb_populate_record(NULL::accounts, p_row -> 'account');
  v_vendor jsonb := p_row -> 'vendor';
  v_made record;
  v_id uuid;
BEGIN
  SELECT (c.account).id, c.created INTO v_made FROM create_account(v_in.external_id, v_in.kind,
    v_in.name, v_in.email, v_in.phone, coalesce(v_in.locale, 'en'), false) c;
  IF NOT v_made.created THEN
    PERFORM refuse('DU008', 'already_exists');
  END IF;
  v_id := v_made.id;
  UPDATE accounts SET bio = v_in.bio, is_active = coalesce(v_in.is_active, true),
    last_login_at = v_in.last_login_at,
    created_at = least(coalesce(v_in.created_at, created_at), created_at)
  WHERE id = v_id;
  IF jsonb_typeof(p_row -> 'login') = 'object' THEN
    PERFORM import_login(v_id, p_row -> 'login');
  END IF;
  IF jsonb_typeof(p_row -> 'identity') = 'object' THEN
    INSERT INTO external_identities (issuer, subject, account_id, verified_at)
    VALUES (p_row #>> '{identity,issuer}', p_row #>> '{identity,subject}', v_id,
      clock_timestamp());
  END IF;
  IF jsonb_typeof(v_vendor) = 'object' THEN
    PERFORM save_vendor(v_id, v_vendor);
    PERFORM verify_vendor(v_id, true, p_audit) WHERE (v_vendor ->> 'is_verified')::boolean;
  END IF;
  PERFORM start_base_refills(v_id, true, true);
  RETURN v_id;
END $$;

-- Let a login own an account: the one with its address or number, else a new one. Its number is
-- known to be theirs, its address where it says so. A login that is here keeps its password.
-- Locks the login. Internal.
CREATE OR REPLACE FUNCTION ducat.import_login(p_account_id uuid, p_login jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_id uuid;
  v_verified boolean := coalesce((p_login ->> 'email_verified')::boolean, false);
BEGIN
  SELECT l.id INTO v_id FROM logins l
  WHERE l.email = p_login ->> 'email' OR l.phone = p_login ->> 'phone' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    INSERT INTO logins (name, email, email_verified, phone, verified_at)
    VALUES (coalesce(p_login ->> 'name', ''), p_login ->> 'email', v_verified,
      p_login ->> 'phone',
      CASE WHEN v_verified OR p_login ->> 'phone' IS NOT NULL THEN clock_timestamp() END)
    RETURNING id INTO v_id;
    INSERT INTO login_credentials (login_id, provider_id, provider_account_id, password)
    SELECT v_id, 'credential', v_id::text, p_login ->> 'password'
    WHERE p_login ->> 'password' IS NOT NULL;
  END IF;
  INSERT INTO account_logins (account_id, login_id) VALUES (p_account_id, v_id);
END $$;

-- Give a part of a balance, once. Of a plan's month it lives until the next one comes: that of the
-- subscription, else of the default plan, else as it says. Locks the account. Internal.
CREATE OR REPLACE FUNCTION ducat.import_grant(
  p_account_id uuid, p_source text, p_grant jsonb, p_subscription ducat.subscriptions)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_key text := name_import(p_source, p_grant ->> 'key');
  v_expires timestamptz := (p_grant ->> 'expires_at')::timestamptz;
  v_monthly boolean := coalesce((p_grant ->> 'monthly')::boolean, false);
  v_rollover text := (SELECT rollover FROM products WHERE id = p_subscription.product_id);
BEGIN
  IF v_monthly AND p_subscription.id IS NOT NULL THEN
    v_expires := CASE v_rollover WHEN 'none' THEN
      coalesce(p_subscription.next_refill_at, p_subscription.period_end, v_expires) END;
  ELSIF v_monthly THEN
    v_expires := coalesce(
      (SELECT next_at FROM base_refills WHERE account_id = p_account_id AND next_at < 'infinity'),
      v_expires);
  END IF;
  -- What could be spent there a moment ago can be spent here.
  v_expires := CASE WHEN v_expires > account_time(p_account_id) THEN v_expires END;
  PERFORM grant_credits(p_account_id, p_grant ->> 'source', (p_grant ->> 'amount')::bigint, v_key,
    p_expires_at => v_expires, p_description => p_grant ->> 'description');
  UPDATE credit_grants SET subscription_id = p_subscription.id
  WHERE account_id = p_account_id AND effect_key = v_key AND v_monthly;
END $$;

-- Give a stock that was left, once. What ends with a plan's month lives until that gives the next
-- one. Internal.
CREATE OR REPLACE FUNCTION ducat.import_stock(
  p_account_id uuid, p_source text, p_stock jsonb, p_subscription ducat.subscriptions)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_expires timestamptz := (p_stock ->> 'expires_at')::timestamptz;
  v_of_plan boolean := v_expires IS NOT NULL AND p_subscription.id IS NOT NULL;
BEGIN
  IF v_of_plan THEN
    v_expires := CASE (SELECT rollover FROM products WHERE id = p_subscription.product_id)
      WHEN 'none' THEN
        coalesce(p_subscription.next_refill_at, p_subscription.period_end, v_expires) END;
  END IF;
  PERFORM give_allowances(p_account_id,
    jsonb_build_object(p_stock ->> 'feature', (p_stock ->> 'amount')::bigint),
    name_import(p_source, p_stock ->> 'key'), account_time(p_account_id), v_expires,
    p_subscription_id => CASE WHEN v_of_plan THEN p_subscription.id END);
END $$;

-- Albums, and the pictures that are still to be fetched. Of an account that has an album of that
-- name, or that many, they stay away. Internal.
CREATE OR REPLACE FUNCTION ducat.import_gallery(p_account_id uuid, p_source text, p_row jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM create_album(p_account_id, a.value) FROM jsonb_array_elements(p_row -> 'albums') a
  WHERE NOT EXISTS (SELECT FROM albums
                    WHERE account_id = p_account_id AND name = a.value ->> 'name');
  INSERT INTO import_files (account_id, source, row_key, purpose, url, details)
  SELECT p_account_id, p_source, f.value ->> 'key', f.value ->> 'purpose', f.value ->> 'url',
    f.value -> 'details'
  FROM jsonb_array_elements(p_row -> 'files') f
  ON CONFLICT (account_id) WHERE purpose = 'avatar' DO NOTHING;
END $$;

-- What these rows have been given here: credits by source, stock as `stock:<feature>`. What was
-- spent since is counted too.
CREATE OR REPLACE FUNCTION ducat.sum_import(p_source text, p_keys text[])
RETURNS TABLE (source text, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT g.source, sum(g.amount)::bigint
  FROM import_rows r JOIN credit_grants g ON g.account_id = r.account_id
    AND starts_with(g.effect_key, name_import(r.source, ''))
  WHERE r.source = p_source AND r.row_key = ANY (p_keys) GROUP BY 1
  UNION ALL
  SELECT 'stock:' || g.feature, sum(g.amount)::bigint
  FROM import_rows r JOIN allowance_grants g ON g.account_id = r.account_id
    AND starts_with(g.effect_key, name_import(r.source, ''))
  WHERE r.source = p_source AND r.row_key = ANY (p_keys) GROUP BY 1
$$;
GRANT EXECUTE ON FUNCTION ducat.sum_import TO ducat_worker;

-- Write down that a run ended, and what it came to. Not repeatable: each is a line.
CREATE OR REPLACE FUNCTION ducat.note_import(p_source text, p_totals jsonb, p_audit jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM audit(NULL, 'import.run', 'import', p_source, p_audit, p_totals);
END $$;
GRANT EXECUTE ON FUNCTION ducat.note_import TO ducat_worker;

-- Forget where an erased account's pictures were, and what it was like; that it was moved in stays,
-- so that it is not moved in again. Internal.
CREATE OR REPLACE FUNCTION ducat.erase_import(p_account_id uuid) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  DELETE FROM import_files WHERE account_id = p_account_id;
  UPDATE import_rows SET checksums = NULL, history = '{}' WHERE account_id = p_account_id;
$$;
