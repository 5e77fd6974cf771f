-- How an operator's browser gets to the dashboard of the queues: whoever may administer asks for a
-- ticket, the browser shows it once, and from then on a signed cookie says who it is. That they
-- still may is asked each time. Times are the machine's.

-- Whether whom an audit line would name (root, key:<id>, login:<id> in the session p_session_id)
-- may administer now. Locks nothing.
CREATE OR REPLACE FUNCTION ducat.may_administer(p_actor text, p_session_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT CASE
    WHEN p_actor = 'root' THEN true
    WHEN p_actor LIKE 'key:%' THEN EXISTS (
      SELECT FROM api_keys WHERE id = substr(p_actor, 5) AND revoked_at IS NULL
        AND coalesce(expires_at, 'infinity') > clock_timestamp() AND 'admin' = ANY (scopes))
    ELSE EXISTS (
      SELECT FROM sessions s JOIN logins l ON l.id = s.login_id
        JOIN accounts a ON a.id = s.account_id AND a.is_active
      WHERE s.id = p_session_id AND s.ended_at IS NULL AND s.expires_at > clock_timestamp()
        AND p_actor = 'login:' || l.id AND l.role = 'admin' AND l.banned_at IS NULL
        AND l.verified_at IS NOT NULL)
    END
$$;
GRANT EXECUTE ON FUNCTION ducat.may_administer TO ducat_app;

-- Keep a ticket for p_lease_s seconds, known by its hash, with an audit line. Whether it is kept:
-- the actor may administer. Removes some that nobody used.
-- Locks nothing but the new row. Safe to retry with another hash.
CREATE OR REPLACE FUNCTION ducat.make_queue_ticket(
  p_hash bytea, p_session_id uuid, p_lease_s int, p_audit jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF NOT may_administer(p_audit ->> 'actor', p_session_id) THEN
    RETURN false;
  END IF;
  DELETE FROM queue_tickets WHERE hash = ANY (ARRAY(
    SELECT hash FROM queue_tickets WHERE expires_at < clock_timestamp() LIMIT 100
    FOR UPDATE SKIP LOCKED));
  INSERT INTO queue_tickets (hash, actor, session_id, expires_at)
  VALUES (p_hash, p_audit ->> 'actor', p_session_id,
    clock_timestamp() + make_interval(secs => p_lease_s));
  PERFORM audit(NULL, 'queues.enter', 'queues', NULL, p_audit, '{}');
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION ducat.make_queue_ticket TO ducat_app;

-- Take a ticket, once. Returns {actor, session_id}; null when there is none of this hash, or it was
-- taken or has expired. Locks the ticket. A repeat returns null.
CREATE OR REPLACE FUNCTION ducat.take_queue_ticket(p_hash bytea) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  DELETE FROM queue_tickets WHERE hash = p_hash AND expires_at > clock_timestamp()
  RETURNING jsonb_build_object('actor', actor, 'session_id', session_id)
$$;
GRANT EXECUTE ON FUNCTION ducat.take_queue_ticket TO ducat_app;

-- Leave the audit line of what is about to be done with a queue or one of its jobs. It is written
-- before: the queue is elsewhere, and a line too many is better than none. Not repeatable.
CREATE OR REPLACE FUNCTION ducat.note_queue_act(p_what text, p_audit jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT audit(NULL, 'queues.act', 'queues', left(p_what, 300), p_audit, '{}')
$$;
GRANT EXECUTE ON FUNCTION ducat.note_queue_act TO ducat_app;
