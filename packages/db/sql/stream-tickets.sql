-- How a browser opens a stream: it can't send a key with an EventSource, so whoever has one asks
-- for a ticket, and the browser shows that once in the address. Who a stream is for may lose the
-- right to it while it is open: that is asked for all of a process's streams at once. Times are
-- the machine's.

-- Whether whom an audit line would name (root, key:<id>, account:<id>, login:<id> in the session
-- p_session_id) may still act for the account. Locks nothing. Internal.
CREATE OR REPLACE FUNCTION ducat.may_act(p_account_id uuid, p_actor text, p_session_id uuid)
RETURNS boolean LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT EXISTS (SELECT FROM accounts WHERE id = p_account_id AND is_active) AND CASE
    WHEN p_actor = 'root' THEN true
    WHEN p_actor LIKE 'account:%' THEN p_actor = 'account:' || p_account_id
    WHEN p_actor LIKE 'key:%' THEN EXISTS (
      SELECT FROM api_keys WHERE id = substr(p_actor, 5) AND revoked_at IS NULL
        AND coalesce(expires_at, 'infinity') > clock_timestamp()
        AND coalesce(account_id, p_account_id) = p_account_id)
    ELSE EXISTS (
      SELECT FROM sessions s JOIN logins l ON l.id = s.login_id AND l.banned_at IS NULL
      WHERE s.id = p_session_id AND s.account_id = p_account_id AND s.ended_at IS NULL
        AND s.expires_at > clock_timestamp() AND p_actor = 'login:' || l.id)
    END
$$;

-- Which of these may not act for their account any more: the places in the arrays, from 1 on. The
-- arrays are of one length; a session is null where there is none. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.list_ended_callers(
  p_account_ids uuid[], p_actors text[], p_session_ids uuid[])
RETURNS SETOF int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT n::int
  FROM unnest(p_account_ids, p_actors, p_session_ids)
    WITH ORDINALITY AS c (account_id, actor, session_id, n)
  WHERE NOT may_act(account_id, actor, session_id) ORDER BY n
$$;
GRANT EXECUTE ON FUNCTION ducat.list_ended_callers TO ducat_app;

-- Keep a ticket for p_lease_s seconds, known by its hash: for the streams of the account, or for
-- that of one generation only. p_caller {actor, session_id, scopes, ends_at} is who asks and when
-- their credential ends. Returns when the ticket expires; null when they may not act any more.
-- Of an account the latest 200 are kept; see forget_codes for those that nobody used.
--   DU003 not_found {what: generation}   the account has none of this id
-- Locks what it removes, and waits for no lock. Safe to retry with another hash.
CREATE OR REPLACE FUNCTION ducat.make_stream_ticket(
  p_account_id uuid, p_hash bytea, p_generation_id uuid, p_caller jsonb, p_lease_s int)
RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_expires timestamptz := clock_timestamp() + make_interval(secs => p_lease_s);
BEGIN
  IF NOT may_act(p_account_id, p_caller ->> 'actor', (p_caller ->> 'session_id')::uuid) THEN
    RETURN NULL;
  END IF;
  IF p_generation_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM generations
    WHERE account_id = p_account_id AND id = p_generation_id AND deleted_at IS NULL)
  THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "generation"}');
  END IF;
  DELETE FROM stream_tickets WHERE hash = ANY (ARRAY(
    SELECT hash FROM stream_tickets WHERE account_id = p_account_id
    ORDER BY expires_at DESC, hash OFFSET 199 FOR UPDATE SKIP LOCKED));
  INSERT INTO stream_tickets (hash, account_id, generation_id, actor, session_id, scopes, ends_at,
    expires_at)
  SELECT p_hash, p_account_id, p_generation_id, actor, session_id, scopes, ends_at, v_expires
  FROM jsonb_to_record(p_caller)
    AS c (actor text, session_id uuid, scopes text[], ends_at timestamptz);
  RETURN v_expires;
END $$;
GRANT EXECUTE ON FUNCTION ducat.make_stream_ticket TO ducat_app;

-- Take a ticket, once. Returns {account_id, generation_id, actor, session_id, scopes, ends_at};
-- null when there is none of this hash, it was taken or has expired, or whoever asked for it may
-- not act any more. Locks the ticket. A repeat returns null.
CREATE OR REPLACE FUNCTION ducat.take_stream_ticket(p_hash bytea) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_ticket stream_tickets;
BEGIN
  DELETE FROM stream_tickets WHERE hash = p_hash AND expires_at > clock_timestamp()
  RETURNING * INTO v_ticket;
  IF NOT FOUND OR v_ticket.ends_at <= clock_timestamp()
    OR NOT may_act(v_ticket.account_id, v_ticket.actor, v_ticket.session_id)
  THEN
    RETURN NULL;
  END IF;
  RETURN to_jsonb(v_ticket) - 'hash' - 'expires_at';
END $$;
GRANT EXECUTE ON FUNCTION ducat.take_stream_ticket TO ducat_app;
