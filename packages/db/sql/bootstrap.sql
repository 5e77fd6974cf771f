-- Roles, schemas and the few functions that tables and policies are defined with.
-- Run by the migrating login before the migrations, each time; repeatable.
DO $$
DECLARE
  v_role text;
BEGIN
  FOREACH v_role IN ARRAY
    ARRAY['ducat_owner', 'ducat_app', 'ducat_worker', 'ducat_queue', 'ducat_auth'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
        EXECUTE format('CREATE ROLE %I %s', v_role,
                       CASE WHEN v_role IN ('ducat_owner', 'ducat_auth') THEN 'NOLOGIN'
                            ELSE 'LOGIN' END);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database of this cluster is being migrated at the same time
    END;
  END LOOP;
  -- Limits of every session that logs in as one of them; connect.ts sets the same for others.
  FOREACH v_role IN ARRAY ARRAY['ducat_app', 'ducat_worker'] LOOP
    CONTINUE WHEN (SELECT rolconfig FROM pg_roles WHERE rolname = v_role) IS NOT NULL;
    EXECUTE format('ALTER ROLE %I SET timezone = ''UTC''', v_role);
    EXECUTE format('ALTER ROLE %I SET statement_timeout = ''60s''', v_role);
    EXECUTE format('ALTER ROLE %I SET lock_timeout = ''10s''', v_role);
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''60s''', v_role);
  END LOOP;
  -- The migrating login acts as the owner; API and workers reach the queue's tables as its owner.
  EXECUTE format('GRANT ducat_owner, ducat_queue, ducat_app, ducat_worker, ducat_auth TO %I',
                 current_user);
  GRANT ducat_queue TO ducat_app, ducat_worker;
  -- The API takes this role on the few connections that check passwords, and has none of its
  -- rights elsewhere.
  IF current_setting('server_version_num')::int >= 160000 THEN
    EXECUTE 'GRANT ducat_auth TO ducat_app WITH INHERIT FALSE'; -- no syntax of version 15
  ELSE
    GRANT ducat_auth TO ducat_app;
  END IF;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO ducat_owner', current_database());
END $$;

CREATE SCHEMA IF NOT EXISTS ducat AUTHORIZATION ducat_owner;
CREATE SCHEMA IF NOT EXISTS bullmq AUTHORIZATION ducat_queue;
GRANT USAGE ON SCHEMA ducat TO ducat_app, ducat_worker, ducat_auth;
REVOKE ALL ON SCHEMA ducat FROM PUBLIC;

SET ROLE ducat_owner;
-- New functions are for nobody until functions.sql grants them by name.
ALTER DEFAULT PRIVILEGES FOR ROLE ducat_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- A time-ordered id (RFC 9562, version 7): the built-in where the server has one.
DO $$
BEGIN
  -- With its parentheses: there are two of this name, and to_regproc finds neither of two.
  IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
    CREATE OR REPLACE FUNCTION ducat.uuid_v7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT pg_catalog.uuidv7()';
  ELSE
    -- 48 bits of milliseconds, then the version, 12 bits of the millisecond's fraction so that
    -- ids of one transaction sort by creation too, then 62 random bits.
    CREATE OR REPLACE FUNCTION ducat.uuid_v7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE AS $f$
      SELECT encode(
        overlay(
          overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((us / 1000)::bigint) FROM 3) FROM 1 FOR 6)
          PLACING substring(int8send((28672 + (us % 1000) * 4096 / 1000)::bigint) FROM 7)
          FROM 7 FOR 2),
        'hex')::uuid
      FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS c
    $f$;
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION ducat.uuid_v7() TO ducat_app, ducat_worker, ducat_auth;

-- The account that this transaction acts for; null, hence no row anywhere, when none was named.
CREATE OR REPLACE FUNCTION ducat.current_account() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('ducat.account_id', true), '')::uuid $$;
GRANT EXECUTE ON FUNCTION ducat.current_account() TO ducat_app, ducat_worker;

-- What has been written to a ledger stays. Audit lines do for 90 days; after that the one function
-- that says so (purges.sql) may remove them.
CREATE OR REPLACE FUNCTION ducat.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_logs'
     AND current_setting('ducat.forgets_audit', true) = 'on' THEN
    IF OLD.created_at < clock_timestamp() - interval '90 days' THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'ducat.% is append-only', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;

CREATE TABLE IF NOT EXISTS ducat.migrations (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
RESET ROLE;
