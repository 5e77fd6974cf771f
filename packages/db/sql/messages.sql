-- Mails and text messages to an account. A row is written in the transaction of what it tells and
-- sent by a job afterwards: at least once, under one id, so that a mailbox shows it once.
-- Due times and leases are the machine's time and never follow an account's clock.

-- Write a message, once per p_effect_key of the account: by e-mail when the account has an address,
-- else as a text message when it has a phone number, else not at all. p_data is what the template
-- of p_kind takes (packages/messages/src/kinds): ids, amounts, names by language, never a secret
-- that must not be stored. Returns whether a message was written now.
-- Data over 16 KiB would be no reason to undo a payment: such a message is kept as failed.
--   DU007 validation_failed   the caller's fault: no kind or key, or too long; data is no object
-- Locks nothing but the new row. Safe to retry by p_effect_key.
CREATE OR REPLACE FUNCTION ducat.queue_message(
  p_account_id uuid, p_kind text, p_data jsonb, p_effect_key text)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_bytes int := octet_length(p_data::text);
BEGIN
  IF (length(p_kind) BETWEEN 1 AND 64 AND length(p_effect_key) BETWEEN 1 AND 300
      AND jsonb_typeof(p_data) = 'object') IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "message"}');
  END IF;
  INSERT INTO messages (account_id, kind, channel, data, effect_key, status, due_at, last_error)
  SELECT id, p_kind, CASE WHEN email IS NOT NULL THEN 'email' ELSE 'sms' END,
    CASE WHEN v_bytes > 16384 THEN '{}' ELSE p_data END, p_effect_key,
    CASE WHEN v_bytes > 16384 THEN 'failed' ELSE 'pending' END,
    CASE WHEN v_bytes > 16384 THEN NULL ELSE clock_timestamp() END,
    CASE WHEN v_bytes > 16384 THEN format('the data had %s bytes', v_bytes) END
  FROM accounts
  WHERE id = p_account_id AND (email IS NOT NULL OR phone IS NOT NULL)
  ON CONFLICT (account_id, effect_key) DO NOTHING;
  RETURN FOUND;
END $$;

-- Write a message that holds a secret (a link, a code) to this address of the account's, once per
-- p_effect_key. p_channel: email | sms; p_recipient null: the account's own. p_data comes sealed
-- (packages/messages/src/seal.ts), so that no dump has the secret in clear, and it is emptied with
-- the recipient when the message has ended. Returns whether a message was written now.
--   DU007 validation_failed   the caller's fault: something is missing or too long
-- Locks nothing but the new row. Safe to retry by p_effect_key.
CREATE OR REPLACE FUNCTION ducat.queue_secret_message(
  p_account_id uuid, p_channel text, p_recipient text, p_kind text, p_data jsonb,
  p_effect_key text)
RETURNS boolean LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  IF (length(p_kind) BETWEEN 1 AND 64 AND length(p_effect_key) BETWEEN 1 AND 300
      AND p_channel IN ('email', 'sms') AND coalesce(length(p_recipient), 1) BETWEEN 1 AND 320
      AND jsonb_typeof(p_data -> 'sealed') = 'string' AND octet_length(p_data::text) <= 16384)
     IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "message"}');
  END IF;
  INSERT INTO messages (account_id, kind, channel, recipient, has_secret, data, effect_key, due_at)
  VALUES (p_account_id, p_kind, p_channel, p_recipient, true, p_data, p_effect_key,
    clock_timestamp())
  ON CONFLICT (account_id, effect_key) DO NOTHING;
  RETURN FOUND;
END $$;

-- Take up to p_limit (100 at most) due messages of a channel, longest due first, for p_lease_s
-- seconds: until then no other worker gets them. Returns what sending needs, with the attempt that
-- record_message must name. Those whose account has lost its address and codes that have expired
-- end as skipped, and those that were taken 18 times without a word as failed; none is returned.
-- Locks the messages only, skipping those that another worker is taking. Safe to retry: what the
-- first call took comes back when its lease is over.
CREATE OR REPLACE FUNCTION ducat.claim_messages(
  p_channel text, p_limit int DEFAULT 10, p_lease_s numeric DEFAULT 180)
RETURNS TABLE (
  account_id uuid, id uuid, attempt int, kind text, data jsonb, recipient text, name text,
  locale text)
LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  WITH due AS (
    SELECT m.account_id, m.id, a.name,
      coalesce(a.locale, m.data ->> 'locale', 'en') AS locale,
      coalesce(m.recipient, CASE p_channel WHEN 'email' THEN a.email ELSE a.phone END) AS recipient
    FROM messages m LEFT JOIN accounts a ON a.id = m.account_id
    WHERE m.channel = p_channel AND m.due_at <= clock_timestamp()
    ORDER BY m.due_at LIMIT least(p_limit, 100)
    FOR NO KEY UPDATE OF m SKIP LOCKED
  ), judged AS (
    SELECT due.*, CASE
      WHEN due.recipient IS NULL OR m.kind = 'login_code'
        AND m.created_at < clock_timestamp() - interval '10 minutes' THEN 'skipped'
      WHEN m.attempts >= 18 THEN 'failed' ELSE 'pending' END AS status
    FROM due JOIN messages m USING (account_id, id)
  ), taken AS (
    UPDATE messages m SET status = j.status, attempts = m.attempts + (j.status = 'pending')::int,
      due_at = CASE j.status
        WHEN 'pending' THEN clock_timestamp() + make_interval(secs => p_lease_s::float8) END,
      last_error = CASE WHEN j.status <> 'skipped' THEN m.last_error
                   WHEN j.recipient IS NULL THEN 'the account has no address any more'
                   ELSE 'the code has expired' END,
      data = CASE WHEN m.has_secret AND j.status <> 'pending' THEN '{}' ELSE m.data END,
      recipient = CASE WHEN j.status = 'pending' THEN m.recipient END
    FROM judged j WHERE m.account_id = j.account_id AND m.id = j.id
    RETURNING m.account_id, m.id, m.attempts, m.kind, m.data, j.recipient, j.name, j.locale,
      m.status, m.created_at
  )
  SELECT t.account_id, t.id, t.attempts, t.kind, t.data, t.recipient, t.name, t.locale FROM taken t
  WHERE t.status = 'pending' ORDER BY t.created_at, t.id
$$;
GRANT EXECUTE ON FUNCTION ducat.claim_messages TO ducat_worker;

-- Write down how an attempt ended: `sent`, `failed` for ever, or `retry`: 30 s later, then twice as
-- long each time up to 6 h, a quarter more or less, and failed after 18 attempts (about two days).
-- Returns the message's status now; null when this attempt's lease was over and another has begun,
-- or when there is no such message: then nothing was written. A secret goes when it has ended.
-- Locks the message only. Safe to retry: the repeat finds the attempt ended and returns null.
CREATE OR REPLACE FUNCTION ducat.record_message(
  p_account_id uuid, p_id uuid, p_attempt int, p_outcome text, p_error text DEFAULT NULL)
RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  UPDATE messages SET
    status = CASE WHEN p_outcome = 'retry' AND attempts < 18 THEN 'pending'
                  WHEN p_outcome = 'sent' THEN 'sent' ELSE 'failed' END,
    due_at = CASE WHEN p_outcome = 'retry' AND attempts < 18 THEN clock_timestamp()
      + make_interval(secs => least(30 * 2 ^ (attempts - 1), 21600) * (0.75 + random() / 2)) END,
    sent_at = CASE p_outcome WHEN 'sent' THEN clock_timestamp() END,
    data = CASE WHEN has_secret AND NOT (p_outcome = 'retry' AND attempts < 18) THEN '{}'
                ELSE data END,
    recipient = CASE WHEN p_outcome = 'retry' AND attempts < 18 THEN recipient END,
    last_error = CASE p_outcome WHEN 'sent' THEN NULL ELSE left(p_error, 500) END
  WHERE account_id = p_account_id AND id = p_id AND attempts = p_attempt AND status = 'pending'
  RETURNING status
$$;
GRANT EXECUTE ON FUNCTION ducat.record_message TO ducat_worker;

-- Messages that could not be sent, newest first, up to p_limit, before p_before; each filter may be
-- null. Whom they are for is not told: only the account.
-- Returns {id, account_id, kind, channel, attempts, last_error, can_retry, created_at}.
CREATE OR REPLACE FUNCTION ducat.list_failed_messages(
  p_filter_account_id uuid, p_kind text, p_channel text, p_before uuid, p_limit int)
RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT show_failed_message(m) FROM messages m
  WHERE m.status = 'failed'
    AND (p_filter_account_id IS NULL OR m.account_id = p_filter_account_id)
    AND (p_kind IS NULL OR m.kind = p_kind) AND (p_channel IS NULL OR m.channel = p_channel)
    AND (p_before IS NULL OR m.id < p_before)
  ORDER BY m.id DESC LIMIT least(p_limit, 101)
$$;
GRANT EXECUTE ON FUNCTION ducat.list_failed_messages TO ducat_app;

-- What operators see of a message that could not be sent. What held a secret holds nothing now.
CREATE OR REPLACE FUNCTION ducat.show_failed_message(p_message ducat.messages) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT jsonb_build_object('id', p_message.id, 'account_id', p_message.account_id,
    'kind', p_message.kind, 'channel', p_message.channel, 'status', p_message.status,
    'attempts', p_message.attempts, 'last_error', p_message.last_error,
    'can_retry', NOT p_message.has_secret AND p_message.attempts > 0,
    'created_at', p_message.created_at)
$$;

-- Try a message again that could not be sent, or give it up (p_is_retry false), with an audit line.
-- Returns it as list_failed_messages does, with its new status: pending | skipped.
--   DU003 not_found       no message of this id has failed
--   DU006 invalid_state   {reason: data_removed}: what it said is gone
-- Locks the message. A repeat finds nothing.
CREATE OR REPLACE FUNCTION ducat.settle_failed_message(
  p_id uuid, p_is_retry boolean, p_audit jsonb)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_message messages;
BEGIN
  SELECT * INTO v_message FROM messages WHERE id = p_id AND status = 'failed' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM refuse('DU003', 'not_found', '{"what": "message"}');
  ELSIF p_is_retry AND (v_message.has_secret OR v_message.attempts = 0) THEN
    PERFORM refuse('DU006', 'invalid_state', '{"reason": "data_removed"}');
  END IF;
  UPDATE messages SET status = CASE WHEN p_is_retry THEN 'pending' ELSE 'skipped' END,
    attempts = CASE WHEN p_is_retry THEN 0 ELSE attempts END,
    due_at = CASE WHEN p_is_retry THEN clock_timestamp() END
  WHERE account_id = v_message.account_id AND id = p_id RETURNING * INTO v_message;
  PERFORM audit(v_message.account_id,
    CASE WHEN p_is_retry THEN 'message.retry' ELSE 'message.discard' END, 'message', p_id::text,
    p_audit, jsonb_build_object('kind', v_message.kind, 'last_error', v_message.last_error));
  RETURN show_failed_message(v_message);
END $$;
GRANT EXECUTE ON FUNCTION ducat.settle_failed_message TO ducat_app;
