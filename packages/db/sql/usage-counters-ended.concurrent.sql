-- Counters of periods, the oldest first: what is removed when it has been over for long. A counter
-- enters it once; places that are held have no end and are not in it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counters_ended
ON ducat.usage_counters (period_start) WHERE period_start > '-infinity';
