-- Row security and rights, for every table at once, so that a new table can't be forgotten.
-- The API's role sees one account's rows; workers and the owner's functions see all.
-- Tables that are right already are left alone: any of these commands would wait for everybody who
-- reads the table, an export of an hour too, and let all others wait behind it.
DO $$
DECLARE
  v_table text;
  v_column text;
  -- As the server writes an expression back, without the schema, which depends on the path.
  v_right text := 'all_accounts {ducat_owner,ducat_worker} true true, '
    'own_account {ducat_app} (%1$s = ( SELECT current_account() AS current_account)) '
    '(%1$s = ( SELECT current_account() AS current_account))';
BEGIN
  FOR v_table, v_column IN
    SELECT t.relname, t.own FROM (
      SELECT c.oid, c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
             CASE c.relname WHEN 'accounts' THEN 'id' ELSE 'account_id' END AS own
      FROM pg_class c
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname = 'accounts' OR EXISTS (
          SELECT FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped))) t
    WHERE NOT t.is_forced OR format(v_right, t.own) IS DISTINCT FROM (
      SELECT replace(string_agg(format('%s %s %s %s', p.polname,
               ARRAY(SELECT r.rolname FROM pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1),
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
             ', ' ORDER BY p.polname), 'ducat.', '')
      FROM pg_policy p
      WHERE p.polrelid = t.oid AND p.polname IN ('own_account', 'all_accounts')
        AND p.polpermissive AND p.polcmd = '*')
  LOOP
    EXECUTE format('ALTER TABLE ducat.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE ducat.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('DROP POLICY IF EXISTS own_account ON ducat.%I', v_table);
    EXECUTE format('DROP POLICY IF EXISTS all_accounts ON ducat.%I', v_table);
    EXECUTE format(
      'CREATE POLICY own_account ON ducat.%I TO ducat_app
         USING (%I = (SELECT ducat.current_account()))
         WITH CHECK (%2$I = (SELECT ducat.current_account()))', v_table, v_column);
    EXECUTE format(
      'CREATE POLICY all_accounts ON ducat.%I TO ducat_owner, ducat_worker
         USING (true) WITH CHECK (true)', v_table);
  END LOOP;
END $$;

GRANT SELECT ON ALL TABLES IN SCHEMA ducat TO ducat_app, ducat_worker;
-- The API's own writes beside the functions: upload rows, as the account of the transaction.
GRANT INSERT, DELETE ON ducat.blobs TO ducat_app;
GRANT INSERT, DELETE ON ducat.blobs TO ducat_worker;
REVOKE ALL ON ducat.migrations FROM ducat_app, ducat_worker;
GRANT SELECT ON ducat.migrations TO ducat_app, ducat_worker;
-- They tell of the whole business: the API sees them by functions only.
REVOKE ALL ON ducat.stat_rollups, ducat.rollup_hours, ducat.rollup_days FROM ducat_app;
-- What is paid to providers is none of the API's business.
REVOKE ALL ON ducat.provider_budgets FROM ducat_app;
-- They tell of any account's money: the API sees anomalies by functions only.
REVOKE ALL ON ducat.payment_anomalies FROM ducat_app;
-- Their bodies hold personal data of any account: the API sees events by functions only.
REVOKE ALL ON ducat.webhook_events FROM ducat_app;
-- People's secrets and identities: functions only, but for what better-auth reads and writes as a
-- role of its own.
REVOKE ALL ON ducat.logins, ducat.login_credentials, ducat.verifications, ducat.account_logins,
  ducat.trial_identities, ducat.sessions, ducat.session_tokens, ducat.rate_limits,
  ducat.login_codes, ducat.login_changes, ducat.login_totps, ducat.totp_backup_codes,
  ducat.totp_challenges, ducat.api_keys, ducat.erased_identities, ducat.queue_tickets,
  ducat.stream_tickets
  FROM ducat_app, ducat_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ducat.logins, ducat.login_credentials, ducat.verifications
  TO ducat_auth;

-- Reads of a grant go through this view: the row of the head grant lags behind the account row.
CREATE OR REPLACE VIEW ducat.credit_grant_balances WITH (security_invoker = true) AS
SELECT g.account_id, g.id, g.source, g.amount,
       CASE WHEN g.id = a.head_grant_id THEN a.head_remaining ELSE g.remaining END AS remaining,
       g.expired, g.clawed, g.priority, g.subject, g.starts_at, g.expires_at, g.closed_at,
       g.payment_id, g.effect_key, g.reversed, g.taken, g.created_at
FROM ducat.credit_grants g JOIN ducat.credit_accounts a USING (account_id);
GRANT SELECT ON ducat.credit_grant_balances TO ducat_app, ducat_worker;
