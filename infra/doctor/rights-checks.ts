import { bySql } from "./by-sql.ts";
import type { PlaceCheck } from "./check.ts";

const ownAccounts = `
  SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity,
         CASE c.relname WHEN 'accounts' THEN 'id' ELSE 'account_id' END AS "column"
  FROM pg_catalog.pg_class c
  WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p')
    AND (c.relname = 'accounts' OR EXISTS (
      SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped))`;

/**
 * That nobody sees what is another account's. The schema's comparison finds these too, but after
 * an upgrade that was left half done it has a lot to say, and this must not be overlooked.
 */
export const rightsChecks: PlaceCheck[] = [
  bySql({
    check: "I13",
    title: "row security is on and forced on every table of accounts, with its two policies",
    sql: `
      SELECT t.relname AS "table", t.relrowsecurity AS enabled, t.relforcerowsecurity AS forced,
             p.policies
      FROM (${ownAccounts}) AS t CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(policyname::text || CASE WHEN permissive = 'PERMISSIVE'
            AND cmd = 'ALL' AND CASE policyname
              WHEN 'own_account' THEN roles = '{ducat_app}' AND qual = format(
                '(%s = ( SELECT ducat.current_account() AS current_account))', t."column")
              WHEN 'all_accounts' THEN qual = 'true'
                AND roles <@ '{ducat_owner,ducat_worker}'::name[] END
            AND with_check = qual THEN '' ELSE ' (changed)' END ORDER BY policyname), '{}')
          AS policies
        FROM pg_catalog.pg_policies
        WHERE schemaname = 'ducat' AND tablename = t.relname) AS p
      WHERE NOT (t.relrowsecurity AND t.relforcerowsecurity
        AND p.policies = '{all_accounts,own_account}')`,
  }),
  bySql({
    check: "I13",
    title: "a function is for whom it was granted to, and looks names up where it was pinned to",
    sql: `
      SELECT p.proname AS "function", CASE WHEN o.for_all THEN 'everybody may call it'
        ELSE 'it lends the owner''s rights and its search_path is not pinned' END AS fault
      FROM pg_catalog.pg_proc p CROSS JOIN LATERAL (
        SELECT EXISTS (
          SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
          WHERE a.grantee = 0) AS for_all) AS o
      WHERE p.pronamespace = 'ducat'::regnamespace AND (o.for_all
        OR p.prosecdef AND 'search_path=ducat, pg_temp' <> ALL (coalesce(p.proconfig, '{}')))`,
  }),
  bySql({
    check: "I13",
    title: "the roles have no more power than they need, and everything is the owner's",
    sql: `
      SELECT rolname AS role, 'is a superuser, passes by row security or makes roles' AS fault
      FROM pg_catalog.pg_roles
      WHERE rolname IN ('ducat_owner', 'ducat_app', 'ducat_worker', 'ducat_queue', 'ducat_auth')
        AND (rolsuper OR rolbypassrls OR rolcreaterole)
      UNION ALL
      SELECT rolname, 'can log in' FROM pg_catalog.pg_roles
      WHERE rolname IN ('ducat_owner', 'ducat_auth') AND rolcanlogin
      UNION ALL
      SELECT m.rolname, 'has the rights of ' || g.rolname
      FROM pg_catalog.pg_roles m CROSS JOIN pg_catalog.pg_roles g
      WHERE m.rolname IN ('ducat_app', 'ducat_worker')
        AND g.rolname IN ('ducat_owner', 'ducat_app', 'ducat_worker') AND m.oid <> g.oid
        AND NOT m.rolsuper AND pg_has_role(m.oid, g.oid, 'MEMBER')
      UNION ALL
      SELECT relname, 'is owned by ' || pg_get_userbyid(relowner)
      FROM pg_catalog.pg_class
      WHERE relnamespace = 'ducat'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND relowner <> 'ducat_owner'::regrole`,
  }),
];
