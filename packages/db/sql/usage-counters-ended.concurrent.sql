-- Counters of periods, the oldest first: what is removed when it has been over for long. A counter
-- enters it once; places that are held have no end and are not in it. An expression, so that nobody
-- who looks for one account's counter is led here: all of an hour have the same period_start.
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counters_ended
ON ducat.usage_counters ((period_start AT TIME ZONE 'UTC')) WHERE period_start > '-infinity';
