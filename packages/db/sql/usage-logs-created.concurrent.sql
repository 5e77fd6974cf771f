-- Tracked use by the time it was tracked, whether its place is held or not: for roll-ups, by the
-- hour.
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_logs_created
ON ducat.usage_logs USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
