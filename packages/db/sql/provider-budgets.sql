-- What all workers together may spend at a provider on one day (UTC). A worker takes a slice of
-- what is left, spends it by itself, and gives back what it did not need: no row, and no lock, for
-- an item. The slices shrink with what is left, down to one item's. A worker that is killed keeps
-- its slice: what it had spent of it nobody knows, and the cap holds.

-- Take a slice of the day: a sixteenth of what is left of p_cap, at least p_least, which the next
-- item may cost. Returns the day, the slice (0 when less than p_least is left) and for how many
-- seconds it may be spent: up to p_hold_s, not beyond the day.
--   DU007 validation_failed   {what: budget}
-- Locks the day's row. Not safe to retry: a lost answer leaves its slice taken.
CREATE OR REPLACE FUNCTION ducat.take_provider_budget(
  p_provider text, p_cap bigint, p_least bigint, p_hold_s float8 DEFAULT 60)
RETURNS TABLE (day date, granted bigint, hold_s float8)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_now timestamp := clock_timestamp() AT TIME ZONE 'UTC';
  v_free bigint;
BEGIN
  IF (p_cap BETWEEN 1 AND 10 ^ 12 AND p_least BETWEEN 0 AND 10 ^ 12 AND p_hold_s > 0) IS NOT TRUE
  THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "budget"}');
  END IF;
  day := v_now::date;
  INSERT INTO provider_budgets (provider, day) VALUES (p_provider, day) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    DELETE FROM provider_budgets WHERE provider = p_provider AND day < v_now::date - 400;
  END IF;
  SELECT p_cap - taken_micros INTO v_free FROM provider_budgets
  WHERE provider = p_provider AND provider_budgets.day = v_now::date FOR NO KEY UPDATE;
  granted := CASE WHEN v_free < greatest(p_least, 1) THEN 0
    ELSE greatest(p_least, v_free / 16, 1) END;
  UPDATE provider_budgets SET taken_micros = taken_micros + granted
  WHERE provider = p_provider AND provider_budgets.day = v_now::date AND granted > 0;
  hold_s := least(p_hold_s, extract(epoch FROM v_now::date + interval '1 day' - v_now)::float8);
  RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ducat.take_provider_budget TO ducat_worker;

-- Let go of p_granted of what was taken on a day, of which p_spent was spent. More than p_granted
-- may have been: what a provider asks for is known when it is done.
--   DU007 validation_failed   {what: budget}
-- Locks the day's row. Not safe to retry: the repeat would give back what is spent.
CREATE OR REPLACE FUNCTION ducat.return_provider_budget(
  p_provider text, p_day date, p_granted bigint, p_spent bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF (p_granted >= 0 AND p_spent >= 0) IS NOT TRUE THEN
    PERFORM refuse('DU007', 'validation_failed', '{"what": "budget"}');
  END IF;
  UPDATE provider_budgets SET
    spent_micros = spent_micros + p_spent,
    taken_micros = greatest(taken_micros - p_granted + p_spent, spent_micros + p_spent)
  WHERE provider = p_provider AND day = p_day;
END $$;
GRANT EXECUTE ON FUNCTION ducat.return_provider_budget TO ducat_worker;
