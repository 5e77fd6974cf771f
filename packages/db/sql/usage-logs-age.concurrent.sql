-- Events that may be forgotten, the oldest first: all but those whose places are still held, which
-- are needed to give them back.
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_logs_old
ON ducat.usage_logs (created_at)
WHERE period_start IS DISTINCT FROM '-infinity' OR released_at IS NOT NULL;
