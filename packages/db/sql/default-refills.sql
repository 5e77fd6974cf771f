-- What the default plan gives each month, credits and allowances: on the day of the month on which
-- the account was made, by the account's clock, while no other plan gives anything. The row of an
-- account says when to look again; `infinity` until its person is verified.

-- Remember that an account gets what its default plan gives, if that is anything; p_is_known false
-- until it is known who it is. Of a person that was here before (p_had_it) the month that runs is
-- left out. Locks the account, then the row. Safe to retry: a second call changes nothing.
CREATE OR REPLACE FUNCTION ducat.start_base_refills(
  p_account_id uuid, p_is_known boolean, p_had_it boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_account accounts;
  v_month record;
BEGIN
  SELECT * INTO v_account FROM accounts WHERE id = p_account_id;
  IF NOT gives_monthly(find_default_plan(v_account.kind)) THEN
    RETURN;
  END IF;
  INSERT INTO base_refills (account_id, next_at) VALUES (p_account_id, 'infinity')
  ON CONFLICT DO NOTHING;
  IF p_is_known THEN
    v_month := anchored_month(v_account.created_at, lock_clock(p_account_id));
    UPDATE base_refills SET
      next_at = CASE WHEN p_had_it THEN v_month.ends_at ELSE v_month.starts_at END,
      period_start = CASE WHEN p_had_it THEN v_month.starts_at END
    WHERE account_id = p_account_id AND next_at = 'infinity';
    PERFORM refill_base(p_account_id, true);
  END IF;
END $$;

-- Whether a plan gives anything each month.
CREATE OR REPLACE FUNCTION ducat.gives_monthly(p_plan ducat.products) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT coalesce((p_plan).credits + (p_plan).bonus > 0 OR (p_plan).allowances <> '{}', false)
$$;

-- Give what is due of an account's default plan. Months that it missed are given where they roll
-- over; where nothing does, they would be over at once. Returns how many were given. p_wait false:
-- none when somebody else is at it.
-- Locks the account, then the row: whoever ends a plan may have locked the account before. Safe to
-- retry.
CREATE OR REPLACE FUNCTION ducat.refill_base(p_account_id uuid, p_wait boolean DEFAULT false)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row base_refills;
  v_account accounts;
  v_standing record;
  v_month record;
  v_given int := 0;
BEGIN
  PERFORM FROM base_refills
  WHERE account_id = p_account_id AND next_at <= account_time(p_account_id);
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  PERFORM lock_clock(p_account_id);
  v_row := lock_base_refill(p_account_id, p_wait);
  IF v_row.account_id IS NULL OR v_row.next_at > account_time(p_account_id) THEN
    RETURN 0;
  END IF;
  SELECT * INTO v_account FROM accounts WHERE id = p_account_id;
  v_standing := find_standing(p_account_id);
  v_month := anchored_month(v_account.created_at, v_standing.at);
  IF (v_standing.subscription).id IS NOT NULL THEN
    v_row.next_at := least(v_month.ends_at, v_standing.changes_at);
  ELSE
    IF v_account.is_active AND gives_monthly(v_standing.plan) THEN
      v_given := give_base_months(v_account, v_row, v_standing.plan, v_standing.at);
      v_row.product_id := (v_standing.plan).id;
      v_row.period_start := v_month.starts_at;
    END IF;
    v_row.next_at := v_month.ends_at;
  END IF;
  UPDATE base_refills SET product_id = v_row.product_id, period_start = v_row.period_start,
    next_at = v_row.next_at
  WHERE account_id = p_account_id;
  RETURN v_given;
END $$;
GRANT EXECUTE ON FUNCTION ducat.refill_base TO ducat_worker;

-- Lock an account's row; all null when there is none, or, p_wait false, when somebody has it.
CREATE OR REPLACE FUNCTION ducat.lock_base_refill(p_account_id uuid, p_wait boolean)
RETURNS ducat.base_refills LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_row base_refills;
BEGIN
  IF p_wait THEN
    SELECT * INTO v_row FROM base_refills WHERE account_id = p_account_id FOR NO KEY UPDATE;
  ELSE
    SELECT * INTO v_row FROM base_refills WHERE account_id = p_account_id
    FOR NO KEY UPDATE SKIP LOCKED;
  END IF;
  RETURN v_row;
END $$;

-- Give the months from the one that is due to the one that runs. Returns how many. Locks the
-- account.
CREATE OR REPLACE FUNCTION ducat.give_base_months(
  p_account ducat.accounts, p_row ducat.base_refills, p_plan ducat.products, p_at timestamptz)
RETURNS int LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_month record := anchored_month(p_account.created_at, p_row.next_at);
  v_given int := 0;
BEGIN
  FOR n IN 1..200 LOOP
    EXIT WHEN v_month.starts_at > p_at;
    IF v_month.starts_at > coalesce(p_row.period_start, '-infinity')
       AND (p_plan.rollover <> 'none' OR v_month.ends_at > p_at) THEN
      PERFORM give_unpaid_month(p_account.id, p_plan,
        format('base:%s', floor(extract(epoch FROM v_month.starts_at))::bigint),
        v_month.starts_at, v_month.ends_at);
      v_given := v_given + 1;
    END IF;
    v_month := anchored_month(p_account.created_at, v_month.ends_at);
  END LOOP;
  RETURN v_given;
END $$;

-- Up to p_limit accounts whose default plan's month is due by their clock; the caller gives each in
-- its own transaction. Accounts whose clock was moved are few, and have their own index.
CREATE OR REPLACE FUNCTION ducat.find_due_base_refills(p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
  SELECT account_id FROM (
    (SELECT account_id, next_at FROM base_refills WHERE next_at <= (SELECT clock_timestamp())
     ORDER BY next_at LIMIT least(p_limit, 500))
    UNION
    SELECT b.account_id, b.next_at
    FROM credit_accounts a JOIN base_refills b ON b.account_id = a.account_id
    WHERE a.clock_offset <> '0' AND b.next_at <= clock_timestamp() + a.clock_offset
  ) AS due
  ORDER BY next_at LIMIT least(p_limit, 500)
$$;
GRANT EXECUTE ON FUNCTION ducat.find_due_base_refills TO ducat_worker;

-- Have the accounts looked after that were there before their default plan gave anything. Those
-- whose person is not verified wait for that. For push_catalog. Locks what it inserts.
CREATE OR REPLACE FUNCTION ducat.seed_base_refills() RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO base_refills (account_id, next_at)
  SELECT a.id, CASE WHEN
      EXISTS (SELECT FROM account_logins l JOIN logins ON logins.id = l.login_id
              WHERE l.account_id = a.id AND logins.verified_at IS NULL)
      OR EXISTS (SELECT FROM external_identities e
                 WHERE e.account_id = a.id AND e.verified_at IS NULL)
    THEN 'infinity' ELSE clock_timestamp() + c.clock_offset END
  FROM accounts a JOIN credit_accounts c ON c.account_id = a.id
  WHERE a.erased_at IS NULL
    AND a.kind IN (SELECT k FROM unnest(ARRAY['user', 'vendor']) AS k
                   WHERE gives_monthly(find_default_plan(k)))
    AND NOT EXISTS (SELECT FROM base_refills b WHERE b.account_id = a.id)
$$;

-- A plan that ends leaves room for the default plan's month, if that was not given yet. One that is
-- past due or canceled for a day ends by itself: the row learns when to look again.
CREATE OR REPLACE FUNCTION ducat.wake_base_refill() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE base_refills SET next_at = least(next_at, account_time(NEW.account_id))
  WHERE account_id = NEW.account_id AND next_at < 'infinity';
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER subscriptions_end
AFTER UPDATE OF status, cancel_at ON ducat.subscriptions
FOR EACH ROW WHEN (
  OLD.status <> NEW.status AND NEW.status IN ('past_due', 'unpaid', 'paused', 'canceled')
  OR NEW.cancel_at IS NOT NULL AND OLD.cancel_at IS DISTINCT FROM NEW.cancel_at)
EXECUTE FUNCTION ducat.wake_base_refill();
