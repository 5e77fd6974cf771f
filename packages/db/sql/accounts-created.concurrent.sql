-- Accounts by the time they came: for statistics and lists, by a span of time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_created
ON ducat.accounts USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
