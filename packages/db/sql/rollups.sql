-- Roll-ups: statistics and usage are told from sums by hour and day, made by workers every few
-- minutes. Nothing of it is in a path that spends: items, ledger and tracked use are read by the
-- hour in which they ended. An hour is summed up again until ten minutes after its end, and once
-- more when its day has been over for three days; then the day is final and its hours become one.
--
-- What changes what has been summed up is marked in its own transaction (rollup_dirty_days): a
-- payment or a subscription by trigger, support's refunds, deletions, erasures and late releases by
-- their functions. The mark is an insert: nobody waits for it, and a roll-up that began before it
-- does not see it and leaves it.

-- Use of days older than this is not computed anew: tracked events are forgotten after 400 days
-- (usage-retention.sql), and what is gone can't be summed up.
CREATE OR REPLACE FUNCTION ducat.rollup_horizon() RETURNS date
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$ SELECT utc_day() - 390 $$;

-- The day that it is, in UTC, by the machine's time.
CREATE OR REPLACE FUNCTION ducat.utc_day(p_at timestamptz DEFAULT NULL) RETURNS date
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT (coalesce(p_at, clock_timestamp()) AT TIME ZONE 'UTC')::date
$$;

-- When a day begins.
CREATE OR REPLACE FUNCTION ducat.start_of(p_day date) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT p_day::timestamp AT TIME ZONE 'UTC'
$$;

-- Note that what an account used from p_from to p_to (null: until now) counts otherwise by now.
-- What is of the current hour needs no note: it is summed up again anyhow. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.mark_usage(
  p_account_id uuid, p_from timestamptz, p_to timestamptz, p_reason text)
RETURNS void LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO rollup_dirty_days (scope, account_id, from_day, to_day, reason)
  SELECT 'usage', p_account_id, utc_day(p_from),
    CASE WHEN p_to IS NOT NULL THEN least(utc_day(p_to), utc_day()) END, p_reason
  WHERE p_from < date_trunc('hour', clock_timestamp(), 'UTC')
$$;

-- Note that the numbers of a day that has passed are others by now. Takes no lock.
CREATE OR REPLACE FUNCTION ducat.mark_day(p_at timestamptz, p_reason text) RETURNS void
LANGUAGE sql SET search_path = ducat, pg_temp AS $$
  INSERT INTO rollup_dirty_days (scope, from_day, to_day, reason)
  SELECT 'day', utc_day(p_at), utc_day(p_at), p_reason WHERE utc_day(p_at) < utc_day()
$$;

-- Note that everything of these days has to be summed up anew: rows came with times of the past
-- (an import). Until that has been done the days lack what they had. Takes no lock; safe to retry.
--   DU007 validation_failed   the days are no span of at most 4,000 days until today
CREATE OR REPLACE FUNCTION ducat.mark_days(p_from date, p_to date, p_reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF (p_from <= p_to AND p_to <= utc_day() AND p_to - p_from <= 4000) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "days"}');
  END IF;
  INSERT INTO rollup_dirty_days (scope, from_day, to_day, reason)
  VALUES ('all', p_from, p_to, left(p_reason, 200));
END $$;
GRANT EXECUTE ON FUNCTION ducat.mark_days TO ducat_worker;

-- A payment's money counts on the day it was paid, and makes what its credits are worth wherever
-- they were spent.
CREATE OR REPLACE FUNCTION ducat.mark_payment() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before payments := CASE TG_OP WHEN 'UPDATE' THEN OLD END;
  v_interval text := (SELECT r.interval FROM prices r WHERE r.id = NEW.price_id);
  v_first timestamptz;
BEGIN
  PERFORM mark_day(NEW.paid_at, 'payment');
  IF v_before.paid_at IS DISTINCT FROM NEW.paid_at THEN
    PERFORM mark_day(v_before.paid_at, 'payment');
  END IF;
  -- Until now the account may have become a customer with the payment after this one.
  IF utc_day(least(v_before.paid_at, NEW.paid_at)) < utc_day() THEN
    PERFORM mark_day(min(paid_at), 'payment') FROM payments
    WHERE account_id = NEW.account_id AND charged > 0
      AND paid_at >= start_of(utc_day(least(v_before.paid_at, NEW.paid_at)) + 1);
  END IF;
  IF (v_before.charged - v_before.reversed, credits_paid_for(v_before.credits_granted,
        v_before.credits, v_before.reason, v_interval))
     IS DISTINCT FROM (NEW.charged - NEW.reversed, credits_paid_for(NEW.credits_granted,
        NEW.credits, NEW.reason, v_interval)) THEN
    v_first := (SELECT min(created_at) FROM credit_grants
                WHERE account_id = NEW.account_id AND payment_id = NEW.id);
    PERFORM mark_usage(NEW.account_id, v_first, NULL, 'payment');
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER payments_rollup_begin AFTER INSERT ON ducat.payments
FOR EACH ROW WHEN (NEW.paid_at IS NOT NULL) EXECUTE FUNCTION ducat.mark_payment();

CREATE OR REPLACE TRIGGER payments_rollup_change AFTER UPDATE ON ducat.payments
FOR EACH ROW WHEN ((OLD.status, OLD.paid_at, OLD.charged, OLD.refunded, OLD.disputed, OLD.reversed,
    OLD.credits, OLD.credits_granted, OLD.reason, OLD.price_id)
  IS DISTINCT FROM (NEW.status, NEW.paid_at, NEW.charged, NEW.refunded, NEW.disputed, NEW.reversed,
    NEW.credits, NEW.credits_granted, NEW.reason, NEW.price_id))
EXECUTE FUNCTION ducat.mark_payment();

-- A subscription counts on the days on which it began and ended, by its provider's word, which may
-- come days later.
CREATE OR REPLACE FUNCTION ducat.mark_subscription() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_before subscriptions := CASE TG_OP WHEN 'UPDATE' THEN OLD END;
BEGIN
  PERFORM mark_day(at, 'subscription')
  FROM (SELECT DISTINCT at FROM unnest(ARRAY[v_before.started_at, v_before.ended_at,
    NEW.started_at, NEW.ended_at]) AS at WHERE at IS NOT NULL) AS days;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER subscriptions_rollup_begin AFTER INSERT ON ducat.subscriptions
FOR EACH ROW EXECUTE FUNCTION ducat.mark_subscription();

CREATE OR REPLACE TRIGGER subscriptions_rollup_change AFTER UPDATE ON ducat.subscriptions
FOR EACH ROW WHEN ((OLD.started_at, OLD.ended_at, OLD.provider, OLD.status = 'incomplete',
    OLD.period_start IS NULL)
  IS DISTINCT FROM (NEW.started_at, NEW.ended_at, NEW.provider, NEW.status = 'incomplete',
    NEW.period_start IS NULL))
EXECUTE FUNCTION ducat.mark_subscription();

-- Do the next bounded step of the roll-ups: one hour, one account's marked days (31 at most), the
-- end of one day, or the numbers of one day, whichever is due. Returns what was done: hour | marks
-- | final | day, null when nothing is due or another session is at it. What may change is summed
-- up again when it is older than p_max_age.
-- Locks roll-ups only, behind an advisory lock of the transaction. Safe to retry, and to be killed.
CREATE OR REPLACE FUNCTION ducat.roll_up(p_max_age interval DEFAULT '4 minutes') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
DECLARE
  v_hour timestamptz;
  v_day date;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('roll_up', 0)) THEN
    RETURN NULL;
  END IF;
  PERFORM add_rollup_days();
  v_hour := find_due_hour(p_max_age);
  IF v_hour IS NOT NULL THEN
    PERFORM roll_up_hour(v_hour);
    RETURN 'hour';
  END IF;
  v_day := find_final_day();
  IF v_day IS NOT NULL THEN
    PERFORM end_rollup_day(v_day);
    RETURN 'final';
  END IF;
  IF apply_marks() THEN
    RETURN 'marks';
  END IF;
  v_day := (
    SELECT d.day FROM rollup_days d
    WHERE d.computed_at < start_of(d.day + 1) + interval '10 minutes'
      AND d.computed_at < clock_timestamp() - p_max_age
    ORDER BY d.day DESC LIMIT 1);
  IF v_day IS NOT NULL THEN
    PERFORM roll_up_day(v_day);
    RETURN 'day';
  END IF;
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION ducat.roll_up TO ducat_worker;

-- Note every day until today, from that of the first account on.
CREATE OR REPLACE FUNCTION ducat.add_rollup_days() RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_last date := (SELECT max(day) FROM rollup_days);
BEGIN
  IF v_last IS NULL THEN
    v_last := coalesce((SELECT utc_day(min(created_at)) FROM accounts), utc_day()) - 1;
  END IF;
  INSERT INTO rollup_days (day)
  SELECT v_last + n FROM generate_series(1, utc_day() - v_last) AS n;
END $$;

-- The newest hour to be summed up, null when none is: those that never were; those whose end is
-- not ten minutes ago; those with generations that run (older ones every half an hour); and all
-- of a day once more that has been over for three days.
CREATE OR REPLACE FUNCTION ducat.find_due_hour(p_max_age interval) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT h.hour
  FROM rollup_days d
  CROSS JOIN LATERAL (SELECT start_of(d.day) + n * interval '1 hour' AS hour
                      FROM generate_series(0, 23) AS n) AS h
  CROSS JOIN (SELECT clock_timestamp() AS now) AS clock
  LEFT JOIN rollup_hours r ON r.hour = h.hour
  WHERE NOT d.is_final AND h.hour <= now AND (
    r.hour IS NULL
    OR r.computed_at < h.hour + interval '70 minutes' AND r.computed_at < now - p_max_age
    OR r.open > 0 AND r.computed_at < now - CASE WHEN h.hour > now - interval '3 hours'
      THEN p_max_age ELSE greatest(p_max_age, '30 minutes') END
    OR start_of(d.day + 4) <= now AND r.computed_at < start_of(d.day + 4))
  ORDER BY h.hour DESC LIMIT 1
$$;

-- Sum up one hour, in place of what was.
CREATE OR REPLACE FUNCTION ducat.roll_up_hour(p_hour timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_day date := utc_day(p_hour);
  v_hour smallint := hour_of(p_hour, false);
  v_end timestamptz := p_hour + interval '1 hour';
  v_now timestamptz := clock_timestamp();
BEGIN
  DELETE FROM usage_rollups WHERE day = v_day AND hour = v_hour;
  INSERT INTO usage_rollups SELECT * FROM usage_lines(p_hour, v_end);
  DELETE FROM revenue_rollups WHERE day = v_day AND hour = v_hour;
  INSERT INTO revenue_rollups SELECT * FROM revenue_lines(p_hour, v_end);
  DELETE FROM stat_rollups WHERE day = v_day AND hour = v_hour;
  INSERT INTO stat_rollups SELECT * FROM stat_lines(p_hour, v_end);
  INSERT INTO rollup_hours (hour, computed_at, open)
  SELECT p_hour, v_now, coalesce(sum(value), 0) FROM stat_rollups
  WHERE day = v_day AND hour = v_hour AND name = 'generations'
    AND labels ->> 'status' IN ('pending', 'processing')
  ON CONFLICT (hour) DO UPDATE SET computed_at = excluded.computed_at, open = excluded.open;
END $$;

-- The first day that has been over for three days and was summed up after that, with nothing left
-- that runs; null when there is none.
CREATE OR REPLACE FUNCTION ducat.find_final_day() RETURNS date
LANGUAGE sql STABLE SET search_path = ducat, pg_temp AS $$
  SELECT d.day FROM rollup_days d
  WHERE NOT d.is_final AND start_of(d.day + 4) <= (SELECT clock_timestamp()) AND 24 = (
    SELECT count(*) FROM rollup_hours r
    WHERE r.hour >= start_of(d.day) AND r.hour < start_of(d.day + 1)
      AND r.computed_at >= start_of(d.day + 4) AND r.open = 0)
  ORDER BY d.day LIMIT 1
$$;

-- Make a day final: its hours become one line each, 24. Its own numbers are told once more.
CREATE OR REPLACE FUNCTION ducat.end_rollup_day(p_day date) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  UPDATE rollup_days SET is_final = true WHERE day = p_day;
  WITH hours AS (
    DELETE FROM usage_rollups WHERE day = p_day AND hour < 24 RETURNING *
  )
  INSERT INTO usage_rollups
  SELECT account_id, p_day, 24, source, style_id, style_version, model, feature, language,
    category, is_batch, sum(completed), sum(failed), sum(canceled), sum(amount), sum(charged),
    sum(paid_back), sum(input_tokens), sum(output_tokens), sum(response_count), sum(response_ms),
    max(response_ms_max), ARRAY[
      sum(b[1]), sum(b[2]), sum(b[3]), sum(b[4]), sum(b[5]), sum(b[6]), sum(b[7]), sum(b[8]),
      sum(b[9]), sum(b[10]), sum(b[11]), sum(b[12]), sum(b[13]), sum(b[14]), sum(b[15]),
      sum(b[16])],
    sum(costed), sum(provider_cost_micros)
  FROM hours, LATERAL (SELECT response_buckets AS b) AS classes
  GROUP BY account_id, source, style_id, style_version, model, feature, language, category,
    is_batch
  -- What a reopened day has kept of events that are forgotten by now.
  ON CONFLICT DO NOTHING;
  WITH hours AS (
    DELETE FROM revenue_rollups WHERE day = p_day AND hour < 24 RETURNING *
  )
  INSERT INTO revenue_rollups
  SELECT account_id, p_day, 24, style_id, style_version, model, currency, sum(amount_micros)
  FROM hours GROUP BY account_id, style_id, style_version, model, currency;
  WITH hours AS (
    DELETE FROM stat_rollups WHERE day = p_day AND hour < 24 RETURNING *
  )
  INSERT INTO stat_rollups
  SELECT p_day, 24, name, labels, sum(value) FROM hours GROUP BY name, labels;
  DELETE FROM rollup_hours WHERE hour >= start_of(p_day) AND hour < start_of(p_day + 1);
  PERFORM roll_up_day(p_day);
END $$;

-- Tell the numbers of one day, in place of what was; those of today with the levels as they are.
-- Yesterday's levels stay what they were when they were last told.
CREATE OR REPLACE FUNCTION ducat.roll_up_day(p_day date) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  DELETE FROM stat_rollups WHERE day = p_day AND hour = 24 AND name = ANY (day_names());
  INSERT INTO stat_rollups SELECT * FROM day_lines(p_day);
  INSERT INTO stat_rollups
  SELECT p_day, 24, 'active_accounts', '{}', count(DISTINCT account_id)
  FROM usage_rollups WHERE day = p_day HAVING count(*) > 0;
  IF p_day = utc_day(v_now) THEN
    DELETE FROM stat_rollups WHERE day = p_day AND hour = 24 AND name = ANY (level_names());
    INSERT INTO stat_rollups SELECT * FROM level_lines(p_day);
  END IF;
  UPDATE rollup_days SET computed_at = v_now WHERE day = p_day;
END $$;

-- The statistics that are told by the day; the others are sums of hours.
CREATE OR REPLACE FUNCTION ducat.day_names() RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT ARRAY['accounts_created', 'accounts_erased', 'active_accounts', 'payments',
    'subscriptions_started', 'subscriptions_ended', 'trials_converted']
$$;

-- The statistics that are a level at a moment, which can't be told of a day that has passed.
CREATE OR REPLACE FUNCTION ducat.level_names() RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = ducat, pg_temp AS $$
  SELECT ARRAY['subscriptions', 'mrr', 'subscriptions_unpriced', 'balances', 'levels_read']
$$;

-- Apply what is marked: of whole days first, then of the account with the first mark. Returns
-- whether there was anything. A mark that comes meanwhile is not seen, and stays.
CREATE OR REPLACE FUNCTION ducat.apply_marks() RETURNS boolean
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_mark rollup_dirty_days;
BEGIN
  WITH marks AS (
    DELETE FROM rollup_dirty_days WHERE id IN (
      SELECT id FROM rollup_dirty_days WHERE scope = 'day' ORDER BY id LIMIT 1000)
    RETURNING from_day
  )
  INSERT INTO rollup_days AS d (day) SELECT DISTINCT from_day FROM marks
  -- Due again, but not as one that never was summed up.
  ON CONFLICT (day) DO UPDATE SET computed_at = least(d.computed_at, start_of(d.day));
  IF FOUND THEN
    RETURN true;
  END IF;
  SELECT * INTO v_mark FROM rollup_dirty_days ORDER BY id LIMIT 1;
  IF v_mark.scope = 'all' THEN
    PERFORM reopen_days(v_mark);
  ELSIF v_mark.scope = 'usage' THEN
    PERFORM apply_usage_marks(v_mark.account_id);
  END IF;
  RETURN v_mark.id IS NOT NULL;
END $$;

-- Forget what up to 31 days of a mark came to, so that their hours are due.
CREATE OR REPLACE FUNCTION ducat.reopen_days(p_mark ducat.rollup_dirty_days) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_from date := p_mark.from_day;
  v_to date := least(p_mark.to_day, v_from + 30, utc_day());
BEGIN
  INSERT INTO rollup_days (day) SELECT v_from + n FROM generate_series(0, v_to - v_from) AS n
  ON CONFLICT (day) DO UPDATE SET computed_at = excluded.computed_at, is_final = false;
  DELETE FROM usage_rollups WHERE day BETWEEN v_from AND v_to AND hour = 24
    AND (source <> 'feature' OR day >= rollup_horizon());
  DELETE FROM revenue_rollups WHERE day BETWEEN v_from AND v_to AND hour = 24;
  DELETE FROM stat_rollups WHERE day BETWEEN v_from AND v_to AND hour = 24
    AND name <> ALL (level_names());
  DELETE FROM rollup_hours WHERE hour >= start_of(v_from) AND hour < start_of(v_to + 1);
  IF v_to < p_mark.to_day THEN
    UPDATE rollup_dirty_days SET from_day = v_to + 1 WHERE id = p_mark.id;
  ELSE
    DELETE FROM rollup_dirty_days WHERE id = p_mark.id;
  END IF;
END $$;

-- Sum up one account's marked days anew, 31 of them at most, and tell the numbers of these days
-- again. Days that were not summed up yet come by their hours. Days before the horizon only of an
-- account that was erased, of which no event is left to miss.
CREATE OR REPLACE FUNCTION ducat.apply_usage_marks(p_account_id uuid) RETURNS void
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_today date := utc_day();
  v_ids uuid[];
  v_from date;
  v_to date;
BEGIN
  SELECT array_agg(id), greatest(min(from_day), (SELECT min(day) FROM rollup_days),
    CASE WHEN NOT bool_or(reason = 'erased') THEN rollup_horizon() END)
  INTO v_ids, v_from
  FROM (SELECT id, from_day, reason FROM rollup_dirty_days WHERE account_id = p_account_id
        ORDER BY from_day, id LIMIT 1000) AS marks;
  v_to := least(v_today, v_from + 30, (
    SELECT max(coalesce(to_day, v_today)) FROM rollup_dirty_days
    WHERE id = ANY (v_ids) AND from_day <= v_from + 30));
  IF v_from <= v_to THEN
    PERFORM roll_up_account(p_account_id, v_from, v_to);
  END IF;
  DELETE FROM rollup_dirty_days
  WHERE id = ANY (v_ids) AND least(to_day, v_today) <= greatest(v_to, v_from - 1);
  UPDATE rollup_dirty_days SET from_day = v_to + 1
  WHERE id = ANY (v_ids) AND from_day <= v_to;
END $$;

-- Sum up what one account used in these days, in place of what was.
CREATE OR REPLACE FUNCTION ducat.roll_up_account(p_account_id uuid, p_from date, p_to date)
RETURNS void LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
DECLARE
  v_start timestamptz := start_of(p_from);
  v_end timestamptz := start_of(p_to + 1);
BEGIN
  DELETE FROM usage_rollups WHERE account_id = p_account_id AND day BETWEEN p_from AND p_to;
  INSERT INTO usage_rollups
  SELECT u.* FROM usage_lines(v_start, v_end, p_account_id, true) u
  JOIN rollup_days d ON d.day = u.day AND d.is_final
  UNION ALL
  SELECT u.* FROM usage_lines(v_start, v_end, p_account_id) u
  JOIN rollup_days d ON d.day = u.day AND NOT d.is_final;
  DELETE FROM revenue_rollups WHERE account_id = p_account_id AND day BETWEEN p_from AND p_to;
  INSERT INTO revenue_rollups
  SELECT r.* FROM revenue_lines(v_start, v_end, p_account_id, true) r
  JOIN rollup_days d ON d.day = r.day AND d.is_final
  UNION ALL
  SELECT r.* FROM revenue_lines(v_start, v_end, p_account_id) r
  JOIN rollup_days d ON d.day = r.day AND NOT d.is_final;
  UPDATE rollup_days SET computed_at = least(computed_at, start_of(day))
  WHERE day BETWEEN p_from AND p_to;
END $$;
